//! What holds of every model, trained or not.

use etude_ae_vae::{
    Autoencoder, BetaTc, BetaTcConfig, Error, Iwae, Sentence, SentenceConfig, Vae, VaeConfig, Vamp, VampConfig,
    Variational, Wae, WaeConfig, measure,
};
use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Ctx, Module, Slot};

use super::{conditional, deterministic, quarters, variational};

/// A model as its trait's object.
fn plain(model: Box<dyn Variational>) -> Box<dyn Autoencoder> {
    model
}

/// Every model there is.
fn all(cx: &mut Ctx) -> Vec<(&'static str, Box<dyn Autoencoder>)> {
    let mut models = deterministic(cx);
    models.extend(variational(cx).into_iter().map(|(name, model)| (name, plain(model))));
    models
}

#[test]
fn every_parameter_of_every_model_has_a_finite_gradient() {
    let mut cx = Ctx::train(0);
    for (name, model) in all(&mut cx) {
        for batch in [1, 5] {
            let x = quarters(batch, &mut cx.rng);
            let loss = model.forward(&x, &mut cx).loss.total();
            assert!(loss.item().is_finite(), "{name}, {batch} images: {}", loss.item());
            let grads = loss.backward();
            for (param, p) in model.named_params() {
                let g = grads.by_id(p.id()).unwrap_or_else(|| panic!("{name}: {param} has no gradient"));
                assert!(g.to_vec().iter().all(|g| g.is_finite()), "{name}: the gradient of {param}");
            }
        }
    }
}

#[test]
fn images_do_not_influence_one_another_and_evaluation_is_deterministic() {
    let mut cx = Ctx::train(1);
    for (name, model) in all(&mut cx) {
        let x = Tensor::rand([6, 16], &mut cx);
        let eval = || cx.eval();
        let back = |x: &Tensor| no_grad(|| model.reconstruct(x, &mut eval()));
        let whole = back(&x);
        assert_eq!(whole.shape(), [6, 16], "{name}");
        assert_eq!(whole.to_vec(), back(&x).to_vec(), "{name}: twice the same");
        assert!(whole.to_vec().iter().all(|p| (0.0..=1.0).contains(p)), "{name}");
        let off = (back(&x.flip(0)).flip(0) - &whole).abs().to_vec().into_iter().fold(0f32, f32::max);
        assert!(off < 1e-5, "{name}: the order of a batch changes it by {off}");
        let off = (back(&x.narrow(0, 2, 1)) - whole.narrow(0, 2, 1)).abs().to_vec().into_iter().fold(0f32, f32::max);
        assert!(off < 1e-5, "{name}: an image alone differs by {off}");
    }
}

#[test]
fn the_loss_is_the_bound_that_draws_have_and_more_draws_tighten_it() {
    let mut cx = Ctx::train(2);
    for (name, model) in variational(&mut cx) {
        let x = repeated(&quarters(4, &mut cx.rng), 500);
        let (parts, weights) = no_grad(|| (model.forward(&x, &mut cx).loss, model.draws(&x, 1, &mut cx).log_weights));
        let (loss, weights) = (parts.each(), weights.squeeze(0));
        let gap = f64::from((loss.mean() + weights.mean()).item());
        let variance = f64::from((loss.var_dims([0]) + weights.var_dims([0])).item());
        // Five standard errors of the difference of the two means.
        let allowed = 5.0 * (variance / x.dim(0) as f64).sqrt();
        assert!(gap.abs() < allowed, "{name}: the loss and −E ln w differ by {gap}, allowed {allowed}");
        let mut last = -weights.mean().item();
        for k in [5, 50] {
            let bound =
                -measure::log_likelihood(&*model, &x.narrow(0, 0, 400), k, &mut cx).expect("valid").mean().item();
            assert!(bound < last + 0.02, "{name}: {bound} with {k} draws, {last} with fewer");
            last = bound;
        }
    }
}

/// Images, each `n` times.
fn repeated(x: &Tensor, n: usize) -> Tensor {
    x.unsqueeze(0).expand([n, x.dim(0), x.dim(1)]).flatten(0..2)
}

#[test]
fn importance_sampling_finds_the_integral() {
    // One latent variable, so that ∫ p(x|z) N(z; 0, 1) dz is a sum over a fine grid.
    let mut cx = Ctx::train(3);
    let config = VaeConfig { input: 16, hidden: vec![8], latent: 1, ..VaeConfig::default() };
    let vae = Vae::new(config, &mut cx).expect("valid");
    super::train(&vae, 100, &mut cx);
    let x = quarters(3, &mut cx.rng);
    let n = 4001;
    let z: Tensor = Tensor::from_vec((0..n).map(|i| i as f32 / 200.0 - 10.0).collect(), [n, 1]);
    let found = measure::log_likelihood(&vae, &x, 5000, &mut cx).expect("valid").to_vec();
    for (i, found) in found.into_iter().enumerate() {
        let image = x.narrow(0, i, 1).expand([n, 16]);
        let log_p = no_grad(|| vae.decode(&z, &mut cx)).bce_with_logits(&image).sum_dims([1]);
        let log_prior = z.squeeze(1).square().affine(-0.5, -0.918_938_5);
        let want = (log_prior - log_p).logsumexp(0).item() - 200f32.ln();
        assert!((found - want).abs() < 0.05, "image {i}: {found} by 5000 draws, {want} by integration");
    }
}

#[test]
fn a_stream_of_draws_is_as_good_as_all_at_once() {
    // The same draws, whether in one pass of k or in k passes of one: the generator's numbers come in the same order.
    let mut cx = Ctx::train(4);
    let vae = Vae::new(super::vae_net(), &mut cx).expect("valid");
    let x = quarters(1, &mut Rng::new(0));
    let mut one = Ctx::eval_with_seed(7);
    let singles: Vec<Tensor> = (0..300).map(|_| no_grad(|| vae.draws(&x, 1, &mut one)).log_weights).collect();
    let all = Tensor::concat(&singles.iter().collect::<Vec<_>>(), 0);
    let want = all.logsumexp(0).item() - 300f32.ln();
    let found = measure::log_likelihood(&vae, &x, 300, &mut Ctx::eval_with_seed(7)).expect("valid").item();
    assert!((found - want).abs() < 1e-4, "{found} streamed, {want} from {} draws", all.dim(0));
}

#[test]
fn every_model_is_measured_without_learning_and_draws_go_on() {
    let mut cx = Ctx::train(5);
    for (name, model) in all(&mut cx) {
        // More than are looked at together.
        let x = quarters(600, &mut cx.rng);
        let buffers = || {
            let mut found = Vec::new();
            model.each(&mut |_, slot| {
                if let Slot::Buffer(buffer) = slot {
                    found.push(buffer.get().to_vec());
                }
            });
            found
        };
        let before = buffers();
        let random = no_grad(|| model.forward(&x, &mut cx.eval()).loss.total().item())
            != no_grad(|| model.forward(&x, &mut Ctx::eval_with_seed(1)).loss.total().item());
        let [first, second] = [0; 2].map(|_| measure::mean_loss(&*model, &x, &mut cx).expect("valid"));
        assert!(first.is_finite(), "{name}: {first}");
        assert_eq!(first != second, random, "{name}: another measurement has other draws: {first} and {second}");
        assert_eq!(buffers(), before, "{name} learnt from what was measured");
        assert!(cx.is_train());
    }
}

#[test]
fn images_of_a_conditional_model_are_measured_with_their_own_classes() {
    let mut cx = Ctx::train(6);
    let model = conditional(&mut cx);
    let x = quarters(1200, &mut cx.rng);
    let classes: Vec<usize> = (0..1200).map(|i| i % 3).collect();
    let given = model.given(&classes).expect("classes of the model");
    // By hand, in batches of 500 with the classes of each.
    let (mut loss, mut bound) = (0.0, Vec::new());
    let (mut a, mut b) = (Ctx::eval_with_seed(1), Ctx::eval_with_seed(2));
    for range in [0..500, 500..1000, 1000..1200] {
        let part = model.given(&classes[range.clone()]).expect("classes of the model");
        let x = x.narrow(0, range.start, range.len());
        loss += no_grad(|| f64::from(part.forward(&x, &mut a).loss.total().item())) * range.len() as f64 / 1200.0;
        bound.extend(no_grad(|| part.draws(&x, 3, &mut b).log_weights.logsumexp(0)).to_vec());
    }
    let found = measure::mean_loss(&given, &x, &mut Ctx::eval_with_seed(1)).expect("valid");
    assert!((found - loss).abs() < 1e-4, "{found} measured, {loss} by hand");
    let found = measure::log_likelihood(&given, &x, 3, &mut Ctx::eval_with_seed(2)).expect("valid").to_vec();
    for (i, (found, sum)) in found.into_iter().zip(bound).enumerate() {
        assert!((found - (sum - 3f32.ln())).abs() < 1e-4, "image {i}: {found}");
    }
    let whole = Iwae::new(given, 2).expect("valid");
    assert!(measure::mean_loss(&whole, &x, &mut cx).expect("valid").is_finite());
}

#[test]
#[should_panic(expected = "Given: images [4, 16] for 2 classes")]
fn classes_are_not_repeated_for_images() {
    let mut cx = Ctx::train(0);
    let model = conditional(&mut cx);
    let given = model.given(&[0, 1]).expect("classes of the model");
    given.forward(&quarters(4, &mut cx.rng), &mut cx.eval());
}

#[test]
#[should_panic(expected = "Given: images [1, 16] for 2 classes")]
fn fewer_images_than_classes_are_not_measured() {
    let mut cx = Ctx::train(0);
    let model = conditional(&mut cx);
    let given = model.given(&[0, 1]).expect("classes of the model");
    let _ = measure::mean_loss(&given, &quarters(1, &mut cx.rng), &mut cx);
}

#[test]
fn a_model_over_a_net_gives_back_its_configuration_its_net_and_the_nets_posterior() {
    let mut cx = Ctx::train(0);
    let net = VaeConfig { input: 16, hidden: vec![8], latent: 3, ..VaeConfig::default() };
    let beta = BetaTcConfig { net: net.clone(), beta: 3.0, images: 50 };
    let vamp = VampConfig { net: net.clone(), components: 4 };
    let x = quarters(5, &mut cx.rng);
    let beta_tc = BetaTc::new(beta.clone(), &mut cx).expect("valid");
    let with_prior = Vamp::new(vamp.clone(), &mut cx).expect("valid");
    assert_eq!((beta_tc.config(), beta_tc.net().config()), (&beta, &net));
    assert_eq!((with_prior.config(), with_prior.net().config()), (&vamp, &net));
    let cx = &mut cx.eval();
    for (q, mean) in
        [(beta_tc.posterior(&x, cx), beta_tc.encode(&x, cx)), (with_prior.posterior(&x, cx), with_prior.encode(&x, cx))]
    {
        assert_eq!((q.mu.to_vec(), q.logvar.shape()), (mean.to_vec(), &[5, 3][..]));
    }
    let wae = WaeConfig::default();
    let net = Wae::new(wae.clone(), cx).expect("valid");
    assert_eq!((net.config(), net.net().config()), (&wae, &wae.net));
}

#[test]
fn sentences_are_measured_in_nats_a_sentence_with_every_word_told() {
    let mut cx = Ctx::train(0);
    let config = SentenceConfig { words: 5, embed: 4, hidden: 8, latent: 2, word_drop: 1.0 };
    let model = Sentence::new(config, &mut cx).expect("valid");
    // More than one batch, the last of another length.
    let sentences: Vec<Vec<u32>> = (0..1100).map(|i| vec![i % 5; 1 + i as usize % 4]).collect();
    let parts = measure::sentence_parts(&model, &sentences, &mut cx).expect("words of the model");
    let names: Vec<&str> = parts.iter().map(|part| part.0).collect();
    assert_eq!(names, ["reconstruction", "kl", "total"]);
    assert!((parts[0].1 + parts[1].1 - parts[2].1).abs() < 1e-4);
    let batch = model.batch(&sentences).expect("words of the model");
    let loss = no_grad(|| model.forward(&batch, &mut cx.eval()).loss);
    assert!((loss.part("kl").expect("it has one") - parts[1].1).abs() < 1e-5, "the divergence needs no draw");
    assert!((loss.part("reconstruction").expect("it has one") - parts[0].1).abs() < 0.05);
    assert!(matches!(measure::sentence_parts(&model, &[], &mut cx), Err(Error::Empty { .. })));
    assert!(matches!(measure::sentence_parts(&model, &[vec![5]], &mut cx), Err(Error::Word { word: 5, .. })));

    // Two sentences of six words with their ends, ln 7 nats a word.
    let two = [vec![0], vec![1, 2, 3]];
    assert!((measure::word_perplexity(6.0 * 7f64.ln() / 2.0, &two).expect("two sentences") - 7.0).abs() < 1e-9);
}
