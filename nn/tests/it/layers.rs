//! Properties of layers that no golden file shows: randomness, modes, names, copies, substitutes, refusals.

use std::panic::{AssertUnwindSafe, catch_unwind};

use etude_autograd::{Conv1dArgs, Conv2dArgs, PadMode, Pool1dArgs, Pool2dArgs, Tensor, no_grad};
use etude_kernels::precision::Precision;
use etude_nn::guard::Policy;
use etude_nn::layers::{Running, batch_major, time_major};
use etude_nn::{
    Act, Adam, AdaptiveAvgPool2d, AdaptiveMaxPool2d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, ConvTranspose1d,
    ConvTranspose2d, Ctx, Dropout, Embedding, GroupNorm, Gru, GruCell, InstanceNorm1d, InstanceNorm2d, Interpolation,
    Layer, LayerNorm, LeNet, LeNetConfig, Linear, Lstm, LstmCell, LstmState, Mask, MaxPool2d, MaxUnpool1d, MaxUnpool2d,
    Mlp, Module, MultiheadAttention, Nonlinearity, Optimizer, PRelu, Pad2d, PixelShuffle, Resize, RmsNorm, Rnn,
    RnnCell, Seq, SpectralNorm, Storage, init, metrics,
};

pub fn names(module: &dyn Module) -> Vec<String> {
    let mut names = Vec::new();
    module.each(&mut |name, _| names.push(name.to_string()));
    names
}

/// Equal but for rounding.
#[track_caller]
pub fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    a.to_vec().iter().zip(b.to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} and {b}"));
}

fn moments(x: &Tensor) -> (f64, f64) {
    let x = x.to_vec();
    let n = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    (mean, x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n)
}

/// Mean 0 and variance `var` within five standard errors; both tests together fail once in a million seeds.
fn assert_moments(what: &str, x: &Tensor, var: f64, kurtosis: f64) {
    let (n, (mean, found)) = (x.len() as f64, moments(x));
    assert!(mean.abs() < 5.0 * (var / n).sqrt(), "{what}: mean {mean}");
    let error = var * ((kurtosis - 1.0) / n).sqrt();
    assert!((found - var).abs() < 5.0 * error, "{what}: variance {found}, expected {var} ± {error}");
}

#[test]
fn initial_values_have_the_stated_distributions() {
    let cx = &mut Ctx::train(3);
    // A uniform in ±b has variance b²/3 and kurtosis 9/5, a normal has 3.
    let linear = Linear::new(100, 80, cx);
    assert_moments("linear", &linear.weight.get(), 1.0 / 300.0, 1.8);
    let conv = Conv2d::new(8, 32, 5, Conv2dArgs { groups: 2, ..Conv2dArgs::default() }, cx);
    assert_moments("conv", &conv.weight.get(), 1.0 / 300.0, 1.8);
    let conv = Conv1d::new(16, 40, 25, Conv1dArgs { groups: 2, ..Conv1dArgs::default() }, cx);
    assert_moments("conv1d", &conv.weight.get(), 1.0 / 600.0, 1.8);
    Lstm::new(20, 75, 1, cx)
        .named_params()
        .iter()
        .for_each(|(name, p)| assert_moments(name, &p.get(), 1.0 / (3.0 * 75.0), 1.8));
    assert_moments("xavier", &init::xavier_uniform([60, 90], 2.0, cx), 4.0 * 2.0 / 150.0, 1.8);
    assert_moments("kaiming_normal", &init::kaiming_normal([64, 10, 3, 3], cx), 2.0 / 90.0, 3.0);
    assert_moments("normal", &init::normal([5000], 0.02, cx), 4e-4, 3.0);
    let bound = linear.weight.get().abs().max_keep(1).to_vec().into_iter().fold(0.0, f32::max);
    assert!(bound <= 0.1, "a weight of {bound} outside ±1/√100");
}

#[test]
fn orthogonal_matrices_are() {
    for (shape, gain) in [([5usize, 9], 1.0), ([9, 5], 2.0), ([7, 7], 1.0)] {
        let q = init::orthogonal(shape, gain, &mut Ctx::train(1));
        let short = if shape[0] <= shape[1] { q.matmul(&q.t()) } else { q.t().matmul(&q) };
        let expected = Tensor::<f32>::eye(shape[0].min(shape[1])) * (gain * gain) as f32;
        let error = (short - expected).abs().to_vec().into_iter().fold(0.0, f32::max);
        assert!(error < 1e-5, "{shape:?}: QQᵀ is off by {error}");
    }
}

#[test]
fn dropout_keeps_the_expectation_and_is_off_in_evaluation() {
    let (x, cx) = (Tensor::<f32>::ones([200, 200]).requires_grad(), &mut Ctx::train(5));
    let y = Dropout::new(0.3).forward(&x, cx);
    let values = y.to_vec();
    assert!(values.iter().all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
    let (mean, _) = moments(&y);
    // The variance of one element is p/(1 − p).
    assert!((mean - 1.0).abs() < 5.0 * (0.3f64 / 0.7 / 40_000.0).sqrt(), "mean {mean}");
    let g = y.sum().backward();
    assert_eq!(g.get(&x).expect("x is a leaf").to_vec(), values, "the gradient goes where the value went");
    assert_eq!(Dropout::new(0.3).forward(&x, &mut cx.eval()).to_vec(), x.to_vec());
    assert_eq!(Dropout::new(1.0).forward(&x, cx).sum().item(), 0.0);
    let again = Dropout::new(0.3).forward(&x, &mut Ctx::train(5)).to_vec();
    assert_eq!(again, values, "a function of the seed");
}

#[test]
fn names_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let lstm = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
    let expected: Vec<String> =
        lstm.iter().flat_map(|n| [n.to_string()]).chain(lstm.map(|n| n.replace("l0", "l1"))).collect();
    assert_eq!(names(&Lstm::new(3, 4, 2, cx)), expected);
    assert_eq!(
        names(&MultiheadAttention::new(4, 2, cx)),
        ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    );
    assert_eq!(names(&BatchNorm2d::new(2)), ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
    assert_eq!(names(&Mlp::new(&[2, 3, 4], Act::Relu, cx)), ["0.weight", "0.bias", "2.weight", "2.bias"]);
}

#[test]
fn sequences_and_images_take_the_documented_shapes() {
    let cx = &mut Ctx::train(0);
    let args = Conv1dArgs::new(2, 1);
    let sequences = Seq::default()
        .then(Conv1d::new(3, 4, 3, args, cx))
        .then(PRelu::new(4))
        .then(ConvTranspose1d::no_bias(4, 2, 3, args, cx).output_padding(1));
    assert_eq!(names(&sequences), ["0.weight", "0.bias", "1.weight", "2.weight"]);
    assert_eq!(sequences.forward(&Tensor::zeros([5, 3, 8]), cx).shape(), [5, 2, 8]);
    let images = Seq::default()
        .then(PixelShuffle { factor: 2 })
        .then(Pad2d { border: [1, 0, 2, 1], mode: PadMode::Replicate })
        .then(Resize { size: [9, 7], interpolation: Interpolation::Bicubic, align_corners: true })
        .then(AdaptiveMaxPool2d { size: [4, 5] })
        .then(AdaptiveAvgPool2d { size: [2, 3] });
    let y = images.forward(&Tensor::full([1, 8, 3, 2], 0.5), cx);
    assert_eq!(y.shape(), [1, 2, 2, 3]);
    assert!(y.to_vec().iter().all(|v| (v - 0.5).abs() < 1e-6), "a plain image stays plain");
}

#[test]
fn copies_are_independent() {
    let cx = &mut Ctx::train(0);
    let net = Seq::default().then(Linear::new(2, 2, cx)).then(BatchNorm2d::new(2));
    let copy = net.clone();
    let ids = copy.leaves();
    assert!(net.leaves().iter().all(|id| !ids.contains(id)), "a copy has identities of its own");
    let before = copy.named_params()[0].1.get().to_vec();
    net.named_params()[0].1.update(|w| w.fill(7.0));
    assert_eq!(copy.named_params()[0].1.get().to_vec(), before);
    copy.copy_from(&net);
    assert_eq!(copy.named_params()[0].1.get().to_vec(), [7.0; 4]);
}

#[test]
fn substitutes_reach_every_parameter() {
    let cx = &mut Ctx::train(0);
    let model = (Mlp::new(&[4, 6], Act::Relu, cx), (Lstm::new(6, 6, 1, cx), MultiheadAttention::new(6, 2, cx)));
    let forward = |cx: &mut Ctx| {
        let x = Tensor::randn([3, 2, 4], &mut Ctx::train(9));
        let x = model.0.forward(&x, cx);
        let (y, _) = model.1.0.forward(&x, &model.1.0.zero_state(2), cx);
        model.1.1.forward(&y, &y, &y, Mask::default(), cx)
    };
    let before = forward(cx).to_vec();
    let doubled = model.named_params().into_iter().map(|(_, p)| (p.id(), (p.get().detach() * 2.0).requires_grad()));
    let doubled: Vec<_> = doubled.collect();
    let mut inner = cx.with_params(doubled.clone());
    let y = forward(&mut inner);
    assert_ne!(y.to_vec(), before);
    let g = y.square().sum().backward();
    for (_, substitute) in &doubled {
        assert!(g.get(substitute).is_some(), "every substitute gets a gradient, and no parameter does");
    }
    assert_eq!(g.len(), doubled.len());
    assert_eq!(forward(cx).to_vec(), before, "the parameters were not touched");
}

#[test]
fn a_sequence_in_two_parts_is_the_sequence() {
    let cx = &mut Ctx::train(0);
    let (lstm, gru) = (Lstm::new(3, 5, 2, cx), Gru::new(3, 5, 2, cx));
    let x = Tensor::randn([7, 2, 3], cx);
    let parts = [x.narrow(0, 0, 3), x.narrow(0, 3, 4)];
    let (whole, end) = lstm.forward(&x, &lstm.zero_state(2), cx);
    let (first, state) = lstm.forward(&parts[0], &lstm.zero_state(2), cx);
    let (second, LstmState { h, c }) = lstm.forward(&parts[1], &state.detach(), cx);
    close(&Tensor::concat(&[&first, &second], 0), &whole);
    close(&h, &end.h);
    close(&c, &end.c);
    let (whole, end) = gru.forward(&x, &gru.zero_state(2), cx);
    let (first, state) = gru.forward(&parts[0], &gru.zero_state(2), cx);
    let (second, last) = gru.forward(&parts[1], &state, cx);
    close(&Tensor::concat(&[&first, &second], 0), &whole);
    close(&last, &end);
    assert_eq!(batch_major(&time_major(&x)).to_vec(), x.to_vec());
}

/// What side-by-side windows took comes back where it was, whatever the size was.
#[test]
fn unpooling_puts_back_what_pooling_took() {
    // Positive, so that what was taken is larger than the zeros around it.
    let x = Tensor::rand([2, 3, 5, 4], &mut Ctx::train(2)).affine(1.0, 1.0);
    let (pool, unpool) = (MaxPool2d::new(2), MaxUnpool2d::new(2));
    let (y, index) = pool.forward_with_indices(&x);
    let back = unpool.forward(&y, &index, Some([5, 4]));
    assert_eq!(back.shape(), x.shape());
    assert!(back.to_vec().iter().zip(x.to_vec()).all(|(&back, x)| back == x || back == 0.0));
    assert_eq!(back.to_vec().iter().filter(|&&v| v != 0.0).count(), y.len());
    let (again, at) = pool.forward_with_indices(&back);
    assert_eq!((again.to_vec(), at.to_vec()), (y.to_vec(), index.to_vec()));
    // Windows whose elements lie apart: 3 × 2 of them in planes of 7 × 6.
    let args = Pool2dArgs { stride: [1; 2], dilation: [2; 2], ..Pool2dArgs::new(3) };
    let (x, places) = (x.pad2d([1; 4]), 7 * 6);
    let (y, index) = MaxPool2d { args }.forward_with_indices(&x);
    let back = MaxUnpool2d { args }.forward(&y, &index, None);
    assert_eq!((y.shape(), back.shape()), (&[2, 3, 3, 2][..], x.shape()));
    for (i, (at, y)) in index.to_vec().into_iter().zip(y.to_vec()).enumerate() {
        let at = i / 6 * places + at as usize;
        assert_eq!((x.to_vec()[at], back.to_vec()[at]), (y, y));
    }
    // Without a size that of whole windows.
    let (even, index) = pool.forward_with_indices(&x.narrow(2, 0, 4));
    assert_eq!(unpool.forward(&even, &index, None).shape(), [2, 3, 4, 6]);
}

/// Means over the samples, as PyTorch has them: of one sample those of batch normalisation.
#[test]
fn running_statistics_of_instances_are_those_of_a_batch_of_one() {
    let cx = &mut Ctx::train(3);
    let x = Tensor::randn([1, 3, 4, 2], cx);
    let (instance, batch) = (InstanceNorm2d::new(3).running_stats(), BatchNorm2d::new(3).no_affine());
    close(&instance.forward(&x, cx), &batch.forward(&x, cx));
    let of = |running: &Option<Running>| running.clone().expect("both have them");
    let (ours, theirs) = (of(&instance.running), of(&batch.running));
    close(&ours.mean.get(), &theirs.mean.get());
    close(&ours.var.get(), &theirs.var.get());
    assert_eq!((ours.batches.get().item(), theirs.batches.get().item()), (0, 1));
    close(&instance.forward(&x, &mut cx.eval()), &batch.forward(&x, &mut cx.eval()));
    // Of several samples the mean of what each alone would give.
    let two = Tensor::randn([2, 3, 4, 2], cx);
    let fresh = || InstanceNorm2d::new(3).running_stats();
    let after = |x: &Tensor, cx: &mut Ctx| {
        let norm = fresh();
        norm.forward(x, cx);
        of(&norm.running).var.get()
    };
    let alone = [after(&two.narrow(0, 0, 1), cx), after(&two.narrow(0, 1, 1), cx)];
    close(&after(&two, cx), &(&alone[0] + &alone[1]).affine(0.5, 0.0));
}

/// A recurrent layer with these lengths, or none: outputs, and the parts of the state one after another.
type Recurrent<'a> = (&'a str, &'a dyn Module, &'a dyn Fn(&Tensor, Option<&[usize]>) -> (Tensor, Tensor));

#[test]
fn a_batch_of_lengths_is_its_sequences_alone() {
    let cx = &mut Ctx::train(0);
    let (lstm, gru, rnn) = (Lstm::new(3, 5, 2, cx), Gru::new(3, 5, 2, cx), Rnn::new(3, 5, 2, cx));
    let eval = || Ctx::eval_with_seed(0);
    let through_lstm = |x: &Tensor, lengths: Option<&[usize]>| {
        let state = lstm.zero_state(x.dim(1));
        let (y, LstmState { h, c }) = match lengths {
            Some(lengths) => lstm.forward_lengths(x, lengths, &state, &mut eval()),
            None => lstm.forward(x, &state, &mut eval()),
        };
        (y, Tensor::concat(&[&h, &c], 0))
    };
    let through_gru = |x: &Tensor, lengths: Option<&[usize]>| match lengths {
        Some(lengths) => gru.forward_lengths(x, lengths, &gru.zero_state(x.dim(1)), &mut eval()),
        None => gru.forward(x, &gru.zero_state(x.dim(1)), &mut eval()),
    };
    let through_rnn = |x: &Tensor, lengths: Option<&[usize]>| match lengths {
        Some(lengths) => rnn.forward_lengths(x, lengths, &rnn.zero_state(x.dim(1)), &mut eval()),
        None => rnn.forward(x, &rnn.zero_state(x.dim(1)), &mut eval()),
    };
    let layers: [Recurrent<'_>; 3] =
        [("lstm", &lstm, &through_lstm), ("gru", &gru, &through_gru), ("rnn", &rnn, &through_rnn)];
    let lengths = [4usize, 1, 6];
    let x = Tensor::randn([6, 3, 3], cx).requires_grad();
    for (name, module, run) in layers {
        let (y, state) = run(&x, Some(&lengths));
        let (mut alone, mut total) = (Vec::new(), Tensor::scalar(0.0));
        for (i, &n) in lengths.iter().enumerate() {
            let (own_y, own_state) = run(&x.narrow(1, i, 1).narrow(0, 0, n), None);
            let padding = Tensor::zeros([6 - n, 1, 5]);
            alone.push((Tensor::concat(&[&own_y, &padding], 0), own_state.clone()));
            total = total + own_y.square().sum() + own_state.sum();
        }
        let joined = |parts: Vec<&Tensor>| Tensor::concat(&parts, 1).to_vec();
        let close = |what: &str, a: &[f32], b: &[f32]| {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{name}: {what}: {a} and {b}"));
        };
        close("outputs", &y.to_vec(), &joined(alone.iter().map(|(y, _)| y).collect()));
        close("states", &state.to_vec(), &joined(alone.iter().map(|(_, state)| state).collect()));
        let ours = (y.square().sum() + state.sum()).backward();
        let theirs = total.backward();
        close("x", &ours.get(&x).expect("used").to_vec(), &theirs.get(&x).expect("used").to_vec());
        for (param, p) in module.named_params() {
            let [a, b] = [&ours, &theirs].map(|grads| grads.by_id(p.id()).expect("used").to_vec());
            close(&param, &a, &b);
        }
    }
}

/// States that would grow beyond all numbers behind an end, where 0 times them is NaN.
#[test]
fn padding_does_not_reach_the_gradient() {
    let rnn = Rnn::new(2, 2, 2, &mut Ctx::train(0)).nonlinearity(Nonlinearity::Relu);
    for (name, p) in rnn.named_params() {
        p.update(|w| w.fill(if name.starts_with("weight_hh") { 1e10 } else { 1.0 }));
    }
    let x = Tensor::ones([9, 1, 2]).requires_grad();
    let cx = &mut Ctx::train(0);
    let (y, state) = rnn.forward_lengths(&x, &[1], &rnn.zero_state(1), cx);
    let g = (y.sum() + state.sum()).backward();
    let mut all = vec![g.get(&x).expect("depends on x").to_vec()];
    all.extend(rnn.named_params().iter().map(|(_, p)| g.by_id(p.id()).expect("depends on it").to_vec()));
    assert!(all.iter().flatten().all(|g| g.is_finite()), "{all:?}");
}

#[test]
#[should_panic(expected = "Gru: sequence 1 has length 5, expected 1 to 4")]
fn a_length_beyond_the_last_step_is_refused() {
    let gru = Gru::new(3, 5, 1, &mut Ctx::train(0));
    gru.forward_lengths(&Tensor::zeros([4, 2, 3]), &[1, 5], &gru.zero_state(2), &mut Ctx::train(0));
}

#[test]
fn causal_attention_does_not_see_the_future() {
    let cx = &mut Ctx::train(0);
    let attention = MultiheadAttention::new(4, 2, cx);
    let x = Tensor::randn([1, 5, 4], cx);
    let mut changed = x.to_vec();
    changed[3 * 4..].fill(9.0);
    let other = Tensor::from_vec(changed, [1, 5, 4]);
    let run = |x: &Tensor, cx: &mut Ctx| attention.forward(x, x, x, Mask::causal(), cx).to_vec();
    let (a, b) = (run(&x, cx), run(&other, cx));
    assert_eq!(a[..12], b[..12], "the first three positions do not depend on the last two");
    assert_ne!(a[12..], b[12..]);
    // One new query over cached keys is the last row of all queries.
    let last = attention.forward(&x.narrow(1, 4, 1), &x, &x, Mask::causal(), cx).to_vec();
    last.iter().zip(&a[16..]).for_each(|(x, y)| assert!((x - y).abs() < 1e-6, "{x} and {y}"));
}

#[test]
fn configurations_are_checked() {
    let cx = &mut Ctx::train(0);
    let error = |config: LeNetConfig| LeNet::new(config, &mut Ctx::train(0)).expect_err("cannot work").to_string();
    let small = error(LeNetConfig { image: 9, padding: 0, ..LeNetConfig::default() });
    assert_eq!(small, "LeNetConfig.image is 9: expected room for two convolutions and two poolings by 2");
    assert!(
        error(LeNetConfig { dropout: f64::NAN, ..LeNetConfig::default() }).starts_with("LeNetConfig.dropout is NaN")
    );
    assert!(error(LeNetConfig { classes: 0, ..LeNetConfig::default() }).contains("classes is 0"));
    // The smallest image that fits, and one pixel less.
    let smallest = LeNetConfig { image: 16, padding: 0, ..LeNetConfig::default() };
    let net = LeNet::new(smallest.clone(), cx).expect("16 → 12 → 6 → 2 → 1");
    assert_eq!(net.forward(&Tensor::zeros([2, 1, 16, 16]), cx).shape(), [2, 10]);
    assert!(LeNetConfig { image: 15, ..smallest }.validate().is_err());
}

#[test]
#[should_panic(expected = "BatchNorm: the statistics of a batch need more than one value a channel, x is [1, 3, 1, 1]")]
fn batch_norm_of_one_value_is_refused() {
    BatchNorm2d::new(3).forward(&Tensor::zeros([1, 3, 1, 1]), &mut Ctx::train(0));
}

#[test]
#[should_panic(expected = "InstanceNorm: needs more than one value a channel, x is [2, 3, 1, 1]")]
fn instance_norm_of_one_value_is_refused() {
    InstanceNorm2d::new(3).forward(&Tensor::zeros([2, 3, 1, 1]), &mut Ctx::train(0));
}

#[test]
#[should_panic(expected = "InstanceNorm: x [2, 4, 5] has not 3 channels in axis 1")]
fn instance_norm_of_other_channels_is_refused() {
    InstanceNorm1d::new(3).forward(&Tensor::zeros([2, 4, 5]), &mut Ctx::train(0));
}

#[test]
#[should_panic(expected = "GroupNorm: x [2, 4, 5] has not 6 channels in axis 1")]
fn group_norm_of_other_channels_is_refused() {
    GroupNorm::new(2, 6).forward(&Tensor::zeros([2, 4, 5]), &mut Ctx::train(0));
}

#[test]
#[should_panic(expected = "GroupNorm: 6 channels are not a multiple of 4 groups")]
fn group_norm_of_unequal_groups_is_refused() {
    GroupNorm::new(4, 6);
}

#[test]
#[should_panic(expected = "Lstm: the state is [1, 3, 5], expected [1, 2, 5]")]
fn a_state_of_another_batch_is_refused() {
    let lstm = Lstm::new(3, 5, 1, &mut Ctx::train(0));
    lstm.forward(&Tensor::zeros([4, 2, 3]), &lstm.zero_state(3), &mut Ctx::train(0));
}

#[test]
fn metrics_count() {
    let logits = Tensor::from_slice(&[1.0, 2.0, 0.0, 5.0, 1.0, 1.0, 0.0, 0.0, 3.0], [3, 3]);
    let targets = Tensor::from_slice(&[1i64, 2, 2], [3]);
    assert_eq!(metrics::accuracy(&logits, &targets), 2.0 / 3.0);
    let mut confusion = metrics::Confusion::new(3);
    confusion.add(&logits.argmax(1), &targets);
    assert_eq!((confusion.count(2, 0), confusion.count(2, 2), confusion.total()), (1, 1, 3));
    assert_eq!(confusion.accuracy(), 2.0 / 3.0);
    let mut mean = metrics::Mean::default();
    mean.add_weighted(1.0, 3.0);
    mean.add(5.0);
    assert_eq!(mean.get(), 2.0);
}

#[test]
#[should_panic(expected = "conv_transpose2d: output padding [2, 2] is not below the stride or the dilation of")]
fn output_padding_of_a_whole_stride_is_refused() {
    let cx = &mut Ctx::train(0);
    let args = Conv2dArgs { stride: [2; 2], ..Conv2dArgs::default() };
    ConvTranspose2d::new(1, 1, 3, args, cx).output_padding([2, 2]).forward(&Tensor::zeros([1, 1, 3, 3]), cx);
}

/// The overlay that carries the normalised weight leaves substitutes of the trained one in force.
#[test]
fn a_normalised_layer_takes_substitutes_and_copies() {
    let cx = &mut Ctx::train(0);
    let layer = SpectralNorm::new(Linear::new(3, 2, cx), cx);
    let x = Tensor::randn([4, 3], cx);
    let eval = &mut cx.eval();
    let bias = layer.layer.bias.as_ref().expect("a bias").get();
    let plain = layer.forward(&x, eval) - &bias;
    // W/σ does not change with the length of W.
    let w = &layer.layer.weight;
    let mut longer = eval.with_params([(w.id(), (w.get().detach() * 3.0).requires_grad())]);
    let scaled = layer.forward(&x, &mut longer) - &bias;
    plain.to_vec().iter().zip(scaled.to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} and {b}"));
    let largest = |layer: &SpectralNorm<Linear>, cx: &mut Ctx| {
        let w = layer.forward(&Tensor::eye(3), cx) - layer.layer.bias.as_ref().expect("a bias").get();
        (0..50).fold(Tensor::ones([1, 3]), |v, _| v.matmul(&w).matmul(&w.t()) / v.norm_l2(1)).norm_l2(1).item().sqrt()
    };
    assert!((largest(&layer, eval) - 1.0).abs() < 0.05, "{}", largest(&layer, eval));
    let copy = layer.clone();
    copy.u.set(&Tensor::zeros([2]));
    assert_ne!(layer.u.get().to_vec(), [0.0, 0.0], "a copy has vectors of its own");
}

#[test]
fn what_stands_for_nothing_is_zero_and_stays_so() {
    let cx = &mut Ctx::train(0);
    let table = Embedding::new(5, 3, cx).padding_idx(2);
    let ids = Tensor::from_slice(&[2i64, 4, 2, 0], [2, 2]);
    let mut opt = Adam::new(&table, 0.1);
    for _ in 0..3 {
        let loss = (table.forward(&ids, cx) - 1.0).square().sum();
        opt.step(&loss.backward());
    }
    let rows = table.weight.get().detach();
    assert_eq!(rows.select(0, 2).to_vec(), [0.0; 3]);
    assert!(rows.select(0, 4).to_vec().iter().all(|x| *x != 0.0));
    let looked_up = no_grad(|| table.forward(&ids, cx));
    assert_eq!(looked_up.to_vec()[..3], [0.0; 3]);
}

#[test]
fn padding_that_keeps_the_extent_does() {
    let cx = &mut Ctx::train(0);
    for (kernel, dilation) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 1)] {
        let args = Conv2dArgs { dilation: [dilation, 1], ..Conv2dArgs::default() };
        let conv = Conv2d::new(1, 2, kernel, args, cx).same();
        assert_eq!(conv.forward(&Tensor::ones([1, 1, 6, 7]), cx).shape(), [1, 2, 6, 7]);
        let args = Conv1dArgs { dilation, ..Conv1dArgs::default() };
        let conv = Conv1d::new(1, 2, kernel, args, cx).same();
        assert_eq!(conv.forward(&Tensor::ones([1, 1, 7]), cx).shape(), [1, 2, 7]);
    }
}

#[test]
fn what_layers_refuse_is_named() {
    let ones = |shape: &[usize]| Tensor::<f32>::ones(shape);
    type Call<'a> = &'a dyn Fn(&mut Ctx);
    let refused: [(&str, Call<'_>); 15] = [
        ("LstmCell: expected at least one unit", &|cx| drop(LstmCell::new(2, 0, cx))),
        ("GruCell: x [3, 5] is not [batch, 2]", &|cx| drop(GruCell::new(2, 4, cx).forward(&ones(&[3, 5]), None, cx))),
        ("RnnCell: the state is [1, 4], expected [3, 4]", &|cx| {
            RnnCell::new(2, 4, cx).forward(&ones(&[3, 2]), Some(&ones(&[1, 4])), cx);
        }),
        ("LstmCell: the state is [3, 2], expected [3, 4]", &|cx| {
            let state = LstmState { h: ones(&[3, 4]), c: ones(&[3, 2]) };
            LstmCell::new(2, 4, cx).forward(&ones(&[3, 2]), Some(&state), cx);
        }),
        ("MaxUnpool2d: x [1, 2, 3] has not 4 axes", &|_| {
            MaxUnpool2d::new(2).forward(&ones(&[1, 2, 3]), &Tensor::from_vec(vec![0; 6], [1, 2, 3]), None);
        }),
        ("MaxUnpool1d: the size [8] is a step [2] or more from [6]", &|_| {
            MaxUnpool1d::new(2).forward(&ones(&[1, 1, 3]), &Tensor::from_vec(vec![0; 3], [1, 1, 3]), Some(8));
        }),
        ("Lstm: a projection of 4 units to 4: expected 1 to 3", &|cx| {
            drop(Lstm::new(2, 4, 1, cx).projected(4, cx));
        }),
        ("Lstm: the state is [1, 3, 4], expected [1, 3, 2]", &|cx| {
            let lstm = Lstm::new(2, 4, 1, cx).projected(2, cx);
            let state = LstmState { h: ones(&[1, 3, 4]), ..lstm.zero_state(3) };
            lstm.forward(&ones(&[5, 3, 2]), &state, cx);
        }),
        ("Embedding: the padding is id 5 of a table [5, 3]", &|cx| drop(Embedding::new(5, 3, cx).padding_idx(5))),
        ("Conv2d: a stride of 2 cannot keep the extent, expected 1", &|cx| {
            drop(Conv2d::new(1, 1, 3, Conv2dArgs::new(2, 0), cx).same());
        }),
        ("LayerNorm: x [2, 3, 4] does not end with the normalised axes [4, 4]", &|cx| {
            LayerNorm::over([4, 4]).forward(&ones(&[2, 3, 4]), cx);
        }),
        ("RmsNorm: no axis to normalise", &|_| drop(RmsNorm::over([]))),
        ("BatchNorm: x [2, 3] has not 4 channels in axis 1", &|cx| {
            BatchNorm1d::new(4).no_affine().forward(&ones(&[2, 3]), cx);
        }),
        ("BatchNorm: the statistics of a batch need more than one value a channel, x is [1, 3]", &|cx| {
            BatchNorm1d::new(3).no_running_stats().forward(&ones(&[1, 3]), &mut cx.eval());
        }),
        (
            "MultiheadAttention: query [1, 2, 4], key [1, 3, 4], value [1, 3, 6] are not [batch, sequence, 5]: see key",
            &|cx| {
                let attention = MultiheadAttention::with_inputs(4, 2, 5, 6, cx);
                attention.forward(&ones(&[1, 2, 4]), &ones(&[1, 3, 4]), &ones(&[1, 3, 6]), Mask::default(), cx);
            },
        ),
    ];
    for (wanted, call) in refused {
        let said = catch_unwind(AssertUnwindSafe(|| call(&mut Ctx::train(0)))).expect_err(wanted);
        let said = said.downcast_ref::<String>().cloned().or(said.downcast_ref::<&str>().map(|s| s.to_string()));
        assert_eq!(said.as_deref(), Some(wanted));
    }
}

#[test]
fn what_a_configuration_names_is_data() {
    fn returns<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(values: &[T]) {
        for value in values {
            let text = serde_json::to_string(value).expect("serialisable");
            assert_eq!(&serde_json::from_str::<T>(&text).expect("just written"), value, "{text}");
        }
    }
    returns(&[PadMode::Reflect, PadMode::Replicate, PadMode::Circular, PadMode::Constant(-0.5)]);
    returns(&[Conv2dArgs { stride: [1, 2], padding: [3, 4], dilation: [5, 6], groups: 7 }]);
    returns(&[Conv1dArgs { stride: 1, padding: 2, dilation: 3, groups: 4 }]);
    returns(&Storage::ALL);
    returns(&[Precision::F32, Precision::High, Precision::Bf16]);
    returns(&[Policy::Stop, Policy::Skip { limit: 3 }, Policy::RollBack { every: 10, limit: 3 }]);
    returns(&[Pool2dArgs { dilation: [2, 3], divisor_override: Some(4), ..Pool2dArgs::new(3) }]);
    let args: Pool2dArgs =
        serde_json::from_str(r#"{"kernel":[2,2],"stride":[2,2]}"#).expect("the others have defaults");
    assert_eq!(args, Pool2dArgs::new(2));
    let args: Pool1dArgs = serde_json::from_str(r#"{"kernel":2,"stride":2}"#).expect("the others have defaults");
    assert_eq!(args, Pool1dArgs::new(2));
    let args: Conv2dArgs = serde_json::from_str(r#"{"padding":[1,1]}"#).expect("the others have defaults");
    assert_eq!(args, Conv2dArgs::new(1, 1));
}

#[test]
fn a_count_of_batches_that_is_none_keeps_running_statistics_finite() {
    let mut cx = Ctx::train(0);
    for count in [-1, i64::MIN, i64::MAX] {
        let norm = BatchNorm1d { momentum: None, ..BatchNorm1d::new(2) };
        let running = norm.running.as_ref().expect("a new layer has them");
        running.batches.set(&Tensor::scalar(count));
        norm.forward(&Tensor::randn([4, 2], &mut cx), &mut cx);
        let found = [running.mean.get().to_vec(), running.var.get().to_vec()].concat();
        assert!(found.iter().all(|v| v.is_finite()), "{count}: {found:?}");
    }
}
