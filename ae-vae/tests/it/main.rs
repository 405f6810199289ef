//! Properties of the models: identities, learning, determinism, files, PyTorch's losses, bad input.

mod bad_input;
mod learning;
mod properties;
mod resume;

use etude_ae_vae::{
    Adversarial, AdversarialConfig, Autoencoder, BetaTc, BetaTcConfig, Conditional, ConditionalConfig, Contractive,
    ContractiveConfig, ConvVae, ConvVaeConfig, Convolutional, ConvolutionalConfig, Corruption, Denoising,
    DenoisingConfig, Draws, Generative, Given, Iaf, IafConfig, Iwae, Ladder, LadderConfig, Output, PictureConfig,
    Sparse, SparseConfig, Sparsity, Vae, VaeConfig, Vamp, VampConfig, Vanilla, VanillaConfig, Variational, Vq,
    VqConfig, Wae, WaeConfig,
};
use etude_autograd::{Tensor, gradcheck, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Adam, Ctx, Module, Optimizer, Visitor, testing};

/// Sixteen-pixel images of four kinds, one quarter of the pixels lit: a code of two numbers suffices.
fn quarters(n: usize, rng: &mut Rng) -> Tensor {
    let mut out = Vec::new();
    for _ in 0..n {
        let kind = rng.below(4);
        out.extend((0..16).map(|i| if i / 4 == kind { 0.95 } else { 0.05 }));
    }
    Tensor::from_vec(out, [n, 16])
}

/// Sizes for these images.
fn net() -> VanillaConfig {
    VanillaConfig { input: 16, hidden: vec![32], code: 4, ..VanillaConfig::default() }
}

fn vae_net() -> VaeConfig {
    VaeConfig { input: 16, hidden: vec![32], latent: 2, ..VaeConfig::default() }
}

fn picture_net() -> PictureConfig {
    PictureConfig { image: [1, 4, 4], channels: vec![16], ..PictureConfig::default() }
}

fn vq(cx: &mut Ctx) -> Vq {
    let config = VqConfig { net: picture_net(), codes: 8, dim: 4, ..VqConfig::default() };
    Vq::new(config, cx).expect("valid")
}

fn sparse(sparsity: Sparsity, cx: &mut Ctx) -> Sparse {
    Sparse::new(SparseConfig { net: VanillaConfig { code: 24, ..net() }, sparsity }, cx).expect("valid")
}

/// Every model without a posterior.
fn deterministic(cx: &mut Ctx) -> Vec<(&'static str, Box<dyn Autoencoder>)> {
    let corruption = Corruption::SaltAndPepper { share: 0.3 };
    let convolutional = ConvolutionalConfig { net: picture_net(), code: 4, ..ConvolutionalConfig::default() };
    vec![
        ("vanilla", Box::new(Vanilla::new(net(), cx).expect("valid"))),
        ("convolutional", Box::new(Convolutional::new(convolutional, cx).expect("valid"))),
        ("denoising", Box::new(Denoising::new(DenoisingConfig { net: net(), corruption }, cx).expect("valid"))),
        ("l1", Box::new(sparse(Sparsity::L1 { weight: 0.01 }, cx))),
        ("kl", Box::new(sparse(Sparsity::Kl { target: 0.1, weight: 0.1 }, cx))),
        ("top-k", Box::new(sparse(Sparsity::TopK { k: 3 }, cx))),
        ("contractive", Box::new(contractive(0.1, cx))),
        ("vq", Box::new(vq(cx))),
        ("wae", Box::new(Wae::new(WaeConfig { net: net(), weight: 10.0 }, cx).expect("valid"))),
        ("adversarial", Box::new(adversarial(cx))),
    ]
}

/// Every model with one.
fn variational(cx: &mut Ctx) -> Vec<(&'static str, Box<dyn Variational>)> {
    let conv_vae = ConvVaeConfig { net: picture_net(), latent: 2, ..ConvVaeConfig::default() };
    let ladder = LadderConfig { input: 16, hidden: vec![32, 16], latent: vec![3, 2], ..LadderConfig::default() };
    vec![
        ("vae", Box::new(Vae::new(vae_net(), cx).expect("valid"))),
        ("conv_vae", Box::new(ConvVae::new(conv_vae, cx).expect("valid"))),
        ("beta_tc", Box::new(BetaTc::new(BetaTcConfig { net: vae_net(), beta: 1.0, images: 64 }, cx).expect("valid"))),
        ("iwae", Box::new(Iwae::new(Vae::new(vae_net(), cx).expect("valid"), 1).expect("valid"))),
        ("iaf", Box::new(Iaf::new(IafConfig { net: vae_net(), steps: 2, width: 16 }, cx).expect("valid"))),
        ("vamp", Box::new(Vamp::new(VampConfig { net: vae_net(), components: 8 }, cx).expect("valid"))),
        ("ladder", Box::new(Ladder::new(ladder, cx).expect("valid"))),
        ("conditional", Box::new(OfOneClass(conditional(cx)))),
    ]
}

fn conditional(cx: &mut Ctx) -> Conditional {
    Conditional::new(ConditionalConfig { net: vae_net(), classes: 3 }, cx).expect("valid")
}

/// A [`Conditional`] autoencoder of any number of images, all of class 1.
struct OfOneClass(Conditional);

impl OfOneClass {
    fn given(&self, n: usize) -> Given<'_> {
        self.0.given(&vec![1; n]).expect("a class of the model")
    }
}

impl Module for OfOneClass {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.0.visit(visitor);
    }
}

impl Autoencoder for OfOneClass {
    fn pixels(&self) -> usize {
        self.given(1).pixels()
    }
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.given(x.dim(0)).encode(x, cx)
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.given(code.dim(0)).decode(code, cx)
    }
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        self.given(x.dim(0)).forward(x, cx)
    }
}

impl Generative for OfOneClass {
    fn prior(&self, n: usize, cx: &mut Ctx) -> Tensor {
        self.given(n).prior(n, cx)
    }
}

impl Variational for OfOneClass {
    fn draws(&self, x: &Tensor, k: usize, cx: &mut Ctx) -> Draws {
        self.given(x.dim(0)).draws(x, k, cx)
    }
}

fn contractive(weight: f64, cx: &mut Ctx) -> Contractive {
    Contractive::new(ContractiveConfig { net: net(), weight }, cx).expect("valid")
}

fn adversarial(cx: &mut Ctx) -> Adversarial {
    let config = AdversarialConfig { net: net(), hidden: vec![32], weight: 1.0 };
    Adversarial::new(config, cx).expect("valid")
}

/// Trains on quarters.
fn train<M: Autoencoder + ?Sized>(model: &M, steps: usize, cx: &mut Ctx) {
    let mut opt = Adam::new(&Borrowed(model), 1e-2);
    for _ in 0..steps {
        let x = quarters(64, &mut cx.rng);
        opt.step(&model.forward(&x, cx).loss.total().backward());
    }
}

/// A model of unknown size as a module of known size.
struct Borrowed<'a, M: ?Sized>(&'a M);

impl<M: Module + ?Sized> Module for Borrowed<'_, M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.0.visit(visitor);
    }
}

fn small_vae(seed: u64) -> (Vae, Ctx) {
    let mut cx = Ctx::train(seed);
    (Vae::new(vae_net(), &mut cx).expect("a valid configuration"), cx)
}

fn trained_vae(seed: u64, steps: usize) -> (Vae, Ctx) {
    let (vae, mut cx) = small_vae(seed);
    train(&vae, steps, &mut cx);
    (vae, cx)
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
