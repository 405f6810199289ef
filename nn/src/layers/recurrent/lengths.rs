//! Sequences of different lengths in one batch, padded at their ends.
//!
//! A step behind a sequence's end is made to hold the state: its input projections are replaced by numbers that close and
//! open gates entirely. A sigmoid of ±10⁴ is exactly 0 or 1 and has no derivative, so that neither values nor gradients
//! pass through such a step other than unchanged, and the fused scans need not know of lengths.

use etude_autograd::Tensor;

/// A preactivation after which a gate is open (1) or, negative, closed (0).
pub(super) const OPEN: f32 = 1e4;

/// How long each sequence of a batch is.
pub(super) struct Lengths {
    /// Where a sequence has ended, `[sequence, batch, 1]`.
    ended: Tensor<bool>,
    /// Its last step among all `sequence · batch`, `[batch]`.
    last: Tensor<i64>,
    /// The steps among all `sequence · batch` with those of each sequence backwards, and the padding where it was.
    reversed: Tensor<i64>,
}

impl Lengths {
    /// # Panics
    /// If there is not one length for each sequence, or one is 0 or beyond the last step.
    #[track_caller]
    pub(super) fn new(name: &str, lengths: &[usize], x: &Tensor) -> Self {
        let fits = x.rank() == 3 && x.dim(1) == lengths.len();
        assert!(fits, "{name}: {} lengths for x {:?}, which is not [sequence, batch, …]", lengths.len(), x.shape());
        let (steps, batch) = (x.dim(0), lengths.len());
        if let Some(i) = lengths.iter().position(|n| !(1..=steps).contains(n)) {
            panic!("{name}: sequence {i} has length {}, expected 1 to {steps}", lengths[i]);
        }
        let ended = (0..steps).flat_map(|t| lengths.iter().map(move |&n| t >= n)).collect();
        let last = lengths.iter().enumerate().map(|(i, n)| ((n - 1) * batch + i) as i64).collect();
        let turned = |t: usize, n: usize| if t < n { n - 1 - t } else { t };
        let step = |t: usize| lengths.iter().enumerate().map(move |(i, &n)| (turned(t, n) * batch + i) as i64);
        let reversed = (0..steps).flat_map(step).collect();
        Lengths {
            ended: Tensor::from_vec(ended, [steps, batch, 1]),
            last: Tensor::from_vec(last, [batch]),
            reversed: Tensor::from_vec(reversed, [steps * batch]),
        }
    }

    /// Projections `[sequence, batch, gates·hidden]` with these numbers for the gates of ended sequences.
    pub(super) fn hold<const GATES: usize>(&self, projections: &Tensor, gates: [f32; GATES]) -> Tensor {
        let hidden = projections.dim(2) / GATES;
        let held = gates.iter().flat_map(|&gate| std::iter::repeat_n(gate, hidden)).collect();
        Tensor::where_cond(&self.ended, &Tensor::from_vec(held, [GATES * hidden]), projections)
    }

    /// The last step of each sequence, `[batch, hidden]`.
    pub(super) fn last(&self, y: &Tensor) -> Tensor {
        y.flatten(0..2).index_select(0, &self.last)
    }

    /// Each sequence from its own end to its beginning, the padding still behind it.
    pub(super) fn reverse(&self, y: &Tensor) -> Tensor {
        y.flatten(0..2).index_select(0, &self.reversed).reshape(y.shape())
    }

    /// Zeros behind the end of each sequence.
    pub(super) fn clear(&self, y: &Tensor) -> Tensor {
        y.masked_fill(&self.ended, 0.0)
    }
}
