//! Ten losses in training against PyTorch's, which nn's `tests/golden/steps.py` wrote, and what the sizes promise.

use etude_autograd::{Tensor, no_grad};
use etude_cnn::{ConvNet, ConvNetConfig, ResNet, ResNetConfig};
use etude_nn::testing::{compare_twin, descend, ids, initialise, standard};
use etude_nn::{Ctx, Layer, Module, Sgd, loss};

fn compare(workload: &str, model: &impl Layer, x: &Tensor, classes: usize) {
    let cx = &mut Ctx::train(0);
    initialise(model);
    let y = ids("y", [x.dim(0)], classes);
    let mut opt = Sgd::new(model, 0.01).momentum(0.9);
    let step = |_| descend(&mut opt, loss::cross_entropy(&model.forward(x, cx), &y));
    compare_twin(workload, step).expect("the losses are PyTorch's");
}

#[test]
fn ten_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let config = ConvNetConfig { channels: vec![4, 6, 8], classes: 5, ..ConvNetConfig::default() };
    let model = ConvNet::new(&config, cx).expect("valid");
    compare("w2b", &model, &standard("x", [6, 1, 12, 12]), 5);
    let config = ResNetConfig { width: 4, classes: 5, ..ResNetConfig::default() };
    let model = ResNet::new(&config, cx).expect("valid");
    compare("w12", &model, &standard("x", [4, 3, 64, 64]), 5);
}

#[test]
fn resnets_have_torchvisions_names() {
    let cx = &mut Ctx::train(0);
    let config = ResNetConfig { width: 2, blocks: vec![1, 2], classes: 3, ..ResNetConfig::default() };
    let model = ResNet::new(&config, cx).expect("valid");
    let names: Vec<String> = model.named_params().into_iter().map(|(name, _)| name).collect();
    for name in ["conv1.weight", "bn1.bias", "layer1.0.conv2.weight", "layer2.1.bn2.weight", "fc.bias"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
    // Only where stride or channels change is there a projection.
    let projections: Vec<&String> = names.iter().filter(|name| name.contains("downsample.0")).collect();
    assert_eq!(projections, ["layer2.0.downsample.0.weight"]);
    let scores = no_grad(|| model.forward(&Tensor::ones([2, 3, 16, 16]), &mut cx.eval()));
    assert_eq!(scores.shape(), [2, 3]);
}

#[test]
fn sizes_of_nothing_are_refused() {
    let cx = &mut Ctx::train(0);
    let error = ConvNet::new(&ConvNetConfig { channels: vec![], ..ConvNetConfig::default() }, cx);
    assert!(error.expect_err("no convolution").to_string().contains("channels"));
    let error = ResNet::new(&ResNetConfig { blocks: vec![2, 0], ..ResNetConfig::default() }, cx);
    assert!(error.expect_err("an empty stage").to_string().contains("blocks"));
}
