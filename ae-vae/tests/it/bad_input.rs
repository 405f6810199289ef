//! Input that makes no sense is a typed error that names it, or has a documented, finite result.

use etude_ae_vae::{
    Autoencoder, CodePrior, CodePriorConfig, Conditional, ConditionalConfig, ConvVae, ConvVaeConfig, Corruption,
    DenoisingConfig, Error, Iaf, IafConfig, Iwae, Ladder, LadderConfig, Likelihood, Vae, VaeConfig, Vamp, VampConfig,
    Vanilla, VanillaConfig, Vq, VqConfig, check_pixels, measure,
};
use etude_autograd::Tensor;
use etude_nn::{Ctx, Module, Slot};

use super::{quarters, small_vae, variational, vq};

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
fn every_configuration_names_the_field_that_makes_no_sense() {
    let cx = &mut Ctx::train(0);
    let refused = |result: Result<(), Error>, field: &str| {
        let error = result.expect_err("nonsense");
        assert!(matches!(&error, Error::Config(e) if e.field == field), "{field}: {error}");
    };
    let bad = VaeConfig { latent: 0, ..VaeConfig::default() };
    refused(Vamp::new(VampConfig { net: bad.clone(), components: 3 }, cx).map(drop), "latent");
    refused(Iaf::new(IafConfig { net: bad, ..IafConfig::default() }, cx).map(drop), "latent");
    refused(ConvVae::new(ConvVaeConfig { latent: 0, ..ConvVaeConfig::default() }, cx).map(drop), "latent");
    refused(Iaf::new(IafConfig { width: 0, ..IafConfig::default() }, cx).map(drop), "width");
    refused(Vamp::new(VampConfig { components: 0, ..VampConfig::default() }, cx).map(drop), "components");
    refused(Ladder::new(LadderConfig { latent: vec![3], ..LadderConfig::default() }, cx).map(drop), "latent");
    refused(Vq::new(VqConfig { decay: 1.0, ..VqConfig::default() }, cx).map(drop), "decay");
    refused(Vq::new(VqConfig { codes: 0, ..VqConfig::default() }, cx).map(drop), "codes");
    refused(Iwae::new(small_vae(0).0, 0).map(drop), "k");
    let likelihood = Likelihood::Logistic { levels: 1 };
    refused(Vae::new(VaeConfig { likelihood, ..VaeConfig::default() }, cx).map(drop), "levels");
    let corruption = Corruption::Masking { share: 1.5 };
    let denoising = DenoisingConfig { corruption, ..DenoisingConfig::default() };
    refused(denoising.validate().map_err(Error::from), "share");
    refused(Vae::new(VaeConfig { hidden: vec![], ..VaeConfig::default() }, cx).map(drop), "hidden");
}

#[test]
fn classes_and_words_that_are_none_are_named() {
    let cx = &mut Ctx::train(0);
    let model = Conditional::new(ConditionalConfig::default(), cx).expect("valid");
    assert!(matches!(model.given(&[3, 10]), Err(Error::Class { image: 1, class: 10, classes: 10 })));
    assert!(matches!(model.given(&[]), Err(Error::Empty { what: "Conditional::given" })));
    let model = vq(cx);
    let words = |values: &[i64]| Tensor::from_slice(values, [1, values.len()]);
    assert!(matches!(model.picture(&words(&[0, 1, 8, 2]), cx), Err(Error::Word { at: 2, word: 8, words: 8 })));
    assert!(matches!(model.picture(&words(&[0, 1]), cx), Err(Error::Width { .. })));
    let config = CodePriorConfig { words: 8, positions: 4, embed: 2, hidden: 2 };
    let prior = CodePrior::new(config, cx).expect("valid");
    assert!(matches!(prior.forward(&words(&[0, 1, -1, 2]), cx), Err(Error::Word { at: 2, word: -1, words: 8 })));
    assert!(matches!(prior.forward(&Tensor::from_vec(vec![], [0, 4]), cx), Err(Error::Empty { .. })));
}

#[test]
fn a_codebook_survives_a_pixel_that_is_not_a_number() {
    let cx = &mut Ctx::train(0);
    let model = vq(cx);
    let mut spoilt = quarters(3, &mut cx.rng).to_vec();
    spoilt[20] = f32::NAN;
    model.forward(&Tensor::from_vec(spoilt, [3, 16]), cx);
    let loss = model.forward(&quarters(3, &mut cx.rng), cx).loss.total().item();
    assert!(loss.is_finite(), "{loss}");
    model.each(&mut |name, slot| {
        if let Slot::Buffer(buffer) = slot {
            assert!(buffer.get().to_vec().iter().all(|v| v.is_finite()), "{name}");
        }
    });
}

#[test]
fn an_exploding_encoder_of_any_model_stays_finite() {
    let cx = &mut Ctx::train(0);
    for (name, model) in variational(cx) {
        for (param, p) in model.named_params() {
            if param.contains("logvar") {
                p.update(|w| w.fill(1e4));
            }
        }
        let x = quarters(2, &mut cx.rng);
        let loss = model.forward(&x, cx).loss.total().item();
        assert!(loss.is_finite(), "{name}: {loss}");
    }
}
