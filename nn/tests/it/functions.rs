//! Losses and operations without parameters of their own against PyTorch: values and gradients of every input.
//!
//! `tests/golden/functions.py` wrote the file in f64: the tolerance is 10⁻¹⁰ of the largest element in f64, 10⁻⁵ in f32.

use std::collections::BTreeSet;

use etude_autograd::{Conv1dArgs, Float, Mask, PadMode, Tensor};
use etude_nn::{linalg, loss};

use crate::golden::{Golden, Tally, Values};

/// A function of the case's inputs, in the order of their names, and of its indices.
type Function<T> = fn(&[Tensor<T>], &[Tensor<i64>]) -> Tensor<T>;

/// One expression, in both precisions.
struct Case {
    name: &'static str,
    single: Function<f32>,
    double: Function<f64>,
}

macro_rules! cases {
    ($(($name:literal, |$x:pat_param, $ids:pat_param| $body:expr)),* $(,)?) => {
        &[$(Case { name: $name, single: |$x, $ids| $body, double: |$x, $ids| $body }),*]
    };
}

const CASES: &[Case] = cases![
    ("cross_entropy_with", |x, ids| {
        let weight = Some(Tensor::from_slice(&[0.5, 1.0, 1.5, 2.0], [4]));
        let options = loss::CrossEntropy { smoothing: 0.1, ignore: Some(-100), weight };
        loss::cross_entropy_with(&x[0], &ids[0], &options)
    }),
    ("nll", |x, ids| loss::nll(&x[0], &ids[0])),
    ("bce_with_logits_weighted", |x, _| {
        loss::bce_with_logits_weighted(&x[0], &x[1], &Tensor::from_slice(&[0.5, 2.0, 3.0], [3]))
    }),
    ("multilabel_soft_margin", |x, _| loss::multilabel_soft_margin(&x[0], &x[1])),
    ("kl_div", |x, _| loss::kl_div(&x[1], &x[0])),
    ("smooth_l1", |x, _| loss::smooth_l1(&x[0], &x[1], 0.7)),
    ("poisson_nll", |x, _| loss::poisson_nll(&x[0], &x[1])),
    ("hinge_embedding", |x, _| loss::hinge_embedding(&x[0], &signs(), 0.8)),
    ("margin_ranking", |x, _| loss::margin_ranking(&x[0], &x[1], &signs(), 0.3)),
    ("multi_margin", |x, ids| loss::multi_margin(&x[0], &ids[0], 0.6)),
    ("cosine_similarity", |x, _| loss::cosine_similarity(&x[0], &x[1], 1)),
    ("cosine_embedding", |x, _| loss::cosine_embedding(&x[0], &x[1], &signs(), 0.1)),
    ("triplet_margin", |x, _| loss::triplet_margin(&x[0], &x[2], &x[1], 0.5)),
    ("multilabel_margin", |x, ids| {
        let right = ids[0].to_vec().chunks(4).flat_map(listed).collect::<Vec<bool>>();
        loss::multilabel_margin(&x[0], &Tensor::from_vec(right, [4, 4]))
    }),
    ("triplet_margin_swap", |x, _| loss::triplet_margin_swap(&x[0], &x[2], &x[1], 0.5)),
    ("ctc", |x, ids| loss::ctc(&x[0].log_softmax(2), &ids[0], &[7, 6, 5], &[3, 2, 0], 0)),
    ("relu6", |x, _| x[0].relu6()),
    ("hardtanh", |x, _| x[0].hardtanh(-0.5, 1.5)),
    ("hardsigmoid", |x, _| x[0].hardsigmoid()),
    ("hardswish", |x, _| x[0].hardswish()),
    ("mish", |x, _| x[0].mish()),
    ("selu", |x, _| x[0].selu()),
    ("celu", |x, _| x[0].celu(0.7)),
    ("softsign", |x, _| x[0].softsign()),
    ("tanhshrink", |x, _| x[0].tanhshrink()),
    ("softshrink", |x, _| x[0].softshrink(0.5)),
    ("hardshrink", |x, _| x[0].hardshrink(0.5)),
    ("log_sigmoid", |x, _| x[0].log_sigmoid()),
    ("softmin", |x, _| x[0].softmin(1)),
    ("glu", |x, _| x[0].glu(1)),
    ("tan", |x, _| x[0].tan()),
    ("atan", |x, _| x[0].atan()),
    ("sinh", |x, _| x[0].sinh()),
    ("cosh", |x, _| x[0].cosh()),
    ("exp_m1", |x, _| x[0].exp_m1()),
    ("sign", |x, _| x[0].sign()),
    ("floor", |x, _| x[0].floor()),
    ("ceil", |x, _| x[0].ceil()),
    ("round", |x, _| x[0].round()),
    ("log2", |x, _| x[0].log2()),
    ("log10", |x, _| x[0].log10()),
    ("prod", |x, _| x[0].prod(1)),
    ("cumprod", |x, _| x[0].cumprod(1)),
    ("std", |x, _| x[0].std_dims([1])),
    ("norm_l1", |x, _| x[0].norm_lp(1.0, 1)),
    ("norm_l3", |x, _| x[0].norm_lp(3.0, 1)),
    ("norm_max", |x, _| x[0].norm_lp(f64::INFINITY, 1)),
    ("sort", |x, _| x[0].sort(1, true).0),
    ("topk", |x, _| x[0].topk(3, 1).0),
    ("tril", |x, _| x[0].tril(1)),
    ("triu", |x, _| x[0].triu(1)),
    ("roll", |x, _| x[0].roll(1, 2)),
    ("diagonal", |x, _| x[0].diagonal(0, 1)),
    ("prelu", |x, _| x[1].prelu(&x[0])),
    ("pow", |x, _| x[0].pow(&x[1])),
    ("atan2", |x, _| x[1].atan2(&x[0])),
    ("einsum", |x, _| Tensor::einsum("bij,jk,bk->ib", &[&x[0], &x[1], &x[2]])),
    ("adaptive_avg_pool2d_3x4", |x, _| x[0].adaptive_avg_pool2d([3, 4])),
    ("adaptive_avg_pool2d_7x9", |x, _| x[0].adaptive_avg_pool2d([7, 9])),
    ("adaptive_max_pool2d_3x4", |x, _| x[0].adaptive_max_pool2d([3, 4])),
    ("adaptive_max_pool2d_7x9", |x, _| x[0].adaptive_max_pool2d([7, 9])),
    ("upsample_bilinear_centres_3x4", |x, _| x[0].upsample_bilinear2d([3, 4], false)),
    ("upsample_bilinear_centres_7x9", |x, _| x[0].upsample_bilinear2d([7, 9], false)),
    ("upsample_bilinear_corners_3x4", |x, _| x[0].upsample_bilinear2d([3, 4], true)),
    ("upsample_bilinear_corners_7x9", |x, _| x[0].upsample_bilinear2d([7, 9], true)),
    ("upsample_bicubic_centres_3x4", |x, _| x[0].upsample_bicubic2d([3, 4], false)),
    ("upsample_bicubic_centres_7x9", |x, _| x[0].upsample_bicubic2d([7, 9], false)),
    ("upsample_bicubic_corners_3x4", |x, _| x[0].upsample_bicubic2d([3, 4], true)),
    ("upsample_bicubic_corners_7x9", |x, _| x[0].upsample_bicubic2d([7, 9], true)),
    ("pixel_shuffle", |x, _| x[0].pixel_shuffle(2)),
    ("pixel_unshuffle", |x, _| x[0].pixel_unshuffle(2)),
    ("pad_reflect", |x, _| x[0].pad2d_mode([1, 2, 3, 0], PadMode::Reflect)),
    ("pad_replicate", |x, _| x[0].pad2d_mode([1, 2, 3, 0], PadMode::Replicate)),
    ("pad_circular", |x, _| x[0].pad2d_mode([1, 2, 3, 0], PadMode::Circular)),
    ("conv1d", |x, _| {
        let args = Conv1dArgs { stride: 2, padding: 2, dilation: 2, groups: 2 };
        x[2].conv1d(&x[1], Some(&x[0]), args)
    }),
    ("conv_transpose1d", |x, _| {
        let args = Conv1dArgs { groups: 2, ..Conv1dArgs::new(2, 1) };
        x[2].conv_transpose1d(&x[1], Some(&x[0]), args, 1)
    }),
    // Their inputs come in the order of their names: k, q, v.
    ("attention_width_3", |x, _| x[1].scaled_dot_product_attention(&x[0], &x[2], Mask::causal(), None)),
    ("attention_width_7", |x, _| x[1].scaled_dot_product_attention(&x[0], &x[2], Mask::causal(), None)),
    ("weight_norm", |x, _| x[1].weight_norm(&x[0])),
    ("inverse", |x, _| linalg::inverse(&x[0]).expect("regular")),
    ("solve", |x, _| linalg::solve(&x[0], &x[1]).expect("regular")),
    ("log_det", |x, _| linalg::log_det(&x[0]).expect("regular")),
    ("cholesky", |x, _| { linalg::cholesky(&(x[0].matmul(&x[0].t()) + Tensor::eye(4))).expect("positive definite") }),
    ("cross_entropy", |x, ids| loss::cross_entropy(&x[0], &ids[0])),
    ("cross_entropy_smooth", |x, ids| loss::cross_entropy_smooth(&x[0], &ids[0], 0.1)),
    ("bce_with_logits", |x, _| loss::bce_with_logits(&x[0], &x[1])),
    ("mse", |x, _| loss::mse(&x[0], &x[1])),
    ("l1", |x, _| loss::l1(&x[0], &x[1])),
    ("huber", |x, _| loss::huber(&x[0], &x[1], 0.7)),
    ("gaussian_nll", |x, _| loss::gaussian_nll(&x[0], &x[1], &x[2])),
    ("kl_std_normal", |x, _| loss::kl_std_normal(&x[1], &x[0])),
    ("hinge", |x, _| loss::hinge(&x[0], &Tensor::from_slice(&[1i64, -1, 1, 1, -1, -1], [6]).to_float())),
    ("spectral_norm", |x, _| x[2].spectral_norm(&x[0], &x[1])),
];

fn signs<T: Float>() -> Tensor<T> {
    Tensor::from_slice(&[1i64, -1, 1, -1, -1], [5]).to_float()
}

/// The mask of the classes that a row lists before its first −1.
fn listed(row: &[i64]) -> [bool; 4] {
    let count = row.iter().position(|&class| class < 0).unwrap_or(row.len());
    std::array::from_fn(|class| row[..count].contains(&(class as i64)))
}

/// The names of all cases.
pub fn cases() -> BTreeSet<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

fn compare<T: Float>(
    file: &Golden,
    tally: &mut Tally,
    name: &str,
    function: Function<T>,
    read: fn(Values) -> Tensor<T>,
) {
    tally.case();
    let prefix = format!("{name}/in/");
    let (mut inputs, mut ids, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for input in file.keys(&prefix) {
        let key = format!("{prefix}{input}");
        if file.is_float(&key) {
            inputs.push(read(file.values(&key)).requires_grad());
            leaves.push(input);
        } else {
            ids.push(file.ids(&key));
        }
    }
    let wide = |x: &Tensor<T>| -> Vec<f64> { x.to_vec().into_iter().map(T::to_f64).collect() };
    let y = function(&inputs, &ids);
    tally.compare(name, y.shape(), &wide(&y), &file.values(&format!("{name}/out")));
    let grads = (y * read(file.values(&format!("{name}/v")))).sum().backward();
    for (leaf, x) in leaves.iter().zip(&inputs) {
        let key = format!("{name}/din/{leaf}");
        match grads.get(x) {
            // Constants there have no gradient, or zeros here.
            _ if file.keys(&key).next().is_none() => {}
            Some(g) => tally.compare(&key, g.shape(), &wide(g), &file.values(&key)),
            None => tally.fail(format!("{key} is not computed here")),
        }
    }
}

#[test]
fn golden_functions_in_single_precision() {
    let (file, mut tally) = (Golden::new(FILE), Tally::new("functions in f32", 1e-5));
    let narrow = |values: Values| Tensor::from_vec(values.data.into_iter().map(|x| x as f32).collect(), values.shape);
    CASES.iter().for_each(|case| compare(&file, &mut tally, case.name, case.single, narrow));
    tally.finish(&file.cases());
}

#[test]
fn golden_functions_in_double_precision() {
    let (file, mut tally) = (Golden::new(FILE), Tally::new("functions in f64", 1e-10));
    let same = |values: Values| Tensor::from_vec(values.data, values.shape);
    CASES.iter().for_each(|case| compare(&file, &mut tally, case.name, case.double, same));
    tally.finish(&file.cases());
}

const FILE: &[u8] = include_bytes!("../golden/functions.safetensors");
