//! Losses that are fused for stability: they take logits, never probabilities.

use etude_kernels::ew::Binary;
use etude_kernels::softmax as kernel;

use crate::alloc;
use crate::dtype::Float;
use crate::layout::broadcast_shapes;
use crate::node::{Op, Vjp};
use crate::tensor::Tensor;

/// −ln softmax(x)[target] of each row.
struct CrossEntropy {
    targets: Tensor<i64>,
}

impl<T: Float> Op<T> for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let x = cx.input(0);
        let mut out = alloc::scratch(x.len());
        let (rows, n) = (x.shape()[0], x.shape()[1]);
        kernel::cross_entropy_grad(&x.data(), &self.targets.data(), &g.data(), rows, n, &mut out);
        vec![Some(Tensor::from_buf(out, x.shape()))]
    }
    fn composite(&self, inputs: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(cross_entropy_composite(&inputs[0], &self.targets))
    }
}

/// −ln softmax(x)[target] from elementary operations.
pub(crate) fn cross_entropy_composite<T: Float>(x: &Tensor<T>, targets: &Tensor<i64>) -> Tensor<T> {
    -x.log_softmax(1).gather(1, &targets.unsqueeze(1)).squeeze(1)
}

impl<T: Float> Tensor<T> {
    /// `−ln softmax(x)[target]` of each row of `[n, classes]`, without overflow: `[n]`.
    ///
    /// # Panics
    /// If there are not two axes, the number of targets differs, or one is not a class.
    #[track_caller]
    pub fn cross_entropy_each(&self, targets: &Tensor<i64>) -> Self {
        self.cross_entropy_rows("cross_entropy_each", targets)
    }

    #[track_caller]
    fn cross_entropy_rows(&self, op: &str, targets: &Tensor<i64>) -> Self {
        let x = self.shape();
        assert!(x.len() == 2, "{op}: logits {x:?} are not [n, classes]");
        assert!(targets.shape() == [x[0]], "{op}: logits {x:?} and targets {:?} differ", targets.shape());
        let ids = targets.data();
        if let Some(row) = ids.iter().position(|&t| t < 0 || t >= x[1] as i64) {
            panic!("{op}: target {} of row {row} is not one of the {} classes", ids[row], x[1]);
        }
        let mut out = alloc::scratch(x[0]);
        kernel::cross_entropy(&self.data(), &ids, x[0], x[1], &mut out);
        let op = CrossEntropy { targets: targets.clone() };
        Tensor::record(op, &[self], Tensor::from_buf(out, &[x[0]]))
    }

    /// The mean of [`Tensor::cross_entropy_each`].
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn cross_entropy(&self, targets: &Tensor<i64>) -> Self {
        self.cross_entropy_rows("cross_entropy", targets).mean()
    }

    /// −y·ln σ(x) − (1 − y)·ln(1 − σ(x)) of each element, finite for every finite x, and for targets in [0, 1] as exact
    /// relative to a small loss as to a large one.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn bce_with_logits(&self, y: &Tensor<T>) -> Self {
        let fits = broadcast_shapes(self.shape(), y.shape()).is_some();
        assert!(fits, "bce_with_logits: logits {:?} and targets {:?} do not broadcast", self.shape(), y.shape());
        self.binary(Binary::BceWithLogits, y)
    }
}
