//! What is refused, and in which words: the operation that was called, the shapes, the axis.
//!
//! A table of calls and messages. Every public operation whose documentation has a section on panics stands in it.

use std::panic::catch_unwind;

use etude_autograd::{
    Conv1dArgs, Conv2dArgs, Conv3dArgs, CreateGraph, Mask, PadMode, Pool1dArgs, Pool2dArgs, Pool3dArgs, Storage,
    Tensor, checkpoint, grad, grad_with, no_grad,
};
use etude_kernels::rng::Rng;

use super::sources::functions;

fn zeros(shape: &[usize]) -> Tensor<f32> {
    Tensor::zeros(shape)
}

fn ids(values: &[i64]) -> Tensor<i64> {
    Tensor::from_slice(values, [values.len()])
}

fn mask(len: usize) -> Tensor<bool> {
    Tensor::full([len], true)
}

/// A call that must be refused, and its message.
type Refused = (fn(), &'static str);

/// A call as a [`Refused`].
macro_rules! refused {
    ($($call:expr => $message:literal,)*) => { &[$((|| { let _ = $call; }, $message)),*] };
}

const ELEMENTWISE: &[Refused] = refused! {
    &zeros(&[8, 3]) + &zeros(&[4, 5]) => "add: shapes do not broadcast: [8, 3] and [4, 5]",
    &zeros(&[2]) - &zeros(&[3]) => "sub: shapes do not broadcast: [2] and [3]",
    &zeros(&[2]) * &zeros(&[3]) => "mul: shapes do not broadcast: [2] and [3]",
    &zeros(&[2]) / &zeros(&[3]) => "div: shapes do not broadcast: [2] and [3]",
    zeros(&[2]).maximum(&zeros(&[3])) => "maximum: shapes do not broadcast: [2] and [3]",
    zeros(&[2]).minimum(&zeros(&[3])) => "minimum: shapes do not broadcast: [2] and [3]",
    zeros(&[3]).pow(&zeros(&[2])) => "pow: shapes do not broadcast: [3] and [2]",
    zeros(&[3]).atan2(&zeros(&[2])) => "atan2: shapes do not broadcast: [3] and [2]",
    zeros(&[3]).clamp(1.0, -1.0) => "clamp: the lower bound 1 is above the upper bound -1",
    zeros(&[3]).hardtanh(1.0, -1.0) => "hardtanh: the lower bound 1 is above the upper bound -1",
    zeros(&[3]).celu(0.0) => "celu: α is 0, expected more than 0",
    zeros(&[3]).softshrink(-1.0) => "softshrink: λ is -1, expected 0 or more",
    zeros(&[3]).hardshrink(-1.0) => "hardshrink: λ is -1, expected 0 or more",
    zeros(&[2, 3]).prelu(&zeros(&[2])) => "prelu: slopes [2] for x [2, 3], whose axis 1 has 3 channels",
    zeros(&[3]).glu(0) => "glu: axis 0 of [3] has no halves",
    zeros(&[3]).glu(1) => "glu: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).dropout(1.5, &mut Rng::new(0)) => "dropout: the probability is 1.5, expected 0 to 1",
    zeros(&[2]).lt(&zeros(&[3])) => "lt: shapes do not broadcast: [2] and [3]",
    zeros(&[2]).ne(&zeros(&[3])) => "ne: shapes do not broadcast: [2] and [3]",
    mask(2).and(&mask(3)) => "and: shapes do not broadcast: [2] and [3]",
    mask(2).or(&mask(3)) => "or: shapes do not broadcast: [2] and [3]",
    Tensor::where_cond(&mask(2), &zeros(&[3]), &zeros(&[1])) => "where_cond: shapes do not broadcast: [2], [3] and [1]",
    zeros(&[3]).masked_fill(&mask(2), 0.0) => "masked_fill: the mask [2] does not broadcast to [3]",
};

const REDUCTIONS: &[Refused] = refused! {
    zeros(&[3]).sum_keep([1]) => "sum_keep: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).sum_dims([1]) => "sum_dims: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).sum_dims([0, 0]) => "sum_dims: an axis of shape [3] stands twice in [0, 0]",
    zeros(&[3]).mean_keep([1]) => "mean_keep: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).mean_dims([1]) => "mean_dims: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).var_keep([1]) => "var_keep: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).var_dims([1]) => "var_dims: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).std_dims([1]) => "std_dims: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).argmax(1) => "argmax: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[2, 0]).argmin(1) => "argmin: axis 1 of [2, 0] is empty",
    zeros(&[2, 0]).max_keep(1) => "max_keep: axis 1 of [2, 0] is empty",
    zeros(&[3]).max(1) => "max: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).min(1) => "min: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).prod(1) => "prod: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).prod_keep(1) => "prod_keep: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).cumprod(1) => "cumprod: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).cumsum(1) => "cumsum: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).logcumsumexp(1) => "logcumsumexp: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).logaddexp(&zeros(&[2])) => "logaddexp: shapes do not broadcast: [3] and [2]",
    zeros(&[3]).logsumexp(1) => "logsumexp: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).softmax(1) => "softmax: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).log_softmax(1) => "log_softmax: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).softmin(1) => "softmin: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).norm_l2(1) => "norm_l2: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).norm_lp(0.0, 0) => "norm_lp: the order is 0, expected more than 0",
    zeros(&[2, 0]).norm_lp(f64::INFINITY, 1) => "norm_lp: axis 1 of [2, 0] is empty",
    zeros(&[3]).argsort(1, false) => "argsort: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).sort(1, false) => "sort: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).topk(4, 0) => "topk: the 4 largest along axis 0 of [3]",
};

const MOVEMENT: &[Refused] = refused! {
    zeros(&[2, 3]).reshape([4]) => "reshape: [2, 3] has 6 elements, [4] has 4",
    zeros(&[0]).reshape([1 << 63, 2]) => "reshape: shape [9223372036854775808, 2] holds more elements than memory can address",
    zeros(&[1]).expand([1 << 40, 1 << 40]) => "expand: shape [1099511627776, 1099511627776] holds more elements than memory can address",
    &zeros(&[1, 1]).expand([1 << 40, 1]) + &zeros(&[1]).expand([1, 1 << 40]) => "add: shapes do not broadcast: [1099511627776, 1] and [1, 1099511627776]",
    zeros(&[1, 1]).expand([1 << 40, 1]).matmul(&zeros(&[1, 1]).expand([1, 1 << 40])) => "matmul: shape [1099511627776, 1099511627776] holds more elements than memory can address",
    ids(&[0, 0]).one_hot::<f32>(1 << 62) => "one_hot: shape [2, 4611686018427387904] holds more elements than memory can address",
    zeros(&[2, 1]).pad_axis(1, 0, 1 << 62) => "pad_axis: shape [2, 4611686018427387904] holds more elements than memory can address",
    zeros(&[1, 1, 2, 2]).conv2d(&zeros(&[1, 1, 1, 1]), None, Conv2dArgs::new(1, 1 << 40)) => "conv2d: shape [1, 1, 2199023255554, 2199023255554] holds more elements than memory can address",
    zeros(&[1, 1, 2]).conv1d(&zeros(&[1, 1, 1]), None, Conv1dArgs::new(1, 1 << 61)) => "conv1d: shape [1, 1, 1, 4611686018427387906] holds more elements than memory can address",
    zeros(&[1, 1, 2, 2]).conv_transpose2d(&zeros(&[1, 1, 1, 1]), None, Conv2dArgs::new(usize::MAX, 0), [0, 0]) => "conv_transpose2d: shape [1, 1, 18446744073709551615, 18446744073709551615] holds more elements than memory can address",
    zeros(&[1, 1, 1, 1, 1]).conv3d(&zeros(&[1, 1, 1, 1, 1]), None, Conv3dArgs::new(1, usize::MAX)) => "conv3d: shape [1, 1, 18446744073709551615, 1, 1] holds more elements than memory can address",
    zeros(&[1, 1, 2, 1, 1]).conv_transpose3d(&zeros(&[1, 1, 1, 1, 1]), None, Conv3dArgs { stride: [usize::MAX, 1, 1], ..Conv3dArgs::default() }, [0; 3]) => "conv_transpose3d: shape [1, 1, 18446744073709551615, 1, 1] holds more elements than memory can address",
    zeros(&[1, 1, 2, 2]).conv_transpose2d(&zeros(&[1, 1, 1, 1]), None, Conv2dArgs { dilation: [1 << 62, 1], ..Conv2dArgs::default() }, [1 << 61, 0]) => "conv_transpose2d: shape [1, 1, 2305843009213693954, 2] holds more elements than memory can address",
    zeros(&[1, 1, 2, 2]).adaptive_avg_pool2d([1 << 60, 1]) => "adaptive_avg_pool2d: shape [1, 1, 1152921504606846976, 1] holds more elements than memory can address",
    zeros(&[1, 1]).expand([1 << 40, 1]).linear(&zeros(&[1, 1]).expand([1 << 40, 1]), None) => "linear: shape [1099511627776, 1099511627776] holds more elements than memory can address",
    zeros(&[1, 1]).pad2d([usize::MAX, 1, 0, 0]) => "pad2d: shape [1, 18446744073709551615] holds more elements than memory can address",
    Tensor::concat(&[&zeros(&[1]).expand([1 << 59]), &zeros(&[1]).expand([1 << 59])], 0) => "concat: shape [1152921504606846976] holds more elements than memory can address",
    zeros(&[1, 1, 2, 2]).upsample_bilinear2d([1 << 40; 2], false) => "upsample_bilinear2d: shape [1, 1, 1099511627776, 1099511627776] holds more elements than memory can address",
    zeros(&[1, 1, 2, 2]).upsample_nearest2d(1 << 40) => "upsample_nearest2d: shape [1, 1, 2199023255552, 2199023255552] holds more elements than memory can address",
    zeros(&[2, 3]).flatten(1..3) => "flatten: axes 1..3 of a tensor of shape [2, 3]",
    zeros(&[2, 3]).flatten_from(2) => "flatten_from: axis 2 of a tensor of shape [2, 3], which has 2 axes",
    zeros(&[2, 3]).permute([0, 0]) => "permute: [0, 0] is not an order of the 2 axes of [2, 3]",
    zeros(&[3]).transpose(0, 1) => "transpose: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).t() => "t: a tensor of shape [3] has fewer than two axes",
    zeros(&[3]).unsqueeze(2) => "unsqueeze: axis 2 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).squeeze(0) => "squeeze: axis 0 of [3] is not 1",
    zeros(&[3]).narrow(0, 2, 2) => "narrow: 2..2+2 of axis 0 of [3]",
    zeros(&[3]).select(0, 3) => "select: position 3 of axis 0 of [3]",
    zeros(&[3]).select(1, 0) => "select: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).split(0, &[1, 1]) => "split: [1, 1] add up to 2, axis 0 of [3] differs",
    zeros(&[3]).chunk(0, 2) => "chunk: axis 0 of [3] cannot be cut in 2 equal pieces",
    zeros(&[3]).expand([2]) => "expand: [3] does not broadcast to [2]",
    zeros(&[3]).sum_to([2]) => "sum_to: [2] does not broadcast to [3]",
    zeros(&[3]).pad_axis(0, 1, 3) => "pad_axis: axis 0 of [3] does not fit in 3 positions from 1 on",
    zeros(&[3]).pad2d([0; 4]) => "pad2d: a tensor of shape [3] has fewer than two axes",
    zeros(&[3]).pad_mode(0, 3, 0, PadMode::Reflect) => "pad_mode: 3 positions beyond axis 0 of [3] by Reflect",
    zeros(&[0]).pad_mode(0, 1, 0, PadMode::Replicate) => "pad_mode: 1 positions beyond axis 0 of [0] by Replicate",
    zeros(&[1, 2]).pad2d_mode([2, 0, 0, 0], PadMode::Reflect) => "pad2d_mode: 2 positions beyond axis 1 of [1, 2] by Reflect",
    zeros(&[]).pad1d_mode([1, 0], PadMode::ZERO) => "pad1d_mode: a tensor of shape [] has fewer than one axis",
    zeros(&[2, 1, 2]).pad3d_mode([0, 0, 2, 0, 0, 0], PadMode::Circular) => "pad3d_mode: 2 positions beyond axis 1 of [2, 1, 2] by Circular",
    zeros(&[2]).pad_mode(0, usize::MAX, 1, PadMode::Replicate) => "pad_mode: shape [18446744073709551615] holds more elements than memory can address",
    zeros(&[3]).flip(1) => "flip: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).roll(1, 1) => "roll: axis 1 of a tensor of shape [3], which has 1 axes",
    zeros(&[3]).tril(0) => "tril: a tensor of shape [3] has fewer than two axes",
    zeros(&[3]).triu(0) => "triu: a tensor of shape [3] has fewer than two axes",
    zeros(&[3, 3]).diagonal(1, 1) => "diagonal: axis 1 of [3, 3] stands twice",
    Tensor::<f32>::concat(&[], 0) => "concat: no tensors were given",
    Tensor::concat(&[&zeros(&[1, 2]), &zeros(&[1, 3])], 0) => "concat: [1, 3] differs from [1, 2] outside axis 0",
    Tensor::<f32>::stack(&[], 0) => "stack: no tensors were given",
    Tensor::stack(&[&zeros(&[2]), &zeros(&[3])], 0) => "stack: shapes differ: [2] and [3]",
    Tensor::stack(&[&zeros(&[2])], 2) => "stack: a new axis 2 of tensors of shape [2]",
    Tensor::concat_ids(&[&ids(&[1])], 1) => "concat_ids: axis 1 of a tensor of shape [1], which has 1 axes",
    zeros(&[3]).embedding(&ids(&[0])) => "embedding: the table has shape [3], not [n, dim]",
    zeros(&[3, 2]).embedding(&ids(&[0, 3])) => "embedding: index 3 at position 1 is outside 0..3, axis 0 of shape [3, 2]",
    zeros(&[3]).index_select(0, &ids(&[-1])) => "index_select: index -1 at position 0 is outside 0..3, axis 0 of shape [3]",
    ids(&[1, 2]).take_rows(&ids(&[2])) => "take_rows: index 2 at position 0 is outside 0..2, axis 0 of shape [2]",
    ids(&[1, 5]).one_hot::<f32>(3) => "one_hot: index 5 at position 1 is outside 0..3, axis 1 of shape [2, 3]",
    zeros(&[2, 3]).gather(1, &ids(&[0])) => "gather: indices [1] differ from [2, 3] outside axis 1",
    zeros(&[2]).gather(0, &ids(&[2])) => "gather: index 2 at position 0 is outside 0..2, axis 0 of shape [2]",
    zeros(&[2]).scatter_add(0, &ids(&[1]), &zeros(&[2])) => "scatter_add: source [2] and indices [1] differ",
    zeros(&[1, 6, 2, 2]).pixel_shuffle(2) => "pixel_shuffle: x [1, 6, 2, 2] is not [n, c·2², h, w]",
    zeros(&[1, 1, 3, 2]).pixel_unshuffle(2) => "pixel_unshuffle: x [1, 1, 3, 2] is not [n, c, h·2, w·2]",
};

const PRODUCTS: &[Refused] = refused! {
    zeros(&[8, 3]).matmul(&zeros(&[4, 5])) => "matmul: inner dimensions differ: [8, 3] × [4, 5] (3 ≠ 4)",
    zeros(&[3]).matmul(&zeros(&[3, 1])) => "matmul: operands need two axes: [3] × [3, 1]",
    zeros(&[2, 1, 1]).matmul(&zeros(&[3, 1, 1])) => "matmul: batch axes do not broadcast: [2, 1, 1] × [3, 1, 1]",
    zeros(&[2, 3]).linear(&zeros(&[5, 4]), None) => "linear: the last axis of x [2, 3] differs from w [5, 4] (3 ≠ 4)",
    zeros(&[2, 3]).linear(&zeros(&[5, 3]), Some(&zeros(&[4]))) => "linear: the bias has shape [4], w [5, 3] asks for [5]",
    zeros(&[3]).pack(Storage::F32) => "pack: weights have shape [3], not two axes",
    zeros(&[2, 3]).linear_packed(&zeros(&[5, 4]).pack(Storage::F32), None) => "linear_packed: the last axis of x [2, 3] differs from w [5, 4]",
    zeros(&[1, 4]).requires_grad().linear_packed(&zeros(&[5, 4]).pack(Storage::F32), None) => "linear_packed: weights packed as f32 have no gradient; run inference inside no_grad",
    no_grad(|| Tensor::embedding_packed(&zeros(&[5, 4]).pack(Storage::F32), &ids(&[5]))) => "embedding_packed: index 5 at position 0 is outside 0..5, axis 0 of shape [5, 4]",
    Tensor::einsum("ij", &[&zeros(&[1, 1])]) => "einsum: \"ij\" has no arrow ->",
    Tensor::einsum("i,i->", &[&zeros(&[1])]) => "einsum: \"i,i->\" names 2 operands of 1",
    Tensor::einsum("i->", &[&zeros(&[1, 1])]) => "einsum: \"i->\" names 1 axes of an operand of shape [1, 1]",
    Tensor::einsum("i->j", &[&zeros(&[1])]) => "einsum: \"i->j\": no operand has label j",
    Tensor::einsum("i->ii", &[&zeros(&[1])]) => "einsum: \"i->ii\" asks for a label twice",
    Tensor::einsum("ii->i", &[&zeros(&[1, 2])]) => "einsum: \"ii->i\": axes i of [1, 2] differ in length",
    Tensor::einsum("ij,jk->ik", &[&zeros(&[2, 3]), &zeros(&[4, 5])]) => "einsum: \"ij,jk->ik\": label j has length 3 in one operand and 4 in another",
    zeros(&[1, 2, 4, 4]).conv2d(&zeros(&[1, 3, 2, 2]), None, Conv2dArgs::default()) => "conv2d: channels differ: x [1, 2, 4, 4], w [1, 3, 2, 2] in 1 groups",
    zeros(&[1, 1, 2, 2]).conv2d(&zeros(&[1, 1, 3, 3]), None, Conv2dArgs::default()) => "conv2d: x [1, 1, 2, 2], w [1, 1, 3, 3]: kernel [3, 3] with dilation [1, 1] is larger than the padded input [2, 2]",
    zeros(&[1, 1, 2, 2]).conv2d(&zeros(&[1, 1, 1, 1]), None, Conv2dArgs::new(0, 0)) => "conv2d: x [1, 1, 2, 2], w [1, 1, 1, 1]: kernel [1, 1], stride [0, 0] and dilation [1, 1] must be positive",
    zeros(&[1, 1, 2, 2]).conv2d(&zeros(&[3, 1, 1, 1]), Some(&zeros(&[2])), Conv2dArgs::default()) => "conv2d: the bias has shape [2], w [3, 1, 1, 1] asks for [3]",
    zeros(&[1, 2]).conv1d(&zeros(&[1, 1, 1]), None, Conv1dArgs::default()) => "conv1d: x [1, 2] and w [1, 1, 1] need three axes",
    zeros(&[1, 2, 4]).conv1d(&zeros(&[1, 3, 2]), None, Conv1dArgs::default()) => "conv1d: channels differ: x [1, 2, 4], w [1, 3, 2] in 1 groups",
    zeros(&[1, 1, 2]).conv1d(&zeros(&[1, 1, 3]), None, Conv1dArgs::default()) => "conv1d: x [1, 1, 2], w [1, 1, 3]: kernel [1, 3] with dilation [1, 1] is larger than the padded input [1, 2]",
    zeros(&[1, 1, 2]).conv1d(&zeros(&[3, 1, 1]), Some(&zeros(&[2])), Conv1dArgs::default()) => "conv1d: the bias has shape [2], w [3, 1, 1] asks for [3]",
    zeros(&[1, 2, 4]).conv_transpose1d(&zeros(&[3, 1, 2]), None, Conv1dArgs::default(), 0) => "conv_transpose1d: channels differ: x [1, 2, 4], w [3, 1, 2] in 1 groups",
    zeros(&[1, 1, 2, 2]).conv_transpose2d(&zeros(&[1, 1, 2, 2]), None, Conv2dArgs { dilation: [2, 1], ..Conv2dArgs::new(0, 0) }, [1, 0]) => "conv_transpose2d: x [1, 1, 2, 2], w [1, 1, 2, 2]: stride [0, 0] must be positive",
    zeros(&[1, 2, 4, 4]).conv_transpose2d(&zeros(&[3, 1, 2, 2]), None, Conv2dArgs::default(), [0, 0]) => "conv_transpose2d: channels differ: x [1, 2, 4, 4], w [3, 1, 2, 2] in 1 groups",
    zeros(&[1, 1, 2]).rnn_scan(&zeros(&[2, 2]), &zeros(&[2, 2]), Tensor::tanh) => "rnn_scan: the state has shape [2, 2], projections [1, 1, 2] ask for [1, 2]",
    zeros(&[0, 1, 2]).rnn_scan(&zeros(&[2, 2]), &zeros(&[1, 2]), Tensor::tanh) => "rnn_scan: projections [0, 1, 2] are not [seq, batch, hidden] with a step",
    zeros(&[1, 2, 3, 3]).conv3d(&zeros(&[1, 2, 1, 1, 1]), None, Conv3dArgs::default()) => "conv3d: x [1, 2, 3, 3] and w [1, 2, 1, 1, 1] need five axes",
    zeros(&[1, 2, 3, 3, 3]).conv3d(&zeros(&[1, 3, 1, 1, 1]), None, Conv3dArgs::default()) => "conv3d: channels differ: x [1, 2, 3, 3, 3], w [1, 3, 1, 1, 1] in 1 groups",
    zeros(&[1, 2, 3, 3, 3]).conv3d(&zeros(&[1, 2, 4, 1, 1]), None, Conv3dArgs::default()) => "conv3d: x [1, 2, 3, 3, 3], w [1, 2, 4, 1, 1]: the kernel does not fit a depth of 3",
    zeros(&[1, 2, 3, 3, 3]).conv_transpose3d(&zeros(&[2, 1, 2, 1, 1]), None, Conv3dArgs::default(), [1, 0, 0]) => "conv_transpose3d: output padding [1, 0, 0] is not below the stride or the dilation of Conv3dArgs { stride: [1, 1, 1], padding: [0, 0, 0], dilation: [1, 1, 1], groups: 1 }",
    zeros(&[1, 2, 1, 3, 3]).conv_transpose3d(&zeros(&[2, 1, 1, 1, 1]), None, Conv3dArgs::new(1, 1), [0; 3]) => "conv_transpose3d: x [1, 2, 1, 3, 3], w [2, 1, 1, 1, 1]: Conv3dArgs { stride: [1, 1, 1], padding: [1, 1, 1], dilation: [1, 1, 1], groups: 1 } with output padding [0, 0, 0] leaves nothing",
    zeros(&[1, 2, 3, 3, 3]).conv_transpose3d(&zeros(&[2, 1, 1, 1, 1]), Some(&zeros(&[2])), Conv3dArgs::default(), [0; 3]) => "conv_transpose3d: the bias has shape [2], w [2, 1, 1, 1, 1] asks for [1]",
    zeros(&[1, 1, 8]).lstm_scan_projected(&zeros(&[8, 1]), &zeros(&[1, 3]), &zeros(&[1, 1]), &zeros(&[1, 2])) => "lstm_scan_projected: projections [1, 1, 8], w_hh [8, 1] and w_hr [1, 3] are not [seq, batch, 4·hidden] with a step, [4·hidden, size] and [size, hidden]",
    zeros(&[1, 1, 8]).lstm_scan_projected(&zeros(&[8, 1]), &zeros(&[1, 2]), &zeros(&[1, 2]), &zeros(&[1, 2])) => "lstm_scan_projected: the states have shapes [1, 2] and [1, 2], expected [1, 1] and [1, 2]",
    zeros(&[1, 1, 8]).lstm_scan(&zeros(&[8, 3]), &zeros(&[1, 2]), &zeros(&[1, 2])) => "lstm_scan: projections [1, 1, 8] and w_hh [8, 3] differ",
    zeros(&[1, 1, 6]).gru_scan(&zeros(&[6, 2]), &zeros(&[5]), &zeros(&[1, 2])) => "gru_scan: b_hh has shape [5], expected [6]",
    zeros(&[1, 1, 2, 3]).scaled_dot_product_attention(&zeros(&[1, 1, 2, 4]), &zeros(&[1, 1, 2, 4]), Mask::default(), None) => "scaled_dot_product_attention: queries [1, 1, 2, 3] and keys [1, 1, 2, 4] are not [batch, heads, tokens, size] with equal sizes",
    zeros(&[1, 1, 2, 3]).scaled_dot_product_attention(&zeros(&[1, 1, 2, 3]), &zeros(&[1, 1, 3, 3]), Mask::default(), None) => "scaled_dot_product_attention: keys [1, 1, 2, 3] and values [1, 1, 3, 3] differ",
    zeros(&[1, 1, 2, 4]).scaled_dot_product_attention(&zeros(&[1, 1, 2, 3]), &zeros(&[1, 1, 2, 5]), Mask::default(), None) => "scaled_dot_product_attention: queries [1, 1, 2, 4] and keys [1, 1, 2, 3] are not [batch, heads, tokens, size] with equal sizes",
    zeros(&[1, 2, 2]).self_attention(Mask::default(), None) => "self_attention: [1, 2, 2] is not [batch, tokens, 3, heads, size]",
    zeros(&[1, 1, 2, 3]).attention_weights(&zeros(&[1, 1, 2, 3]), Mask::padding(Some(&Tensor::full([1, 3], true))), None) => "attention_weights: the padding mask has shape [1, 3], expected [1, 2]",
    zeros(&[1, 1, 2, 3]).attention_weights(&zeros(&[1, 1, 2, 3]), Mask::bias(&zeros(&[3, 1, 2])), None) => "attention_weights: the bias of shape [3, 1, 2] does not broadcast to [1, 1, 2, 2]",
    zeros(&[1, 2, 3, 1, 4]).self_attention(Mask::pairs(&Tensor::full([2, 3], true)), None) => "self_attention: the mask of pairs of shape [2, 3] does not broadcast to [1, 1, 2, 2]",
};

const IMAGES_NORMS_LOSSES: &[Refused] = refused! {
    zeros(&[1, 1, 2]).max_pool2d(Pool2dArgs::new(1)) => "max_pool2d: x [1, 1, 2] needs four axes",
    zeros(&[1, 1, 2, 2]).max_pool2d(Pool2dArgs { stride: [1, 1], ..Pool2dArgs::new(3) }) => "max_pool2d: axis 2 of [1, 1, 2, 2]: kernel 3 is larger than the padded input 2",
    zeros(&[1, 1, 2, 2]).avg_pool2d(Pool2dArgs { stride: [0, 1], ..Pool2dArgs::new(2) }) => "avg_pool2d: axis 2 of [1, 1, 2, 2]: kernel 2 and stride 0 must be positive",
    zeros(&[1, 2]).max_pool1d(Pool1dArgs::new(1)) => "max_pool1d: x [1, 2] needs three axes",
    zeros(&[1, 1, 2]).avg_pool1d(Pool1dArgs { padding: 2, ..Pool1dArgs::new(3) }) => "avg_pool1d: axis 2 of [1, 1, 2]: padding 2 is more than half of kernel 3",
    zeros(&[1, 1, 2, 2]).max_pool3d(Pool3dArgs::new(1)) => "max_pool3d: x [1, 1, 2, 2] needs five axes",
    zeros(&[1, 1, 1, 2, 2]).avg_pool3d(Pool3dArgs::new(2)) => "avg_pool3d: axis 2 of [1, 1, 1, 2, 2]: kernel 2 is larger than the padded input 1",
    zeros(&[1, 1, 0, 2]).max_pool2d_with_indices(Pool2dArgs::new(1)) => "max_pool2d_with_indices: axis 2 of [1, 1, 0, 2]: the axis is empty",
    zeros(&[1, 1, 2, 2]).max_pool2d(Pool2dArgs { padding: [usize::MAX / 2; 2], ..Pool2dArgs::new(usize::MAX) }) => "max_pool2d: axis 2 of [1, 1, 2, 2]: padding 9223372036854775807 of 2 overflows",
    zeros(&[1, 2]).max_pool1d_with_indices(Pool1dArgs::new(1)) => "max_pool1d_with_indices: x [1, 2] needs three axes",
    zeros(&[1, 1, 3]).max_pool1d(Pool1dArgs { stride: 1, padding: 1, dilation: 4, ..Pool1dArgs::new(2) }) => "max_pool1d: axis 2 of [1, 1, 3]: window 0 of kernel 2 with dilation 4 holds nothing but padding",
    zeros(&[1, 1, 3, 3]).max_pool2d(Pool2dArgs { dilation: [1, 2], ..Pool2dArgs::new(3) }) => "max_pool2d: axis 3 of [1, 1, 3, 3]: kernel 3 with dilation 2 is larger than the padded input 3",
    zeros(&[1, 1, 3, 3]).max_pool2d(Pool2dArgs { divisor_override: Some(2), ..Pool2dArgs::new(3) }) => "max_pool2d: a divisor is for means, a maximum has none",
    zeros(&[1, 1, 3, 3]).avg_pool2d(Pool2dArgs { dilation: [1, 2], ..Pool2dArgs::new(2) }) => "avg_pool2d: the dilation [1, 2] is for maxima, a mean has none",
    zeros(&[1, 1, 3, 3]).avg_pool2d(Pool2dArgs { divisor_override: Some(0), ..Pool2dArgs::new(2) }) => "avg_pool2d: the divisor is 0",
    zeros(&[1, 1, 3, 3]).max_pool3d_with_indices(Pool3dArgs::new(1)) => "max_pool3d_with_indices: x [1, 1, 3, 3] needs five axes",
    zeros(&[1, 1, 2]).max_unpool1d(&ids(&[0]), 2) => "max_unpool1d: x [1, 1, 2] and index [1] are not the same three axes",
    zeros(&[1, 1, 1, 2]).max_unpool2d(&ids(&[0, 4]).reshape([1, 1, 1, 2]), [2, 2]) => "max_unpool2d: index 4 at position 1 is not one of the 4 places of [2, 2]",
    zeros(&[1, 1, 1, 1, 1]).max_unpool3d(&ids(&[-1]).reshape([1, 1, 1, 1, 1]), [1, 1, 2]) => "max_unpool3d: index -1 at position 0 is not one of the 2 places of [1, 1, 2]",
    zeros(&[1, 1, 2]).upsample_nearest2d(2) => "upsample_nearest2d: x [1, 1, 2] needs four axes, the scale 2 must not be 0",
    zeros(&[1, 1, 0, 2]).upsample_bilinear2d([2, 2], true) => "upsample_bilinear2d: x [1, 1, 0, 2] is not [n, c, h ≥ 1, w ≥ 1], or the size [2, 2] is empty",
    zeros(&[1, 1, 2]).resize_nearest2d([2, 2]) => "resize_nearest2d: x [1, 1, 2] is not [n, c, h ≥ 1, w ≥ 1], or the size [2, 2] is empty",
    zeros(&[1, 1, 2, 2]).upsample_bicubic2d([0, 2], true) => "upsample_bicubic2d: x [1, 1, 2, 2] is not [n, c, h ≥ 1, w ≥ 1], or the size [0, 2] is empty",
    zeros(&[1, 1, 0, 2]).adaptive_avg_pool2d([1, 1]) => "adaptive_avg_pool2d: [1, 1] windows along axes 2 and 3 of [1, 1, 0, 2]",
    zeros(&[1, 1, 3, 2]).adaptive_max_pool2d([0, 1]) => "adaptive_max_pool2d: [0, 1] windows along axes 2 and 3 of [1, 1, 3, 2]",
    zeros(&[1, 1, 2]).adaptive_max_pool2d([1, 1]) => "adaptive_max_pool2d: x [1, 1, 2] needs four axes",
    zeros(&[1, 1, 2]).adaptive_avg_pool1d(0) => "adaptive_avg_pool1d: [0] windows along axis 2 of [1, 1, 2]",
    zeros(&[1, 2]).adaptive_max_pool1d(1) => "adaptive_max_pool1d: x [1, 2] needs three axes",
    zeros(&[1, 1, 2, 2]).adaptive_avg_pool3d([1; 3]) => "adaptive_avg_pool3d: x [1, 1, 2, 2] needs five axes",
    zeros(&[1, 1, 2, 0, 2]).adaptive_max_pool3d([1; 3]) => "adaptive_max_pool3d: [1, 1, 1] windows along axes 2 to 4 of [1, 1, 2, 0, 2]",
    zeros(&[2, 3]).layer_norm(Some(&zeros(&[2])), None, 1e-5) => "layer_norm: the weight has shape [2], expected [3]",
    zeros(&[]).layer_norm(None, None, 1e-5) => "layer_norm: a tensor of shape [] has no axis",
    zeros(&[2, 3]).rms_norm(Some(&zeros(&[2])), 1e-5) => "rms_norm: the weight has shape [2], expected [3]",
    zeros(&[2]).batch_norm(None, None, 1e-5) => "batch_norm: x [2] needs two axes",
    zeros(&[2, 3]).batch_norm(None, Some(&zeros(&[2])), 1e-5) => "batch_norm: the bias has shape [2], expected [3]",
    zeros(&[2, 3]).weight_norm(&zeros(&[3])) => "weight_norm: lengths [3] for weights [2, 3]",
    zeros(&[2, 3]).spectral_norm(&zeros(&[3]), &zeros(&[2])) => "spectral_norm: vectors [3] and [2] for weights [2, 3]",
    zeros(&[2, 3]).power_iteration(&zeros(&[3]), &zeros(&[2]), 1) => "power_iteration: vectors [3] and [2] for weights [2, 3]",
    zeros(&[2, 3]).cross_entropy(&ids(&[0])) => "cross_entropy: logits [2, 3] and targets [1] differ",
    zeros(&[2, 3]).cross_entropy(&ids(&[0, 3])) => "cross_entropy: target 3 of row 1 is not one of the 3 classes",
    zeros(&[3]).cross_entropy_each(&ids(&[0])) => "cross_entropy_each: logits [3] are not [n, classes]",
    zeros(&[2]).bce_with_logits(&zeros(&[3])) => "bce_with_logits: logits [2] and targets [3] do not broadcast",
};

fn leaf(shape: &[usize]) -> Tensor<f32> {
    zeros(shape).requires_grad()
}

const ENGINE: &[Refused] = refused! {
    Tensor::from_vec(vec![1.0f32; 3], [2]) => "from_vec: shape [2] holds 2 elements, the data has 3",
    Tensor::from_slice(&[1.0f32; 3], [2]) => "from_slice: shape [2] holds 2 elements, the data has 3",
    Tensor::full([usize::MAX, 2], 1.0f32) => "full: shape [18446744073709551615, 2] holds more elements than memory can address",
    zeros(&[2]).item() => "item: a tensor of shape [2] has 2 elements, not 1",
    zeros(&[2]).dim(1) => "dim: axis 1 of a tensor of shape [2], which has 1 axes",
    leaf(&[2]).exp().make_mut()[0] => "make_mut: the tensor has a history; detach it first",
    zeros(&[2]).as_leaf_of(&leaf(&[3])) => "as_leaf_of: shapes differ: [2] and [3]",
    leaf(&[2]).exp().backward() => "backward: the loss has shape [2], not one element; reduce it first",
    zeros(&[]).backward() => "backward: the loss is not tracked: no input requires a gradient, or it was made in no_grad",
    leaf(&[2]).backward_for(&[]) => "backward_for: the loss has shape [2], not one element; reduce it first",
    grad(&leaf(&[2]), [&leaf(&[2])], CreateGraph::No) => "grad: the loss has shape [2], not one element; reduce it first",
    grad(&leaf(&[2]).sum(), [&leaf(&[3])], CreateGraph::No) => "grad: the output does not depend on input 0, of shape [3]",
    grad(&leaf(&[2]).sum(), [&zeros(&[3])], CreateGraph::No) => "grad: input 0, of shape [3], is not tracked; call requires_grad() first",
    grad_with(&leaf(&[2]), &[], &zeros(&[3]), CreateGraph::No) => "grad_with: y has shape [2], v [3]",
    {
        let x = leaf(&[2]);
        let h = x.exp();
        let (a, b) = (h.sum(), h.sum());
        a.backward();
        b.backward()
    } => "exp: graph already freed: an earlier backward() consumed it; use grad() to keep it",
    {
        let shared = checkpoint(|x| x[0].exp(), &[&leaf(&[2])]);
        let (a, b) = (shared.sum(), shared.sum());
        a.backward();
        b.backward()
    } => "checkpoint: graph already freed: an earlier backward() consumed it; use grad() to keep it",
};

fn all() -> impl Iterator<Item = &'static Refused> {
    [ELEMENTWISE, REDUCTIONS, MOVEMENT, PRODUCTS, IMAGES_NORMS_LOSSES, ENGINE].into_iter().flatten()
}

#[test]
fn what_is_refused_is_named() {
    let mut wrong = Vec::new();
    for (call, wanted) in all() {
        match catch_unwind(call) {
            Ok(()) => wrong.push(format!("not refused: {wanted}")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let said = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
                if said != *wanted {
                    wrong.push(format!("wanted {wanted}\n  said {said}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_operation_that_can_be_refused_stands_in_the_table() {
    let named = |name: &str| all().any(|(_, message)| message.split(':').next() == Some(name));
    let missing: Vec<String> =
        functions().into_iter().filter(|f| f.can_panic && !named(&f.name)).map(|f| f.name).collect();
    assert!(missing.is_empty(), "without a message in the table: {missing:?}");
}
