//! Properties of the models: the penalty's second derivative, separation of the players, learning, PyTorch's
//! losses, bad input.

mod resume;

use etude_autograd::Tensor;
use etude_gan::dcgan::{self, DcganConfig, Discriminator};
use etude_gan::dcgan_conv::{self, DcganConvConfig, Players};
use etude_gan::wgan_gp::{
    Critic, Generator, WganGpConfig, critic_step, generator_step, gradient_penalty, gradient_penalty_at,
};
use etude_gan::{Error, dcgan::Generator as ImageGenerator};
use etude_kernels::rng::Rng;
use etude_nn::{Act, Adam, Ctx, Module, testing};

fn values(module: &dyn Module) -> Vec<f32> {
    module.named_params().iter().flat_map(|(_, p)| p.get().to_vec()).collect()
}

fn small() -> WganGpConfig {
    WganGpConfig { hidden: 16, layers: 2, ..Default::default() }
}

#[test]
fn the_penalty_is_differentiated_through_its_gradient() {
    let mut cx = Ctx::train(0);
    let critic = Critic::new(&small(), &mut cx).expect("valid");
    let (real, fake) = (Tensor::randn([8, 2], &mut cx), Tensor::randn([8, 2], &mut cx));
    let state = cx.rng.state();
    let penalty = |critic: &Critic| {
        let mut cx = Ctx::train(0);
        cx.rng = Rng::from_state(state); // the same interpolation each time
        gradient_penalty(critic, &real, &fake, &mut cx)
    };
    let grads = penalty(&critic).backward();
    for (name, p) in critic.named_params() {
        if name.ends_with("bias") {
            continue; // a critic of ReLUs has a slope that does not depend on its biases, except where a unit switches
        }
        let g = grads.by_id(p.id()).unwrap_or_else(|| panic!("{name} got no gradient")).to_vec();
        let at = g.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).expect("not empty").0;
        let h = 1e-2;
        let moved = |delta: f32| {
            p.update(|w| w[at] += delta);
            let value = penalty(&critic).item();
            p.update(|w| w[at] -= delta);
            value
        };
        let numeric = (moved(h) - moved(-h)) / (2.0 * h);
        assert!((g[at] - numeric).abs() < 0.03 * numeric.abs() + 1e-3, "{name}: {} against {numeric}", g[at]);
    }
}

#[test]
fn each_player_moves_only_itself() {
    let mut cx = Ctx::train(1);
    let config = small();
    let (critic, generator) =
        (Critic::new(&config, &mut cx).expect("valid"), Generator::new(&config, &mut cx).expect("valid"));
    let (mut c_opt, mut g_opt) = (Adam::new(&critic, 1e-3), Adam::new(&generator, 1e-3));
    let real = Tensor::randn([16, 2], &mut cx);
    let (c0, g0) = (values(&critic), values(&generator));
    critic_step(&critic, &generator, &config, &mut c_opt, &real, &mut cx).expect("finite");
    let c1 = values(&critic);
    assert!(c1 != c0 && values(&generator) == g0);
    generator_step(&critic, &generator, &mut g_opt, 16, &mut cx).expect("finite");
    assert!(values(&critic) == c1 && values(&generator) != g0);
}

#[test]
fn a_generator_finds_a_shifted_gaussian() {
    for seed in 0..3 {
        let mut cx = Ctx::train(seed);
        let config = WganGpConfig { hidden: 32, layers: 2, ..Default::default() };
        let (critic, generator) =
            (Critic::new(&config, &mut cx).expect("valid"), Generator::new(&config, &mut cx).expect("valid"));
        let mut c_opt = Adam::new(&critic, 2e-3).betas(0.5, 0.9);
        let mut g_opt = Adam::new(&generator, 2e-3).betas(0.5, 0.9);
        for _ in 0..150 {
            for _ in 0..config.critic_steps {
                let real = Tensor::<f32>::randn([64, 2], &mut cx) * 0.3 + 1.5;
                critic_step(&critic, &generator, &config, &mut c_opt, &real, &mut cx).expect("finite");
            }
            generator_step(&critic, &generator, &mut g_opt, 64, &mut cx).expect("finite");
        }
        let mean = generator.sample(2000, &mut cx).mean_dims([0]).to_vec();
        assert!(mean.iter().all(|m| (m - 1.5).abs() < 0.3), "seed {seed}: {mean:?}");
    }
}

#[test]
fn a_nan_stops_the_step_and_changes_nothing() {
    let mut cx = Ctx::train(0);
    let config = small();
    let (critic, generator) =
        (Critic::new(&config, &mut cx).expect("valid"), Generator::new(&config, &mut cx).expect("valid"));
    let mut opt = Adam::new(&critic, 1e-3);
    let before = values(&critic);
    let real = Tensor::full([4, 2], f32::NAN);
    let error = critic_step(&critic, &generator, &config, &mut opt, &real, &mut cx).expect_err("NaN");
    assert!(matches!(error, Error::Training(_)), "{error}");
    assert_eq!(values(&critic), before);
}

#[test]
fn a_dcgan_step_moves_each_player_and_images_have_their_shape() {
    let mut cx = Ctx::train(0);
    let config = DcganConfig { channels: 3, side: 8, latent: 5, width: 4, real_label: 0.9 };
    let generator = ImageGenerator::new(&config, &mut cx).expect("valid");
    let discriminator = Discriminator::new(&config, &mut cx).expect("valid");
    let (mut g_opt, mut d_opt) = (Adam::new(&generator, 1e-3), Adam::new(&discriminator, 1e-3));
    let images = generator.generate(6, &mut cx);
    assert_eq!(images.shape(), [6, 3, 8, 8]);
    assert!(images.to_vec().iter().all(|p| (0.0..=1.0).contains(p)));
    let real = Tensor::rand([6, 3, 8, 8], &mut cx);
    let (d0, g0) = (values(&discriminator), values(&generator));
    dcgan::discriminator_step(&discriminator, &generator, &mut d_opt, &real, &mut cx).expect("finite");
    let d1 = values(&discriminator);
    assert!(d1 != d0 && values(&generator) == g0);
    dcgan::generator_step(&discriminator, &generator, &mut g_opt, 6, &mut cx).expect("finite");
    assert!(values(&discriminator) == d1 && values(&generator) != g0);
    let wrong = Tensor::zeros([6, 1, 8, 8]);
    let error =
        dcgan::discriminator_step(&discriminator, &generator, &mut d_opt, &wrong, &mut cx).expect_err("channels");
    assert!(error.to_string().contains("[6, 1, 8, 8]"), "{error}");
}

#[test]
fn configurations_are_checked() {
    let mut cx = Ctx::train(0);
    let error = Critic::new(&WganGpConfig { hidden: 0, ..small() }, &mut cx).expect_err("no units");
    assert!(error.to_string().contains("hidden"), "{error}");
    assert!(WganGpConfig { penalty: f32::NAN, ..small() }.validate().is_err());
    let error = ImageGenerator::new(&DcganConfig { side: 30, ..Default::default() }, &mut cx).expect_err("side");
    assert!(error.to_string().contains("30"), "{error}");
}

#[test]
fn ten_critic_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let config = WganGpConfig { data: 10, hidden: 12, layers: 2, act: Act::LeakyRelu(0.2), ..Default::default() };
    let critic = Critic::new(&config, cx).expect("valid");
    testing::initialise(&critic);
    let (real, fake) = (testing::standard("real", [6, 10]), testing::uniform("fake", [6, 10], 0.0, 1.0));
    let mut opt = Adam::new(&critic, 1e-4).betas(0.5, 0.9);
    let step = |i| {
        let eps = testing::uniform(&format!("eps{i}"), [6, 1], 0.0, 1.0);
        let penalty = gradient_penalty_at(&critic, &(&eps * &real + (1.0 - &eps) * &fake), cx);
        let loss = critic.score(&fake, cx).mean() - critic.score(&real, cx).mean() + penalty * 10.0;
        testing::descend(&mut opt, loss)
    };
    testing::compare_twin("w11", step).expect("the losses are PyTorch's");
}

#[test]
fn ten_losses_of_both_convolutional_players_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let config = DcganConvConfig { latent: 6, width: 3, ..Default::default() };
    let generator = dcgan_conv::Generator::new(&config, cx).expect("valid");
    let discriminator = dcgan_conv::Discriminator::new(&config, cx).expect("valid");
    testing::initialise(&generator);
    testing::initialise(&discriminator);
    let adam = |model: &dyn Module| Adam::new(model, 2e-4).betas(0.5, 0.999);
    let (mut opt_g, mut opt_d) = (adam(&generator), adam(&discriminator));
    let real = testing::uniform("real", [4, 3, 32, 32], -1.0, 1.0);
    let step = |i| {
        let z = testing::standard(&format!("z{i}"), [4, 6]);
        let players =
            Players { generator: &generator, discriminator: &discriminator, opt_g: &mut opt_g, opt_d: &mut opt_d };
        let [loss, _] = dcgan_conv::step(players, &real, &z, cx).expect("finite");
        f64::from(loss)
    };
    // The discriminator's loss sees every update of the generator in the images of the next step.
    testing::compare_twin("w3", step).expect("the losses are PyTorch's");
}

#[test]
fn convolutional_players_refuse_what_does_not_fit() {
    let cx = &mut Ctx::train(0);
    let config = DcganConvConfig { side: 24, ..Default::default() };
    let error = dcgan_conv::Generator::new(&config, cx).expect_err("24 is no power of two");
    assert!(error.to_string().contains("side is 24"), "{error}");
    let config = DcganConvConfig { latent: 2, width: 1, side: 8, channels: 1 };
    let generator = dcgan_conv::Generator::new(&config, cx).expect("valid");
    let discriminator = dcgan_conv::Discriminator::new(&config, cx).expect("valid");
    assert_eq!(generator.forward(&Tensor::ones([3, 2]), cx).shape(), [3, 1, 8, 8]);
    let (mut opt_g, mut opt_d) = (Adam::new(&generator, 1e-3), Adam::new(&discriminator, 1e-3));
    let players =
        Players { generator: &generator, discriminator: &discriminator, opt_g: &mut opt_g, opt_d: &mut opt_d };
    let error = dcgan_conv::step(players, &Tensor::zeros([3, 1, 16, 16]), &Tensor::ones([3, 2]), cx);
    assert!(matches!(error, Err(Error::Shape { .. })));
}
