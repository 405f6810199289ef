//! Digits with their classes: a conditional autoencoder that makes them, trained for a given number of steps, and a network that
//! reads them.

mod reader;

use anyhow::Result;
use etude_ae_vae::{Autoencoder, Conditional, ConditionalConfig, Generative, VaeConfig, binarise};
use etude_autograd::Tensor;
use etude_data::Samples;
use etude_nn::schedule::Schedule;
use etude_nn::{Act, Adam, Ctx, Optimizer, check_finite};

use reader::BATCH;
pub use reader::{Digits, accuracy, classifier};

/// A conditional autoencoder that has seen these digits alone, their pixels drawn anew at each step. Also the loss in nats an
/// image, each the mean of a hundredth of the training, by steps.
pub fn conditional(digits: &Digits, latent: usize, steps: u64, cx: &mut Ctx) -> Result<(Conditional, Vec<(f64, f64)>)> {
    let net = VaeConfig { hidden: vec![256, 256], latent, act: Act::Gelu, ..VaeConfig::default() };
    let model = Conditional::new(ConditionalConfig { net, classes: 10 }, cx)?;
    let mut opt = Adam::new(&model, 2e-3);
    let schedule = Schedule::cosine(2e-3, 5e-5, steps);
    let batches = digits.batches(BATCH).shuffled(cx).endless();
    let each = (steps / 100).max(1);
    let (mut curve, mut sum) = (Vec::new(), 0.0);
    for (step, (x, labels)) in (0..steps).zip(batches) {
        let classes = labels.to_vec().into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
        let x = binarise(&x, cx);
        let loss = model.given(&classes)?.forward(&x, cx).loss.total();
        sum += f64::from(check_finite(loss.item(), step)?);
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        if (step + 1) % each == 0 {
            curve.push(((step + 1) as f64, sum / each as f64));
            sum = 0.0;
        }
    }
    Ok((model, curve))
}

/// `each` new digits of every class, class by class.
pub fn generate(model: &Conditional, each: usize, cx: &mut Ctx) -> Result<Digits> {
    let classes: Vec<usize> = (0..10).flat_map(|class| std::iter::repeat_n(class, each)).collect();
    let images = model.given(&classes)?.sample(classes.len(), cx);
    let n = classes.len();
    Ok((images, Tensor::from_vec(classes.into_iter().map(|class| class as i64).collect(), [n])))
}
