//! Bad input: each gives an error that names it, and leaves the model as it was.

use etude_autograd::Tensor;
use etude_cnn::{Error, FitConfig, ImageMlp, ImageMlpConfig, LeNet, LeNetConfig, evaluate, fit, saliency};
use etude_nn::{Ctx, Module};

fn model(cx: &mut Ctx) -> LeNet {
    LeNet::new(LeNetConfig { image: 12, classes: 3, ..LeNetConfig::default() }, cx).expect("the configuration is valid")
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().expect("bad input").to_string()
}

#[test]
fn images_and_labels_are_checked() {
    let cx = &mut Ctx::train(0);
    let model = model(cx);
    let (images, labels) = (Tensor::zeros([2, 1, 12, 12]), Tensor::from_slice(&[0i64, 2], [2]));
    assert!(evaluate(&model, &images, &labels, cx).is_ok());
    let flat = images.reshape([2, 144]);
    assert!(
        message(evaluate(&model, &flat, &labels, cx)).starts_with("images have shape [2, 144], expected [n, channels")
    );
    let none = Tensor::zeros([0, 1, 12, 12]);
    assert!(message(evaluate(&model, &none, &labels.narrow(0, 0, 0), cx)).contains("at least one image"));
    let few = labels.narrow(0, 0, 1);
    assert_eq!(message(evaluate(&model, &images, &few, cx)), "[1] labels for 2 images, expected [2]");
    for label in [3, -1, i64::MAX] {
        let labels = Tensor::from_slice(&[0, label], [2]);
        let expected = format!("label {label} of image 1 is not one of the model's 3 classes");
        assert_eq!(message(evaluate(&model, &images, &labels, cx)), expected);
        assert_eq!(message(saliency(&model, &images, &labels, cx)), expected);
    }
    let mut pixels = images.to_vec();
    pixels[144 + 7] = f32::NAN;
    let bad = Tensor::from_vec(pixels, [2, 1, 12, 12]);
    assert_eq!(message(saliency(&model, &bad, &labels, cx)), "pixel 7 of image 1 is NaN, expected a finite number");
}

#[test]
fn a_failed_fit_leaves_the_weights() {
    let cx = &mut Ctx::train(0);
    let model = model(cx);
    let weights = |m: &LeNet| m.named_params().iter().flat_map(|(_, p)| p.get().to_vec()).collect::<Vec<f32>>();
    let before = weights(&model);
    let good = (Tensor::ones([2, 1, 12, 12]), Tensor::from_slice(&[0i64, 2], [2]));
    let bad = (Tensor::full([2, 1, 12, 12], f32::INFINITY), good.1.clone());
    let config = FitConfig { steps: 2, ..FitConfig::default() };
    assert!(message(fit(&model, &config, [bad], cx, |_| ())).starts_with("pixel 0 of image 0 is inf"));
    assert_eq!(weights(&model), before);
    // Finite pixels whose scores overflow: the loss is the first to say so.
    let huge = (Tensor::full([2, 1, 12, 12], 3e38), good.1.clone());
    let text = message(fit(&model, &config, [huge], cx, |_| ()));
    assert!(text.starts_with("step 0: the loss is"), "{text}");
    assert_eq!(weights(&model), before);
    let text = message(fit(&model, &config, [good], cx, |_| ()));
    assert_eq!(text, "the batches ended after 1 steps, the configuration asks for 2");
}

#[test]
fn configurations_are_checked() {
    let cx = &mut Ctx::train(0);
    let mlp = |config| ImageMlp::new(config, &mut Ctx::train(0)).expect_err("cannot work").to_string();
    let hidden = mlp(ImageMlpConfig { hidden: vec![5, 0], ..ImageMlpConfig::default() });
    assert_eq!(hidden, "ImageMlpConfig.hidden is [5, 0]: expected at least 1 everywhere");
    assert!(
        mlp(ImageMlpConfig { dropout: 1.0, ..ImageMlpConfig::default() }).starts_with("ImageMlpConfig.dropout is 1")
    );
    let model = model(cx);
    let mut fails = |config: FitConfig| message(fit(&model, &config, [], cx, |_| ()));
    assert_eq!(
        fails(FitConfig { lr: f64::NAN, ..FitConfig::default() }),
        "FitConfig.lr is NaN: expected a positive number"
    );
    assert!(fails(FitConfig { steps: 0, ..FitConfig::default() }).contains("FitConfig.steps is 0"));
    assert!(fails(FitConfig { warmup: 1.5, ..FitConfig::default() }).contains("FitConfig.warmup is 1.5"));
}
