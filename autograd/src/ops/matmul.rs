//! Matrix products: closed under differentiation, so their rules serve every order.

use etude_kernels::gemm::{self, Accumulate, Mat};

use super::checked;
use crate::alloc;
use crate::dtype::Float;
use crate::layout::{Shape, broadcast_shapes};
use crate::node::{Op, Vjp};
use crate::tensor::Tensor;

/// Products of the last two axes, the others broadcast.
struct MatMul;

impl<T: Float> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    /// The batch axes are.
    fn broadcasts(&self) -> bool {
        true
    }
    fn flops(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        product(output, inputs[0].last())
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        // C = A·B: dA = G·Bᵀ, dB = Aᵀ·G
        vec![cx.when(0, || g.matmul(&cx.input(1).t())), cx.when(1, || cx.input(0).t().matmul(g))]
    }
}

/// 2·k for each element of a product.
fn product(output: &[usize], k: Option<&usize>) -> u64 {
    2 * output.iter().chain(k).map(|&n| n as u64).product::<u64>()
}

/// x·wᵀ + b over the last axis.
struct Linear;

impl<T: Float> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn flops(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        product(output, inputs[0].last())
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let rows = |t: &Tensor<T>| t.reshape([t.shape()[..t.rank() - 1].iter().product(), t.shape()[t.rank() - 1]]);
        let g2 = rows(g);
        let dx = cx.when(0, || g2.matmul(&cx.input(1)).reshape(cx.input_shape(0)));
        let dw = cx.when(1, || g2.t().matmul(&rows(&cx.input(0))));
        let mut grads = vec![dx, dw];
        if cx.has_input(2) {
            grads.push(cx.when(2, || g2.sum_dims([0])));
        }
        grads
    }
}

/// The last two axes of `x` as a matrix whose first element is at `offset`.
fn mat<T: Float>(x: &Tensor<T>, offset: usize) -> Mat<'_, T> {
    let (shape, strides, rank) = (x.shape(), &x.layout().strides, x.rank());
    let all = x.strided().data;
    Mat::new(&all[offset.min(all.len())..], shape[rank - 2], shape[rank - 1], strides[rank - 2], strides[rank - 1])
}

/// Where each matrix of the broadcast batch begins.
fn offsets<T: Float>(x: &Tensor<T>, batch: &[usize]) -> Vec<usize> {
    let rank = x.rank();
    let layout = x.layout();
    let mut wanted = Shape::from_slice(batch);
    wanted.extend_from_slice(&layout.shape[rank - 2..]);
    let layout = layout.broadcast(&wanted).expect("the batch axes were broadcast from both operands");
    let mut out = vec![layout.offset];
    for (&n, &stride) in layout.shape.iter().zip(&layout.strides).take(batch.len()) {
        out = out.iter().flat_map(|&o| (0..n).map(move |i| o + i * stride)).collect();
    }
    out
}

impl<T: Float> Tensor<T> {
    /// The matrix product over the last two axes; the axes before them broadcast. Transposed operands are read in place.
    ///
    /// # Panics
    /// If an operand has fewer than two axes, the inner dimensions differ, or the batch axes do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor<T>) -> Self {
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() >= 2 && b.len() >= 2, "matmul: operands need two axes: {a:?} × {b:?}");
        let (m, k, n) = (a[a.len() - 2], a[a.len() - 1], b[b.len() - 1]);
        let inner = b[b.len() - 2];
        assert!(k == inner, "matmul: inner dimensions differ: {a:?} × {b:?} ({k} ≠ {inner})");
        if b.len() == 2 && a.len() > 2 {
            // One large product instead of many small ones.
            let mut shape = Shape::from_slice(&a[..a.len() - 1]);
            shape.push(n);
            return self.reshape([a[..a.len() - 1].iter().product(), k]).matmul(other).reshape(shape);
        }
        let Some(batch) = broadcast_shapes(&a[..a.len() - 2], &b[..b.len() - 2]) else {
            panic!("matmul: batch axes do not broadcast: {a:?} × {b:?}")
        };
        let mut shape = batch.clone();
        shape.extend_from_slice(&[m, n]);
        let mut out = alloc::scratch(checked("matmul", &shape));
        if batch.is_empty() {
            let (x, y) = (mat(self, self.layout().offset), mat(other, other.layout().offset));
            gemm::matmul(&mut out, x, y, Accumulate::No);
        } else {
            let (x, y) = (offsets(self, &batch), offsets(other, &batch));
            gemm::batched(&mut out, x.len(), &|i| mat(self, x[i]), &|i| mat(other, y[i]), Accumulate::No);
        }
        Tensor::record(MatMul, &[self, other], Tensor::from_buf(out, &shape))
    }

    /// x·wᵀ + b over the last axis, with `w` as `[out, in]` and `b` as `[out]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn linear(&self, w: &Tensor<T>, b: Option<&Tensor<T>>) -> Self {
        let (x, wide) = (self.shape(), w.shape());
        assert!(!x.is_empty() && wide.len() == 2, "linear: x {x:?} needs an axis, w {wide:?} two");
        let (k, n) = (x[x.len() - 1], wide[0]);
        assert!(k == wide[1], "linear: the last axis of x {x:?} differs from w {wide:?} ({k} ≠ {})", wide[1]);
        let mut shape = Shape::from_slice(&x[..x.len() - 1]);
        let m = checked("linear", &shape);
        shape.push(n);
        let mut out = alloc::scratch(checked("linear", &shape));
        if let Some(b) = b {
            assert!(b.shape() == [n], "linear: the bias has shape {:?}, w {wide:?} asks for [{n}]", b.shape());
            let bias = b.data();
            out.chunks_exact_mut(n.max(1)).for_each(|row| row.copy_from_slice(&bias));
        }
        let flat = self.detach().reshape([m, k]);
        let accumulate = if b.is_some() { Accumulate::Yes } else { Accumulate::No };
        gemm::matmul(&mut out, mat(&flat, flat.layout().offset), mat(w, w.layout().offset).t(), accumulate);
        let y = Tensor::from_buf(out, &shape);
        match b {
            Some(b) => Tensor::record(Linear, &[self, w, b], y),
            None => Tensor::record(Linear, &[self, w], y),
        }
    }
}
