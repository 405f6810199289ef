//! The simple recurrent layer over a whole sequence.

use crate::dtype::Float;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// A recurrent layer over a sequence, h ← f(p + h·w_hhᵀ), given the input projections p = x·w_ihᵀ + b_ih + b_hh as
    /// `[seq, batch, hidden]` and `w_hh` as `[hidden, hidden]`: `x.rnn_scan(&w_hh, &h0, Tensor::tanh)`. Returns the states
    /// of all steps. Elman 1990.
    ///
    /// Step by step, from other operations: with one gate there is little to fuse beside the product.
    ///
    /// # Panics
    /// If a shape does not fit, or there is no step.
    #[track_caller]
    pub fn rnn_scan(&self, w_hh: &Tensor<T>, h0: &Tensor<T>, f: impl Fn(&Tensor<T>) -> Tensor<T>) -> Self {
        let (x, w, s) = (self.shape(), w_hh.shape(), h0.shape());
        assert!(x.len() == 3 && x[0] > 0, "rnn_scan: projections {x:?} are not [seq, batch, hidden] with a step");
        assert!(w == [x[2], x[2]], "rnn_scan: projections {x:?} and w_hh {w:?} differ");
        assert!(s == [x[1], x[2]], "rnn_scan: the state has shape {s:?}, projections {x:?} ask for {:?}", &x[1..]);
        let mut h = h0.clone();
        let step = |t| {
            h = f(&(self.select(0, t) + h.linear(w_hh, None)));
            h.clone()
        };
        let states: Vec<Tensor<T>> = (0..x[0]).map(step).collect();
        Tensor::stack(&states.iter().collect::<Vec<_>>(), 0)
    }
}
