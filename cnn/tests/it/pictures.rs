//! Saliency against models whose gradient is known.

use etude_autograd::Tensor;
use etude_cnn::{ImageMlp, ImageMlpConfig, LeNet, LeNetConfig, grad_cam, saliency, smooth_saliency};
use etude_nn::{Ctx, Layer};

#[test]
fn saliency_of_a_linear_model_is_its_weights() {
    let cx = &mut Ctx::train(0);
    let config = ImageMlpConfig { image: [2, 3, 4], hidden: vec![], classes: 3, ..ImageMlpConfig::default() };
    let model = ImageMlp::new(config, cx).expect("the configuration is valid");
    let images = Tensor::randn([2, 2, 3, 4], cx);
    let classes = Tensor::from_slice(&[2i64, 0], [2]);
    let found = saliency(&model, &images, &classes, cx).expect("the images are finite");
    // The score of class c is w_c·x + b_c: its gradient is w_c, here as [channels, pixels].
    let weights = model.layers[0].weight.get().detach();
    for (i, class) in [2, 0].into_iter().enumerate() {
        let expected = weights.select(0, class).reshape([2, 12]).abs().max(0);
        assert_eq!(found.select(0, i).reshape([12]).to_vec(), expected.to_vec());
    }
    // A gradient that is the same everywhere is its own mean.
    let smooth = smooth_saliency(&model, &images, &classes, 4, 0.5, cx).expect("the images are finite");
    found.to_vec().iter().zip(smooth.to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} and {b}"));
}

#[test]
fn saliency_is_the_slope_of_the_score() {
    let cx = &mut Ctx::train(1);
    let config = LeNetConfig { image: 12, channels: [2, 3], hidden: [6, 5], classes: 3, ..LeNetConfig::default() };
    let model = LeNet::new(config, cx).expect("the configuration is valid");
    let image = Tensor::randn([1, 1, 12, 12], cx);
    let class = Tensor::from_slice(&[1i64], [1]);
    let slopes = saliency(&model, &image, &class, cx).expect("the image is finite").to_vec();
    let score = |pixel: usize, by: f32, cx: &Ctx| {
        let mut moved = image.to_vec();
        moved[pixel] += by;
        f64::from(model.forward(&Tensor::from_vec(moved, [1, 1, 12, 12]), &mut cx.eval()).to_vec()[1])
    };
    // The score is piecewise linear: the central difference is exact but for rounding and for steps over a corner.
    let close = (0..144).filter(|&i| {
        let slope = (score(i, 1e-2, cx) - score(i, -1e-2, cx)) / 2e-2;
        (slope.abs() - f64::from(slopes[i])).abs() < 1e-3 * f64::from(slopes[i]).max(0.02)
    });
    let close = close.count();
    assert!(close >= 100, "only {close} of 144 slopes agree");
}

#[test]
fn grad_cam_is_coarse_and_never_negative() {
    let cx = &mut Ctx::train(2);
    let model = LeNet::new(LeNetConfig::default(), cx).expect("the default is valid");
    let images = Tensor::rand([3, 1, 28, 28], cx);
    let classes = Tensor::from_slice(&[0i64, 4, 9], [3]);
    let cam = grad_cam(&model, &images, &classes, cx).expect("the images are finite");
    assert_eq!(cam.shape(), [3, 1, 5, 5]);
    assert!(cam.to_vec().iter().all(|&v| v >= 0.0));
    // With the head linearised at the maps, Σ over positions of α·A is the mean gradient times A: check it by hand.
    let maps = model.maps(&images, &mut cx.eval()).detach().requires_grad();
    let picked = model.head(&maps, &mut cx.eval()).gather(1, &classes.unsqueeze(1)).sum();
    let grads = picked.backward();
    let g = grads.get(&maps).expect("maps are a leaf").mean_dims([2, 3]).to_vec();
    let a = maps.detach();
    let value: f32 = (0..16).map(|k| g[k] * a.select(0, 0).select(0, k).to_vec()[7]).sum();
    assert!((value.max(0.0) - cam.to_vec()[7]).abs() < 1e-5);
}
