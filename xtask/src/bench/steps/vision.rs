//! Workloads on vectors and images.

use anyhow::Result;
use etude_nn::testing::{ids, initialise, standard};
use etude_nn::{Act, Adam, Ctx, Layer, LeNet, LeNetConfig, Mlp, Sgd, loss};

use super::workload::{Job, Size, descend};

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

/// A small perceptron that learns two numbers, Adam.
pub fn w9t(size: Size) -> Result<Job> {
    let (batch, sizes) = size.pick((32, [4, 64, 64, 2]), (5, [4, 8, 8, 2]));
    let model = mlp(&sizes, Act::Relu);
    let (x, y) = (standard("x", [batch, 4]), standard("y", [batch, 2]));
    let opt = Adam::new(&model, 1e-3);
    Ok(descend(model, opt, ("steps", 1), move |m, cx| loss::mse(&m.forward(&x, cx), &y)))
}
