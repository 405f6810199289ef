//! Learning: toys whose answer is known, over several seeds.

use etude_autograd::Tensor;
use etude_cnn::{FitConfig, ImageMlp, ImageMlpConfig, LeNet, LeNetConfig, evaluate, fit, predict};
use etude_data::{ImageSet, Samples, digits};
use etude_kernels::rng::Rng;
use etude_nn::{Act, Ctx, Layer, Module};

/// Two half circles that reach into each other, as images of 1 × 2 pixels: no straight line separates them.
fn moons(n: usize, rng: &mut Rng) -> ImageSet {
    let mut points = Vec::with_capacity(2 * n);
    let mut labels = Vec::with_capacity(n);
    for i in 0..n {
        let angle = std::f64::consts::PI * rng.f64();
        let (sin, cos) = angle.sin_cos();
        let (x, y) = if i % 2 == 0 { (cos, sin) } else { (1.0 - cos, 0.5 - sin) };
        points.extend([x + 0.08 * rng.normal(), y + 0.08 * rng.normal()].map(|v| v as f32));
        labels.push((i % 2) as i64);
    }
    ImageSet { images: Tensor::from_vec(points, [n, 1, 1, 2]), labels: Tensor::from_vec(labels, [n]) }
}

#[test]
fn a_perceptron_separates_two_moons() {
    for seed in 0..3 {
        let cx = &mut Ctx::train(seed);
        let (train, test) = (moons(400, &mut cx.rng), moons(400, &mut cx.rng));
        let run = |hidden: Vec<usize>, cx: &mut Ctx| {
            let config = ImageMlpConfig { image: [1, 1, 2], hidden, classes: 2, act: Act::Tanh, dropout: 0.0 };
            let model = ImageMlp::new(config, cx).expect("the configuration is valid");
            let batches = train.batches(64).shuffled(cx).endless();
            let config = FitConfig { steps: 600, lr: 2e-2, ..FitConfig::default() };
            fit(&model, &config, batches, cx, |_| ()).expect("the moons are finite");
            evaluate(&model, &test.images, &test.labels, cx).expect("the moons are finite").accuracy()
        };
        let (network, line) = (run(vec![16, 16], cx), run(vec![], cx));
        assert!(network >= 0.98, "seed {seed}: {network}");
        assert!(line < 0.95, "seed {seed}: without a hidden layer the border is a line, but {line}");
    }
}

#[test]
fn a_small_lenet_reads_digits() {
    let all = digits();
    let images = all.pixels.affine(1.0 / 16.0, 0.0).reshape([all.labels.len(), 1, 8, 8]).upsample_nearest2d(2);
    let all = ImageSet { images, labels: all.labels };
    // The digits come writer by writer: every fifth is held out, so that both parts have the same writers.
    let part = |held_out: bool| {
        let ids = (0..all.len() as i64).filter(|i| (i % 5 == 0) == held_out).collect::<Vec<_>>();
        let (images, labels) = all.batch(&Tensor::from_slice(&ids, [ids.len()]));
        ImageSet { images, labels }
    };
    let (train, test) = (part(false), part(true));
    for seed in 0..3 {
        let cx = &mut Ctx::train(seed);
        let config = LeNetConfig { image: 16, channels: [8, 16], hidden: [32, 32], ..Default::default() };
        let model = LeNet::new(config, cx).expect("the configuration is valid");
        let batches = train.batches(64).shuffled(cx).endless();
        let mut losses = Vec::new();
        let config = FitConfig { steps: 300, lr: 5e-3, ..FitConfig::default() };
        fit(&model, &config, batches, cx, |step| losses.push(step.loss)).expect("the digits are finite");
        let result = evaluate(&model, &test.images, &test.labels, cx).expect("the digits are finite");
        assert!(result.accuracy() >= 0.93, "seed {seed}: {}", result.accuracy());
        assert!(losses[losses.len() - 1] < 0.5 * losses[0], "seed {seed}: {losses:?}");
        let wrong = test.len() as f64 * (1.0 - result.accuracy());
        assert_eq!(result.mistakes(&test.labels).len() as f64, wrong.round());
    }
}

#[test]
fn training_is_a_function_of_the_seed_and_evaluation_changes_nothing() {
    let run = |seed: u64, evaluations: bool| {
        let cx = &mut Ctx::train(seed);
        let data = moons(64, &mut cx.rng);
        let config = ImageMlpConfig { image: [1, 1, 2], hidden: vec![8], classes: 2, ..ImageMlpConfig::default() };
        let model = ImageMlp::new(config, cx).expect("the configuration is valid");
        for _ in 0..2 {
            let batches = data.batches(16).shuffled(cx).endless();
            fit(&model, &FitConfig { steps: 5, ..FitConfig::default() }, batches, cx, |_| ()).expect("finite");
            if evaluations {
                let a = predict(&model, &data.images, cx).expect("finite");
                assert_eq!(a.to_vec(), predict(&model, &data.images, cx).expect("finite").to_vec());
            }
        }
        let mut weights = Vec::new();
        model.each(&mut |_, slot| {
            if let etude_nn::Slot::Param(p) = slot {
                weights.extend(p.get().to_vec());
            }
        });
        weights
    };
    assert_eq!(run(1, false), run(1, true));
    assert_ne!(run(1, false), run(2, false));
}

#[test]
fn an_evaluation_in_parts_is_the_whole() {
    let cx = &mut Ctx::train(0);
    let data = moons(601, &mut cx.rng);
    let config = ImageMlpConfig { image: [1, 1, 2], hidden: vec![8], classes: 2, ..ImageMlpConfig::default() };
    let model = ImageMlp::new(config, cx).expect("the configuration is valid");
    let parts = predict(&model, &data.images, cx).expect("finite").to_vec();
    let whole = model.forward(&data.images, &mut cx.eval()).softmax(1).to_vec();
    parts.iter().zip(whole).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} and {b}"));
}
