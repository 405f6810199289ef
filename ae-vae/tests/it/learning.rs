//! Every model learns a toy whose answer is known, with several seeds.

use etude_ae_vae::{
    Autoencoder, CodePrior, CodePriorConfig, Conditional, ConditionalConfig, Corruption, Denoising, DenoisingConfig,
    Generative, KlWeight, Mixture, MixtureConfig, Sentence, SentenceConfig, Sparsity, Wae, WaeConfig, measure,
};
use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Adam, Ctx, Module, Optimizer, Sampler};

use super::{
    Borrowed, adversarial, contractive, deterministic, net, quarters, small_vae, sparse, train, trained_vae, vae_net,
    variational, vq,
};

/// −ln p of the quarters' pixels, if they are known: 16·H(0.05) nats.
const KNOWN: f64 = 3.176;

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

/// The cross-entropy of reconstructions, nats an image.
fn misses(model: &(impl Autoencoder + ?Sized), x: &Tensor, cx: &Ctx) -> f64 {
    let p = no_grad(|| model.reconstruct(x, &mut cx.eval())).clamp(1e-6, 1.0 - 1e-6);
    let nats = x * p.ln() + x.affine(-1.0, 1.0) * p.affine(-1.0, 1.0).ln();
    -f64::from(nats.sum_dims([1]).mean().item())
}

/// The share of images that are one of the four kinds: every pixel on the right side of ½.
fn right(x: &Tensor) -> f64 {
    let kind = |image: &[f32]| {
        let lit: Vec<usize> = (0..16).filter(|&i| image[i] > 0.5).collect();
        lit.len() == 4 && lit.iter().all(|i| i / 4 == lit[0] / 4)
    };
    x.to_vec().chunks(16).filter(|image| kind(image)).count() as f64 / x.dim(0) as f64
}

#[test]
fn every_deterministic_model_gives_back_what_it_saw() {
    for seed in 0..2 {
        let mut cx = Ctx::train(seed);
        for (name, model) in deterministic(&mut cx) {
            let x = quarters(200, &mut cx.rng);
            train(&*model, 200, &mut cx);
            let found = misses(&*model, &x, &cx);
            assert!(found < KNOWN + 0.4, "{name}, seed {seed}: {found}");
        }
    }
}

#[test]
fn every_variational_model_comes_near_the_entropy_and_not_below() {
    for seed in 0..2 {
        let mut cx = Ctx::train(seed);
        for (name, model) in variational(&mut cx) {
            train(&*model, 400, &mut cx);
            let x = quarters(300, &mut cx.rng);
            let nll = -f64::from(measure::log_likelihood(&*model, &x, 50, &mut cx).expect("valid").mean().item());
            // ln 4 + 16·H(0.05) is the best any model can do.
            assert!(nll > 4f64.ln() + KNOWN - 0.02 && nll < 6.0, "{name}, seed {seed}: {nll}");
            let sampled = right(&model.sample(400, &mut cx));
            assert!(sampled > 0.6, "{name}, seed {seed}: {sampled} of the samples are of a kind");
        }
    }
}

#[test]
fn sparse_codes_are_sparse() {
    let mut cx = Ctx::train(0);
    let x = quarters(300, &mut cx.rng);
    let mut active = |sparsity| {
        let model = sparse(sparsity, &mut cx);
        train(&model, 400, &mut cx);
        let code = no_grad(|| model.encode(&x, &mut cx));
        (code.gt_scalar(0.01).to_float::<f32>().mean().item(), code.mean().item())
    };
    let (free, held) = (active(Sparsity::L1 { weight: 0.0 }).0, active(Sparsity::L1 { weight: 0.1 }).0);
    assert!(held < 0.6 * free, "L1: {held} of the units are active, {free} without it");
    let mean = active(Sparsity::Kl { target: 0.1, weight: 1.0 }).1;
    assert!((mean - 0.1).abs() < 0.03, "KL: the mean activation is {mean}, 0.1 was wanted");
    assert!(active(Sparsity::TopK { k: 3 }).0 <= 3.0 / 24.0 + 1e-6);
}

#[test]
fn a_penalty_contracts() {
    for seed in 0..2 {
        let norm = |weight| {
            let mut cx = Ctx::train(seed);
            let model = contractive(weight, &mut cx);
            train(&model, 200, &mut cx);
            let x = quarters(100, &mut cx.rng);
            model.jacobian_norm(&x, &mut cx).mean().item()
        };
        let (free, held) = (norm(0.0), norm(1.0));
        assert!(held < 0.5 * free, "seed {seed}: ‖J‖² is {held} with the penalty, {free} without");
    }
}

#[test]
fn denoising_beats_the_corrupted_image() {
    for seed in 0..3 {
        let mut cx = Ctx::train(seed);
        let config = DenoisingConfig { net: net(), corruption: Corruption::SaltAndPepper { share: 0.3 } };
        let model = Denoising::new(config, &mut cx).expect("a valid configuration");
        train(&model, 300, &mut cx);
        let x = quarters(400, &mut cx.rng);
        let seen = model.corruption().apply(&x, &mut cx);
        let error = |y: &Tensor| (y - &x).square().mean().item();
        let clean = no_grad(|| model.reconstruct(&seen, &mut cx.eval()));
        assert!(error(&clean) < 0.2 * error(&seen), "seed {seed}: {} against {}", error(&clean), error(&seen));
    }
}

#[test]
fn a_conditional_model_draws_what_is_asked_for() {
    for seed in 0..2 {
        let mut cx = Ctx::train(seed);
        let model = Conditional::new(ConditionalConfig { net: vae_net(), classes: 4 }, &mut cx).expect("valid");
        let mut opt = Adam::new(&model, 1e-2);
        for _ in 0..300 {
            let x = quarters(64, &mut cx.rng);
            let kinds = x.reshape([64, 4, 4]).sum_dims([2]).argmax(1).to_vec();
            let kinds: Vec<usize> = kinds.into_iter().map(|kind| kind as usize).collect();
            opt.step(&model.given(&kinds).expect("kinds").forward(&x, &mut cx).loss.total().backward());
        }
        for kind in 0..4 {
            let drawn = model.given(&[kind; 50]).expect("a kind").sample(50, &mut cx);
            let kinds = drawn.reshape([50, 4, 4]).sum_dims([2]).argmax(1).to_vec();
            let hits = kinds.iter().filter(|&&found| found == kind as i64).count();
            assert!(right(&drawn) > 0.95 && hits > 47, "seed {seed}: {hits} of 50 are of kind {kind}");
        }
    }
}

#[test]
fn words_of_a_codebook_and_their_prior_are_learnt() {
    for seed in 0..2 {
        let mut cx = Ctx::train(seed);
        let model = vq(&mut cx);
        train(&model, 200, &mut cx);
        let x = quarters(100, &mut cx.rng);
        let words = model.words(&x, &mut cx);
        let config = CodePriorConfig { words: model.codes(), positions: model.positions(), embed: 8, hidden: 32 };
        let prior = CodePrior::new(config, &mut cx).expect("valid");
        let mut opt = Adam::new(&prior, 1e-2);
        let mut nats = 0.0;
        for _ in 0..150 {
            let loss = prior.forward(&words, &mut cx).expect("words of the codebook").total();
            nats = loss.item();
            opt.step(&loss.backward());
        }
        // Four pictures, equally likely.
        assert!((nats - 4f32.ln()).abs() < 0.2, "seed {seed}: {nats} nats");
        let drawn = prior.sample(100, &Sampler::temperature(1.0).expect("valid"), &mut cx).expect("some");
        let share = right(&model.picture(&drawn, &mut cx).expect("words of the codebook"));
        assert!(share > 0.9, "seed {seed}: {share} of the pictures are of a kind");
    }
}

/// Images of four blocks, each of a brightness of its own: four numbers that vary freely.
fn blocks(n: usize, rng: &mut Rng) -> Tensor {
    let brightness: Tensor = Tensor::rand([n, 4, 1], rng);
    brightness.affine(0.9, 0.05).expand([n, 4, 4]).reshape([n, 16])
}

#[test]
fn codes_take_the_shape_of_the_prior() {
    for seed in 0..2 {
        // Codes that follow N(0, 1) have a mean square of 1 in every direction.
        let spread = |code: &Tensor| {
            let furthest = code.mean_dims([0]).abs().to_vec().into_iter().fold(0f32, f32::max);
            (furthest, code.square().mean().item())
        };
        let mut cx = Ctx::train(seed);
        let wae = Wae::new(WaeConfig { net: net(), weight: 50.0 }, &mut cx).expect("valid");
        let mut opt = Adam::new(&wae, 1e-2);
        for _ in 0..300 {
            let x = blocks(64, &mut cx.rng);
            opt.step(&wae.forward(&x, &mut cx).loss.total().backward());
        }
        let code = no_grad(|| wae.encode(&blocks(1000, &mut cx.rng), &mut cx));
        let (mean, square) = spread(&code);
        assert!(mean < 0.4 && (0.5..1.6).contains(&square), "WAE, seed {seed}: {mean}, {square}");

        // The game goes round its equilibrium, so that the codes are looked at over many steps.
        let model = adversarial(&mut cx);
        let adam = |model: &dyn Module| Adam::new(model, 1e-3).betas(0.5, 0.999);
        let (mut coder, mut judge) = (adam(model.net()), adam(model.discriminator()));
        let mut codes = Vec::new();
        for step in 0..1000 {
            let x = blocks(64, &mut cx.rng);
            let out = model.forward(&x, &mut cx);
            let game = model.discriminator_loss(&out.code, &mut cx);
            coder.step(&out.loss.total().backward_for(&model.net().leaves()));
            judge.step(&game.backward());
            if step >= 500 {
                codes.push(out.code.detach());
            }
        }
        let (mean, square) = spread(&Tensor::concat(&codes.iter().collect::<Vec<_>>(), 0));
        assert!(mean < 0.5 && (0.5..1.6).contains(&square), "AAE, seed {seed}: {mean}, {square}");
    }
}

#[test]
fn a_mixture_of_codes_samples_better_than_a_prior_that_they_do_not_follow() {
    for seed in 0..2 {
        let mut cx = Ctx::train(seed);
        let model = super::Vanilla::new(net(), &mut cx).expect("valid");
        train(&model, 300, &mut cx);
        let codes = no_grad(|| model.encode(&quarters(400, &mut cx.rng), &mut cx));
        let config = MixtureConfig { components: 4, ..MixtureConfig::default() };
        let mixture = Mixture::fit(&codes, &config, &mut cx).expect("finite codes");
        let decode = |code: &Tensor, cx: &mut Ctx| right(&no_grad(|| model.decode(code, cx)).sigmoid());
        let (fitted, blind) = (mixture.sample(200, &mut cx), Tensor::randn([200, 4], &mut cx));
        let (fitted, blind) = (decode(&fitted, &mut cx), decode(&blind, &mut cx));
        assert!(fitted > 0.95 && blind < 0.8, "seed {seed}: {fitted} of the mixture's samples, {blind} of N(0, 1)'s");
    }
}

#[test]
fn a_sentence_comes_back_through_its_code() {
    // Six sentences, told apart by their first two words: what follows says nothing new, so that only z can.
    let sentences: Vec<Vec<u32>> =
        [[0, 1], [1, 2], [2, 0], [0, 2], [1, 0], [2, 1]].iter().map(|s| [s[0], s[1], s[0], 3, s[1]].to_vec()).collect();
    for seed in 0..2 {
        let mut cx = Ctx::train(seed);
        let config = SentenceConfig { words: 4, embed: 8, hidden: 32, latent: 4, word_drop: 0.5 };
        let model = Sentence::new(config, &mut cx).expect("valid");
        let batch = model.batch(&sentences).expect("words of the model");
        let mut opt = Adam::new(&model, 1e-2);
        let weight = KlWeight { warm_up: 200, ..KlWeight::default() };
        for step in 0..400 {
            let out = model.forward(&batch, &mut cx);
            opt.step(&weight.apply(out.loss, step).total().backward());
        }
        let back = model.reconstruct(&batch, &mut cx.eval());
        let hits = back.iter().zip(&sentences).filter(|(a, b)| a == b).count();
        let kl = model.forward(&batch, &mut cx.eval()).loss.part("kl").expect("it has one");
        // To tell six sentences apart takes up to ln 6 = 1.8 nats, less what the words that are told say; a collapsed code has 0.
        assert!(hits == 6 && kl > 0.5, "seed {seed}: {hits} of 6 come back, {kl} nats");
    }
}

#[test]
fn free_bits_keep_a_variable_alive_that_a_large_beta_would_silence() {
    let kl = |weight: KlWeight| {
        let (vae, mut cx) = small_vae(0);
        let mut opt = Adam::new(&Borrowed(&vae), 1e-2);
        for step in 0..300 {
            let x = quarters(64, &mut cx.rng);
            let loss = vae.forward(&x, &mut cx).loss;
            opt.step(&weight.apply(loss, step).total().backward());
        }
        let x = quarters(200, &mut cx.rng);
        vae.forward(&x, &mut cx).loss.part("kl").expect("it has one")
    };
    let strict = KlWeight { beta: 50.0, ..KlWeight::default() };
    let (silent, free) = (kl(strict), kl(KlWeight { free_bits: 0.5, ..strict }));
    assert!(silent < 0.05 && free > 0.5, "{silent} nats without, {free} nats with free bits of ½ a variable");
}
