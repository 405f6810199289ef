//! Softmax and its logarithm along one axis, shifted by the row's maximum.

use etude_kernels::softmax as kernel;

use super::{around, check_axis};
use crate::alloc;
use crate::dtype::Float;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Softmax,
    LogSoftmax,
}

/// Along the last axis.
struct Softmax(Kind);

impl<T: Float> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        match self.0 {
            Kind::Softmax => "softmax",
            Kind::LogSoftmax => "log_softmax",
        }
    }
    fn saves(&self) -> Saves {
        Saves::OUTPUT
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let y = cx.output();
        let last = y.rank() - 1;
        if cx.create_graph() {
            return vec![Some(match self.0 {
                // y ⊙ (g − Σ g·y)
                Kind::Softmax => &y * (g - (g * &y).sum_keep([last])),
                // g − eʸ Σ g
                Kind::LogSoftmax => g - y.exp() * g.sum_keep([last]),
            })];
        }
        let (rows, n, _) = around(y.shape(), last);
        let mut out = alloc::scratch(y.len());
        let grad = if self.0 == Kind::Softmax { kernel::softmax_grad } else { kernel::log_softmax_grad };
        grad(&y.data(), &g.data(), rows, n, &mut out);
        vec![Some(Tensor::from_buf(out, y.shape()))]
    }
}

impl<T: Float> Tensor<T> {
    /// eˣ / Σ eˣ along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Self {
        self.soft(Kind::Softmax, axis)
    }

    /// x − ln Σ eˣ along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Self {
        self.soft(Kind::LogSoftmax, axis)
    }

    #[track_caller]
    fn soft(&self, kind: Kind, axis: usize) -> Self {
        check_axis(if kind == Kind::Softmax { "softmax" } else { "log_softmax" }, axis, self.shape());
        let last = self.rank() - 1;
        if axis != last {
            return self.transpose(axis, last).soft(kind, last).transpose(axis, last);
        }
        let (rows, n, _) = around(self.shape(), last);
        let mut out = alloc::scratch(self.len());
        let forward = if kind == Kind::Softmax { kernel::softmax } else { kernel::log_softmax };
        forward(&self.data(), rows, n, &mut out);
        Tensor::record(Softmax(kind), &[self], Tensor::from_buf(out, self.shape()))
    }
}
