//! Ten losses of small networks in training against PyTorch's: `tests/golden/steps.py` wrote them.

use etude_nn::testing::{compare_twin, descend, ids, initialise, standard};
use etude_nn::{Act, Adam, Ctx, Layer, LeNet, LeNetConfig, Mlp, Sgd, loss};

#[test]
fn perceptrons_with_adam() {
    let cx = &mut Ctx::train(0);
    let classifier = Mlp::new(&[20, 16, 16, 5], Act::Relu, cx);
    initialise(&classifier);
    let (x, y) = (standard("x", [8, 20]), ids("y", [8], 5));
    let mut opt = Adam::new(&classifier, 1e-3);
    let step = |_| descend(&mut opt, loss::cross_entropy(&classifier.forward(&x, cx), &y));
    compare_twin("w1", step).expect("the losses are PyTorch's");

    let regression = Mlp::new(&[4, 8, 8, 2], Act::Relu, cx);
    initialise(&regression);
    let (x, y) = (standard("x", [5, 4]), standard("y", [5, 2]));
    let mut opt = Adam::new(&regression, 1e-3);
    let step = |_| descend(&mut opt, loss::mse(&regression.forward(&x, cx), &y));
    compare_twin("w9t", step).expect("the losses are PyTorch's");
}

#[test]
fn a_convolutional_network_with_momentum() {
    let cx = &mut Ctx::train(0);
    let config = LeNetConfig { image: 12, channels: [3, 4], hidden: [12, 8], classes: 5, ..LeNetConfig::default() };
    let lenet = LeNet::new(config, cx).expect("valid");
    initialise(&lenet);
    let (x, y) = (standard("x", [6, 1, 12, 12]), ids("y", [6], 5));
    let mut opt = Sgd::new(&lenet, 0.01).momentum(0.9);
    let step = |_| descend(&mut opt, loss::cross_entropy(&lenet.forward(&x, cx), &y));
    compare_twin("w2a", step).expect("the losses are PyTorch's");
}
