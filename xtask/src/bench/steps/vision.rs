//! Workloads on vectors and images.

use anyhow::Result;
use etude_ae_vae::{Vae, VaeConfig};
use etude_autograd::{Tensor, no_grad};
use etude_cnn::{ConvNet, ConvNetConfig, ResNet, ResNetConfig};
use etude_gan::dcgan_conv::{self, DcganConvConfig, Discriminator, Generator, Players};
use etude_gan::wgan_gp::{Critic, WganGpConfig, gradient_penalty_at};
use etude_nn::testing::{ids, initialise, standard, uniform};
use etude_nn::{Act, Adam, Ctx, Layer, LeNet, LeNetConfig, Mlp, Module, Sgd, loss};

use super::workload::{Job, Noise, Size, descend, infer};

/// A perceptron with weights from the hash.
fn mlp(sizes: &[usize], act: Act) -> Mlp {
    let model = Mlp::new(sizes, act, &mut Ctx::train(0));
    initialise(&model);
    model
}

/// A classifying perceptron, Adam.
pub fn w1(size: Size) -> Result<Job> {
    let (batch, sizes) = size.pick((128, [784, 512, 512, 10]), (8, [20, 16, 16, 5]));
    let model = mlp(&sizes, Act::Relu);
    let (x, y) = (standard("x", [batch, sizes[0]]), ids("y", [batch], sizes[3]));
    let opt = Adam::new(&model, 1e-3);
    Ok(descend(model, opt, ("samples", batch), move |m, cx| loss::cross_entropy(&m.forward(&x, cx), &y)))
}

/// A classifier of images, SGD with momentum.
fn images(model: impl Layer + 'static, size: Size) -> Job {
    initialise(&model);
    let (batch, side, classes) = size.pick((64, 28, 10), (6, 12, 5));
    let (x, y) = (standard("x", [batch, 1, side, side]), ids("y", [batch], classes));
    let opt = Sgd::new(&model, 0.01).momentum(0.9);
    descend(model, opt, ("samples", batch), move |m, cx| loss::cross_entropy(&m.forward(&x, cx), &y))
}

/// LeNet-5.
pub fn w2a(size: Size) -> Result<Job> {
    let twin = LeNetConfig { image: 12, channels: [3, 4], hidden: [12, 8], classes: 5, ..LeNetConfig::default() };
    let config = size.pick(LeNetConfig::default(), twin);
    Ok(images(LeNet::new(config, &mut Ctx::train(0))?, size))
}

/// Three convolutions with batch normalisation.
pub fn w2b(size: Size) -> Result<Job> {
    let twin = ConvNetConfig { channels: vec![4, 6, 8], classes: 5, ..ConvNetConfig::default() };
    let config = size.pick(ConvNetConfig::default(), twin);
    Ok(images(ConvNet::new(&config, &mut Ctx::train(0))?, size))
}

/// A DCGAN of 32 × 32 pixels, discriminator and then generator, Adam for both.
pub fn w3(size: Size) -> Result<Job> {
    let (batch, latent, width) = size.pick((64, 100, 64), (4, 6, 3));
    let config = DcganConvConfig { latent, width, ..DcganConvConfig::default() };
    let mut cx = Ctx::train(0);
    let (generator, discriminator) = (Generator::new(&config, &mut cx)?, Discriminator::new(&config, &mut cx)?);
    initialise(&generator);
    initialise(&discriminator);
    let params = generator.count() + discriminator.count();
    let adam = |model: &dyn Module| Adam::new(model, 2e-4).betas(0.5, 0.999);
    let (mut opt_g, mut opt_d) = (adam(&generator), adam(&discriminator));
    let real = uniform("real", [batch, 3, 32, 32], -1.0, 1.0);
    let mut noise = Noise::new(size);
    let step = move || {
        let z = noise.standard("z", &[batch, latent]);
        let players =
            Players { generator: &generator, discriminator: &discriminator, opt_g: &mut opt_g, opt_d: &mut opt_d };
        let [loss, _] = dcgan_conv::step(players, &real, &z, &mut cx).expect("the losses are finite");
        f64::from(loss)
    };
    Ok(Job { step: Box::new(step), params, unit: "samples", items: batch })
}

/// A variational autoencoder of images, Adam.
pub fn w4(size: Size) -> Result<Job> {
    let (batch, input, hidden, latent) = size.pick((128, 784, 400, 20), (8, 20, 12, 3));
    let model =
        Vae::new(VaeConfig { input, hidden: vec![hidden], latent, ..VaeConfig::default() }, &mut Ctx::train(0))?;
    initialise(&model);
    let x = ids("x", [batch, input], 2).to_float();
    let opt = Adam::new(&model, 1e-3);
    let mut noise = Noise::new(size);
    Ok(descend(model, opt, ("samples", batch), move |m, cx| {
        let eps = noise.standard("eps", &[batch, latent]);
        m.forward_with_noise(&x, &eps, cx).loss.total()
    }))
}

/// A small perceptron that learns two numbers, Adam.
pub fn w9t(size: Size) -> Result<Job> {
    let (batch, sizes) = size.pick((32, [4, 64, 64, 2]), (5, [4, 8, 8, 2]));
    let model = mlp(&sizes, Act::Relu);
    let (x, y) = (standard("x", [batch, 4]), standard("y", [batch, 2]));
    let opt = Adam::new(&model, 1e-3);
    Ok(descend(model, opt, ("steps", 1), move |m, cx| loss::mse(&m.forward(&x, cx), &y)))
}

/// The choice of an action: one observation from a slice through a small perceptron.
pub fn w9f(size: Size) -> Result<Job> {
    const OBSERVATION: [f32; 4] = [0.1, -0.2, 0.3, 0.4];
    let (model, mut cx) = (mlp(&size.pick([4, 64, 64, 2], [4, 8, 8, 2]), Act::Relu), Ctx::eval_with_seed(0));
    let params = model.count();
    let mut calls = 0;
    let step: Box<dyn FnMut() -> f64> = match size {
        Size::Full => Box::new(move || {
            let values = no_grad(|| model.forward(&Tensor::from_slice(&OBSERVATION, [1, 4]), &mut cx));
            values.argmax(1).item() as f64
        }),
        Size::Twin => Box::new(move || {
            let x = standard(&format!("x{calls}"), [1, 4]);
            calls += 1;
            f64::from(no_grad(|| model.forward(&x, &mut cx).sum().item()))
        }),
    };
    Ok(Job { step, params, unit: "calls", items: 1 })
}

/// A step of a Wasserstein GAN's critic with gradient penalty: a gradient of a gradient. Adam.
pub fn w11(size: Size) -> Result<Job> {
    const PENALTY: f32 = 10.0;
    let (batch, data, hidden) = size.pick((64, 784, 512), (6, 10, 12));
    let config = WganGpConfig { data, hidden, layers: 2, act: Act::LeakyRelu(0.2), ..WganGpConfig::default() };
    let model = Critic::new(&config, &mut Ctx::train(0))?;
    initialise(&model);
    let (real, fake) = (standard("real", [batch, data]), uniform("fake", [batch, data], 0.0, 1.0));
    let opt = Adam::new(&model, 1e-4).betas(0.5, 0.9);
    let mut noise = Noise::new(size);
    Ok(descend(model, opt, ("samples", batch), move |m, cx| {
        let eps = noise.uniform("eps", &[batch, 1]);
        let penalty = gradient_penalty_at(m, &(&eps * &real + (1.0 - &eps) * &fake), cx);
        m.score(&fake, cx).mean() - m.score(&real, cx).mean() + penalty * PENALTY
    }))
}

/// Inference by ResNet-18; the twin trains, so that gradients and running statistics are compared too.
pub fn w12(size: Size) -> Result<Job> {
    let twin = ResNetConfig { width: 4, classes: 5, ..ResNetConfig::default() };
    let model = ResNet::new(&size.pick(ResNetConfig::default(), twin), &mut Ctx::train(0))?;
    initialise(&model);
    if size == Size::Twin {
        let (x, y) = (standard("x", [4, 3, 64, 64]), ids("y", [4], 5));
        let opt = Sgd::new(&model, 0.01).momentum(0.9);
        return Ok(descend(model, opt, ("images", 4), move |m, cx| loss::cross_entropy(&m.forward(&x, cx), &y)));
    }
    let (x, mut cx) = (standard("x", [1, 3, 224, 224]), Ctx::eval_with_seed(0));
    let params = model.count();
    Ok(infer(params, ("images", 1), move || model.forward(&x, &mut cx)))
}
