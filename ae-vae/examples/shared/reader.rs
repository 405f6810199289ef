//! A network that reads digits, and so judges generated ones.

use anyhow::Result;
use etude_autograd::{Tensor, no_grad};
use etude_data::Samples;
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Ctx, Layer, LeNet, LeNetConfig, Optimizer, check_finite, loss, metrics};

/// Images a step, or fewer if there are not as many.
pub const BATCH: usize = 100;

/// Rows of pixels, `[n, 784]`, and the class of each, `[n]`.
pub type Digits = (Tensor, Tensor<i64>);

/// Images as a network of convolutions wants them.
pub fn square(x: &Tensor) -> Tensor {
    x.reshape([x.dim(0), 1, 28, 28])
}

/// A LeNet that has seen these digits alone.
pub fn classifier(digits: &Digits, steps: u64, cx: &mut Ctx) -> Result<LeNet> {
    let net = LeNet::new(LeNetConfig { dropout: 0.3, ..LeNetConfig::default() }, cx)?;
    let mut opt = Adam::new(&net, 2e-3);
    let schedule = Schedule::cosine(2e-3, 2e-5, steps);
    let batches = digits.batches(BATCH).shuffled(cx).endless();
    for (step, (x, labels)) in (0..steps).zip(batches) {
        let loss = loss::cross_entropy(&net.forward(&square(&x), cx), &labels);
        check_finite(loss.item(), step)?;
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
    }
    Ok(net)
}

/// The share of digits that the network takes for what they are.
pub fn accuracy(net: &LeNet, digits: &Digits, cx: &Ctx) -> f64 {
    no_grad(|| metrics::accuracy(&net.forward(&square(&digits.0), &mut cx.eval()), &digits.1))
}
