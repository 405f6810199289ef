//! Losses and operations without parameters of their own against PyTorch: values and gradients of every input.
//!
//! `tests/golden/functions.py` wrote the file from f64 computations; the tolerance is 10⁻⁵ of the largest element.

use etude_autograd::{Conv1dArgs, PadMode, Tensor};
use etude_nn::{linalg, loss};
use safetensors::{Dtype, SafeTensors};

/// A function of the case's inputs, in the order of their names, and of its indices.
type Function = fn(&[Tensor], &[Tensor<i64>]) -> Tensor;

const CASES: &[(&str, Function)] = &[
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
    ("weight_norm", |x, _| x[1].weight_norm(&x[0])),
    ("inverse", |x, _| linalg::inverse(&x[0]).expect("regular")),
    ("solve", |x, _| linalg::solve(&x[0], &x[1]).expect("regular")),
    ("log_det", |x, _| linalg::log_det(&x[0]).expect("regular")),
    ("cholesky", |x, _| {
        linalg::cholesky(&(x[0].matmul(&x[0].t()) + Tensor::<f32>::eye(4))).expect("positive definite")
    }),
];

fn signs() -> Tensor {
    Tensor::from_slice(&[1.0, -1.0, 1.0, -1.0, -1.0], [5])
}

fn floats(file: &SafeTensors<'_>, key: &str) -> Tensor {
    let view = file.tensor(key).unwrap_or_else(|_| panic!("the golden file has no {key}"));
    let values = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Tensor::from_vec(values, view.shape())
}

fn close(what: &str, ours: &Tensor, theirs: &Tensor) -> Result<(), String> {
    if ours.shape() != theirs.shape() {
        return Err(format!("{what}: shape {:?} here, {:?} in PyTorch", ours.shape(), theirs.shape()));
    }
    let (a, b) = (ours.to_vec(), theirs.to_vec());
    let scale = b.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    match (0..a.len()).find(|&i| (a[i] - b[i]).abs() > 1e-5 * scale) {
        Some(i) => Err(format!("{what}: element {i} is {} here, {} in PyTorch", a[i], b[i])),
        None => Ok(()),
    }
}

fn compare(file: &SafeTensors<'_>, name: &str, function: Function) -> Result<(), String> {
    let prefix = format!("{name}/in/");
    let mut names: Vec<&str> = file.names().into_iter().filter_map(|key| key.strip_prefix(&prefix)).collect();
    names.sort_unstable();
    let (mut inputs, mut ids, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for input in names {
        let key = format!("{prefix}{input}");
        let view = file.tensor(&key).expect("the key was listed");
        if view.dtype() == Dtype::I64 {
            let values = view.data().as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect();
            ids.push(Tensor::from_vec(values, view.shape()));
        } else {
            inputs.push(floats(file, &key).requires_grad());
            leaves.push(input);
        }
    }
    let y = function(&inputs, &ids);
    close(name, &y, &floats(file, &format!("{name}/out")))?;
    let grads = (y * floats(file, &format!("{name}/v"))).sum().backward();
    for (leaf, x) in leaves.iter().zip(&inputs) {
        let ours = grads.get(x).ok_or_else(|| format!("{name}: no gradient of {leaf}"))?;
        close(&format!("{name}: the gradient of {leaf}"), ours, &floats(file, &format!("{name}/din/{leaf}")))?;
    }
    Ok(())
}

#[test]
fn functions_are_pytorchs() {
    let file = SafeTensors::deserialize(include_bytes!("../golden/functions.safetensors")).expect("the file is whole");
    let differ: Vec<String> = CASES.iter().filter_map(|(name, f)| compare(&file, name, *f).err()).collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    let outputs = file.names().into_iter().filter(|key| key.ends_with("/out")).count();
    assert_eq!(outputs, CASES.len(), "every case of the file is compared");
}
