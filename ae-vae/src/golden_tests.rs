//! Every model's loss against PyTorch: its parts, the whole, and the derivative by every parameter.
//!
//! `tests/golden/losses.py` wrote the file from the papers' formulas in f64; weights, images and noise come from the hash of
//! [`etude_nn::testing`]. The tolerance is 10⁻⁴ of the largest element of a tensor.

use etude_autograd::Tensor;
use etude_nn::file::{self, Contents};
use etude_nn::testing::{ids, initialise, standard};
use etude_nn::{Act, Ctx, Module, Slot, Value};

use crate::iwae::negative_bound;
use crate::*;

const BATCH: usize = 4;
const PIXELS: usize = 6;
const LATENT: usize = 2;

fn golden() -> Contents {
    let bytes = include_bytes!("../tests/golden/losses.safetensors");
    file::read_bytes("losses.safetensors", bytes).expect("the golden file is whole")
}

fn images() -> Tensor {
    ids("x", [BATCH, PIXELS], 4).to_float::<f32>() / 3.0
}

fn noise() -> Tensor {
    standard("eps", [BATCH, LATENT])
}

fn vanilla_config(code: usize) -> VanillaConfig {
    VanillaConfig { input: PIXELS, hidden: vec![5], code, ..VanillaConfig::default() }
}

fn vae_config() -> VaeConfig {
    VaeConfig { input: PIXELS, hidden: vec![5], latent: LATENT, ..VaeConfig::default() }
}

fn picture_config() -> PictureConfig {
    PictureConfig { image: [2, 8, 8], channels: vec![3, 4], act: Act::Relu }
}

fn pictures() -> Tensor {
    ids("x", [2, 128], 4).to_float::<f32>() / 3.0
}

/// What the file has of a case, its keys behind the case's name.
fn of_case<'a>(file: &'a Contents, case: &'a str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
    let prefix = format!("{case}/");
    file.tensors.iter().filter_map(move |(key, value)| match value {
        Value::Float(x) => key.strip_prefix(&prefix).map(|key| (key, x)),
        Value::Int(_) => None,
    })
}

fn close(what: &str, ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}");
    let (ours, theirs) = (ours.to_vec(), theirs.to_vec());
    let scale = theirs.iter().fold(0f32, |top, v| top.max(v.abs())).max(1e-3);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() <= 1e-4 * scale, "{what}: {ours} here, {theirs} in PyTorch");
    }
}

/// Compares a loss that was computed from weights of the hash, and its derivatives.
fn compare(case: &str, model: &dyn Module, loss: Loss) {
    let file = golden();
    let parts = of_case(&file, case).filter(|(key, _)| key.starts_with("part/")).count();
    assert_eq!(parts, loss.parts().len(), "{case}: parts");
    for part in loss.parts() {
        let theirs =
            file.float(&format!("{case}/part/{}", part.name)).unwrap_or_else(|| panic!("{case}: {}", part.name));
        let ours = loss.part(part.name).expect("it has this part") as f32;
        close(&format!("{case}: {}", part.name), &Tensor::scalar(ours), theirs);
    }
    compare_total(case, model, loss.total());
}

fn compare_total(case: &str, model: &dyn Module, total: Tensor) {
    let file = golden();
    close(
        &format!("{case}: total"),
        &total.detach(),
        file.float(&format!("{case}/total")).expect("every case has one"),
    );
    let grads = total.backward();
    let mut compared = 0;
    for (name, param) in model.named_params() {
        match (grads.by_id(param.id()), file.float(&format!("{case}/grad/{name}"))) {
            (Some(ours), Some(theirs)) => {
                close(&format!("{case}: derivative by {name}"), ours, theirs);
                compared += 1;
            }
            (None, None) => (),
            (ours, _) => panic!("{case}: derivative by {name} is here: {}, in PyTorch: not so", ours.is_some()),
        }
    }
    assert!(compared > 0 && compared == of_case(&file, case).filter(|(key, _)| key.starts_with("grad/")).count());
}

/// A model with weights from the hash.
fn hashed<M: Module>(make: impl FnOnce(&mut Ctx) -> Result<M, Error>) -> (M, Ctx) {
    let mut cx = Ctx::train(0);
    let model = make(&mut cx).expect("a valid configuration");
    initialise(&model);
    (model, cx)
}

#[test]
fn vanilla() {
    let (model, mut cx) = hashed(|cx| Vanilla::new(vanilla_config(LATENT), cx));
    compare("vanilla", &model, model.forward(&images(), &mut cx).loss);
}

#[test]
fn sparse() {
    for (case, sparsity) in [
        ("sparse_l1", Sparsity::L1 { weight: 0.5 }),
        ("sparse_kl", Sparsity::Kl { target: 0.1, weight: 0.5 }),
        ("sparse_topk", Sparsity::TopK { k: 2 }),
    ] {
        let (model, mut cx) = hashed(|cx| Sparse::new(SparseConfig { net: vanilla_config(4), sparsity }, cx));
        compare(case, &model, model.forward(&images(), &mut cx).loss);
    }
}

#[test]
fn denoising() {
    let config = DenoisingConfig { net: vanilla_config(LATENT), ..DenoisingConfig::default() };
    let (model, mut cx) = hashed(|cx| Denoising::new(config, cx));
    let seen = ids("seen", [BATCH, PIXELS], 4).to_float::<f32>() / 3.0;
    compare("denoising", &model, model.at(&seen, &images(), &mut cx).loss);
}

#[test]
fn contractive() {
    let (model, mut cx) =
        hashed(|cx| Contractive::new(ContractiveConfig { net: vanilla_config(LATENT), weight: 0.5 }, cx));
    compare("contractive", &model, model.forward(&images(), &mut cx).loss);
}

#[test]
fn every_likelihood() {
    for (case, likelihood) in [
        ("vae_bernoulli", Likelihood::Bernoulli),
        ("vae_gaussian", Likelihood::Gaussian { std: 0.3 }),
        ("vae_gaussian_learned", Likelihood::GaussianLearned),
        ("vae_logistic", Likelihood::Logistic { levels: 4 }),
    ] {
        let (model, mut cx) = hashed(|cx| Vae::new(VaeConfig { likelihood, ..vae_config() }, cx));
        compare(case, &model, model.forward_with_noise(&images(), &noise(), &mut cx).loss);
    }
}

#[test]
fn weighted_with_free_bits() {
    let (model, mut cx) = hashed(|cx| Vae::new(vae_config(), cx));
    let loss = model.forward_with_noise(&images(), &noise(), &mut cx).loss;
    compare("weighted", &model, KlWeight { beta: 2.0, warm_up: 0, free_bits: 0.2 }.apply(loss, 0));
}

#[test]
fn conditional() {
    let (model, mut cx) = hashed(|cx| Conditional::new(ConditionalConfig { net: vae_config(), classes: 3 }, cx));
    let given = model.given(&[0, 2, 1, 2]).expect("classes of the model");
    compare("conditional", &model, given.at(&images(), &noise(), &mut cx).loss);
}

#[test]
fn beta_tc() {
    let (model, mut cx) = hashed(|cx| BetaTc::new(BetaTcConfig { net: vae_config(), beta: 6.0, images: 50 }, cx));
    compare("beta_tc", &model, model.at(&images(), &noise(), &mut cx).loss);
}

#[test]
fn iwae() {
    let (model, mut cx) = hashed(|cx| Vae::new(vae_config(), cx));
    let eps = standard("eps", [3, BATCH, LATENT]);
    let log_prior = |z: &Tensor, _: &mut Ctx| gaussian::std_normal_log_prob(z).sum_dims([1]);
    let draws = model.posterior(&images(), &mut cx).draws(&model, &images(), &eps, &mut cx, log_prior);
    compare("iwae", &model, Loss::new("bound", negative_bound(&draws.log_weights)));
}

#[test]
fn vamp() {
    let (model, mut cx) = hashed(|cx| Vamp::new(VampConfig { net: vae_config(), components: 3 }, cx));
    compare("vamp", &model, model.at(&images(), &noise(), &mut cx).loss);
}

#[test]
fn iaf() {
    let net = VaeConfig { latent: 3, ..vae_config() };
    let (model, mut cx) = hashed(|cx| Iaf::new(IafConfig { net, steps: 2, width: 4 }, cx));
    let loss = model.at(&images(), &standard("eps", [BATCH, 3]), &mut cx).loss;
    compare("iaf", &model, loss);
}

#[test]
fn ladder() {
    let config = LadderConfig { input: PIXELS, hidden: vec![5, 4], latent: vec![LATENT, 3], ..LadderConfig::default() };
    let (model, mut cx) = hashed(|cx| Ladder::new(config, cx));
    let mut rung = 0;
    let eps = |shape: [usize; 2]| {
        rung += 1;
        standard(&format!("eps{}", rung - 1), shape)
    };
    compare("ladder", &model, model.at(&images(), eps, &mut cx).loss);
}

#[test]
fn wae() {
    let (model, mut cx) = hashed(|cx| Wae::new(WaeConfig { net: vanilla_config(LATENT), weight: 10.0 }, cx));
    compare("wae", &model, model.at(&images(), &standard("prior", [BATCH, LATENT]), &mut cx).loss);
}

#[test]
fn adversarial() {
    let config = AdversarialConfig { net: vanilla_config(LATENT), hidden: vec![5], weight: 10.0 };
    let (model, mut cx) = hashed(|cx| Adversarial::new(config, cx));
    let out = model.forward(&images(), &mut cx);
    let game = model.discriminator_loss_at(&out.code, &standard("prior", [BATCH, LATENT]), &mut cx);
    compare_total("adversarial_game", &model, game);
    compare("adversarial", &model, out.loss);
}

#[test]
fn convolutional() {
    let config = ConvolutionalConfig { net: picture_config(), code: 3, ..ConvolutionalConfig::default() };
    let (model, mut cx) = hashed(|cx| Convolutional::new(config, cx));
    compare("convolutional", &model, model.forward(&pictures(), &mut cx).loss);
}

#[test]
fn vq() {
    let config = VqConfig { net: picture_config(), codes: 6, dim: 3, decay: 0.9, alive: 0.0, ..VqConfig::default() };
    let (model, mut cx) = hashed(|cx| Vq::new(config, cx));
    let book = standard("codebook.vectors", [6, 3]);
    let buffers = |set: &mut dyn FnMut(&str, &etude_nn::Buffer)| {
        model.each(&mut |name, slot| {
            if let Slot::Buffer(buffer) = slot {
                set(name, buffer);
            }
        });
    };
    buffers(&mut |name, buffer| {
        if name != "codebook.counts" {
            buffer.set(&book);
        }
    });
    let file = golden();
    assert_eq!(model.words(&pictures(), &mut cx).to_vec(), file.int("vq/words").expect("written").to_vec());
    let loss = model.forward(&pictures(), &mut cx).loss;
    buffers(&mut |name, buffer| {
        if name == "codebook.vectors" {
            close("vq: moved vectors", &buffer.get(), file.float("vq/moved").expect("written"));
        }
    });
    compare("vq", &model, loss);
}

#[test]
fn code_prior() {
    let config = CodePriorConfig { words: 5, positions: 4, embed: 3, hidden: 6 };
    let (model, mut cx) = hashed(|cx| CodePrior::new(config, cx));
    let loss = model.forward(&ids("words", [3, 4], 5), &mut cx).expect("words of the codebook");
    compare("code_prior", &model, loss);
}

#[test]
fn sentence() {
    let config = SentenceConfig { words: 5, embed: 3, hidden: 6, latent: LATENT, word_drop: 0.0 };
    let (model, mut cx) = hashed(|cx| Sentence::new(config, cx));
    let batch = model.batch(&[vec![1, 4, 0], vec![2]]).expect("words of the model");
    let told = model.told(&batch, &mut cx);
    compare("sentence", &model, model.at(&batch, &standard("eps", [2, LATENT]), &told, &mut cx).loss);
}
