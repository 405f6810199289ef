//! Properties of the models: identities, learning, determinism, files, PyTorch's losses, bad input.

mod resume;

use etude_ae_vae::{
    Autoencoder, Corruption, Denoising, DenoisingConfig, Error, Vae, VaeConfig, Vanilla, VanillaConfig, check_pixels,
    measure,
};
use etude_autograd::{Tensor, gradcheck, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Adam, Ctx, Module, Optimizer, testing};

/// Sixteen-pixel images of four kinds, one quarter of the pixels lit: a code of two numbers suffices.
fn quarters(n: usize, rng: &mut Rng) -> Tensor {
    let mut out = Vec::new();
    for _ in 0..n {
        let kind = rng.below(4);
        out.extend((0..16).map(|i| if i / 4 == kind { 0.95 } else { 0.05 }));
    }
    Tensor::from_vec(out, [n, 16])
}

fn small_vae(seed: u64) -> (Vae, Ctx) {
    let mut cx = Ctx::train(seed);
    let config = VaeConfig { input: 16, hidden: vec![32], latent: 2, ..VaeConfig::default() };
    (Vae::new(config, &mut cx).expect("a valid configuration"), cx)
}

fn trained_vae(seed: u64, steps: usize) -> (Vae, Ctx) {
    let (vae, mut cx) = small_vae(seed);
    let mut opt = Adam::new(&vae, 1e-2);
    for _ in 0..steps {
        let x = quarters(64, &mut cx.rng);
        let loss = vae.forward(&x, &mut cx).loss.total();
        opt.step(&loss.backward());
    }
    (vae, cx)
}

#[test]
fn a_vae_learns_a_toy_and_importance_sampling_tightens_the_bound() {
    for seed in 0..3 {
        let (untrained, mut cx) = small_vae(seed);
        let test = quarters(400, &mut Rng::new(99));
        let before = measure::mean_loss(&untrained, &test, &mut cx).expect("valid images");
        let (vae, mut cx) = trained_vae(seed, 600);
        let after = measure::mean_loss(&vae, &test, &mut cx).expect("valid images");
        // Four equal kinds and known pixel noise: ln 4 + 16·H(0.05) = 1.39 + 3.18 nats is the best any model can do;
        // pixels without structure cost 16·H(¼·0.95 + ¾·0.05) = 9.4.
        assert!(after < 6.2 && before > 9.0, "seed {seed}: {before} → {after}");
        let bound = |k, cx: &mut Ctx| measure::log_likelihood(&vae, &test, k, cx).expect("valid").mean().item();
        let (one, many) = (bound(1, &mut cx), bound(50, &mut cx));
        assert!(many > one - 0.05, "seed {seed}: ln p ≥ {one} with one sample, {many} with fifty");
        assert!(f64::from(many) <= -(4f64.ln() + 3.17), "seed {seed}: {many} is better than possible");
    }
}

#[test]
fn gradients_flow_through_the_sample() {
    // z = μ + σ⊙ε with fixed ε, in f64 as `Vae::forward` writes it in f32.
    let mut rng = Rng::new(1);
    let inputs = [Tensor::randn([3, 2], &mut rng), Tensor::randn([3, 2], &mut rng)];
    let eps: Tensor<f64> = Tensor::randn([3, 2], &mut rng);
    let f = |x: &[Tensor<f64>]| &x[0] + x[1].affine(0.5, 0.0).exp() * &eps;
    gradcheck(&f, &inputs, 0).expect("reparameterisation is differentiable");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let weights =
        |(vae, _): (Vae, Ctx)| -> Vec<f32> { vae.named_params().iter().flat_map(|(_, p)| p.get().to_vec()).collect() };
    assert_eq!(weights(trained_vae(5, 20)), weights(trained_vae(5, 20)));
    assert_ne!(weights(trained_vae(5, 20)), weights(trained_vae(6, 20)));
}

#[test]
fn a_saved_model_gives_the_same_outputs() {
    let dir = std::env::temp_dir().join(format!("etude-ae-vae-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary folder");
    let path = dir.join("vae.safetensors");
    let (vae, _) = trained_vae(0, 5);
    vae.save(&path).expect("a writable folder");
    let (other, _) = small_vae(1);
    other.load(&path).expect("the same structure");
    let x = quarters(8, &mut Rng::new(3));
    let both = [&vae, &other].map(|m| no_grad(|| m.reconstruct(&x, &mut Ctx::eval_with_seed(0))).to_vec());
    assert_eq!(both[0], both[1]);
    std::fs::remove_dir_all(&dir).expect("ours");
}

#[test]
fn denoising_beats_the_corrupted_image() {
    for seed in 0..3 {
        let mut cx = Ctx::train(seed);
        let net = VanillaConfig { input: 16, hidden: vec![32], code: 4, ..VanillaConfig::default() };
        let config = DenoisingConfig { net, corruption: Corruption::SaltAndPepper { share: 0.3 } };
        let model = Denoising::new(config, &mut cx).expect("a valid configuration");
        let mut opt = Adam::new(&model, 1e-2);
        for _ in 0..300 {
            let x = quarters(64, &mut cx.rng);
            opt.step(&model.forward(&x, &mut cx).loss.total().backward());
        }
        let x = quarters(400, &mut cx.rng);
        let seen = model.corruption().apply(&x, &mut cx);
        let error = |y: &Tensor| (y - &x).square().mean().item();
        let clean = no_grad(|| model.reconstruct(&seen, &mut cx.eval()));
        assert!(error(&clean) < 0.2 * error(&seen), "seed {seed}: {} against {}", error(&clean), error(&seen));
    }
}

#[test]
fn bad_input_is_named() {
    let mut cx = Ctx::train(0);
    let zero = Vae::new(VaeConfig { latent: 0, ..Default::default() }, &mut cx).expect_err("no latent");
    assert!(zero.to_string().contains("latent"), "{zero}");
    assert!(Vanilla::new(VanillaConfig { code: 0, ..Default::default() }, &mut cx).is_err());
    let (vae, mut cx) = small_vae(0);
    let mut bad = quarters(3, &mut cx.rng).to_vec();
    bad[20] = 1.5;
    let error = measure::mean_loss(&vae, &Tensor::from_vec(bad, [3, 16]), &mut cx).expect_err("1.5 is no probability");
    assert!(matches!(error, Error::Pixel { image: 1, pixel: 4, .. }), "{error}");
    assert!(matches!(measure::mean_loss(&vae, &Tensor::zeros([0, 16]), &mut cx), Err(Error::Empty { .. })));
    assert!(matches!(measure::mean_loss(&vae, &Tensor::zeros([2, 15]), &mut cx), Err(Error::Width { .. })));
    assert!(check_pixels("test", &Tensor::full([1, 16], f32::NAN), 16).is_err());
    assert!(measure::log_likelihood(&vae, &Tensor::zeros([1, 16]), 0, &mut cx).is_err());
}

#[test]
fn an_exploding_encoder_stays_finite_and_a_batch_of_one_works() {
    let (vae, mut cx) = small_vae(0);
    for (name, p) in vae.named_params() {
        if name.starts_with("logvar") {
            p.update(|w| w.fill(1e4));
        }
    }
    let x = quarters(1, &mut cx.rng);
    let loss = vae.forward(&x, &mut cx).loss.total().item();
    assert!(loss.is_finite(), "{loss}");
}

#[test]
fn ten_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let vae =
        Vae::new(VaeConfig { input: 20, hidden: vec![12], latent: 3, ..VaeConfig::default() }, cx).expect("valid");
    testing::initialise(&vae);
    let x = testing::ids("x", [8, 20], 2).to_float();
    let mut opt = Adam::new(&vae, 1e-3);
    let step = |i| {
        let eps = testing::standard(&format!("eps{i}"), [8, 3]);
        testing::descend(&mut opt, vae.forward_with_noise(&x, &eps, cx).loss.total())
    };
    testing::compare_twin("w4", step).expect("the losses are PyTorch's");
}
