//! Batches for language models: windows of ids `x` and the ids `y` that follow each of them.
//!
//! Everywhere `y[b, t]` is the id after `x[b, t]` in the text. Three ways to cut:
//! [`RandomWindows`] to train a model without state, [`Streams`] for truncated back-propagation through time (Williams and
//! Peng 1990), where the state is carried from window to window, and [`Scored`] to measure bits per character once per character.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;

use crate::error::{DataError, Result};

/// `x` and `y`, each `[batch, len]`.
pub type Window = (Tensor<i64>, Tensor<i64>);

fn positive(argument: &'static str, value: usize) -> Result<()> {
    if value == 0 { Err(DataError::argument(argument, "at least 1", 0)) } else { Ok(()) }
}

/// `x` and `y` from windows of `len` ids that begin at `starts`.
fn gather(ids: &[u32], starts: impl ExactSizeIterator<Item = usize> + Clone, len: usize) -> Window {
    let shape = [starts.len(), len];
    let cut = |shift: usize| {
        let rows = starts.clone().flat_map(|start| &ids[start + shift..][..len]);
        Tensor::from_vec(rows.map(|&id| i64::from(id)).collect(), shape)
    };
    (cut(0), cut(1))
}

/// Endless windows at uniform random places.
#[derive(Clone, Debug)]
pub struct RandomWindows {
    ids: Vec<u32>,
    batch: usize,
    len: usize,
    seed: u64,
    step: u64,
}

impl RandomWindows {
    /// Windows of `len` ids, `batch` at a time, by a seed drawn from `rng`. An error if the text has not `len + 1` ids.
    pub fn new(ids: &[u32], batch: usize, len: usize, rng: &mut impl AsMut<Rng>) -> Result<Self> {
        positive("batch", batch)?;
        positive("len", len)?;
        if ids.len() <= len {
            return Err(DataError::argument("ids", format!("more than {len}, the length of a window"), ids.len()));
        }
        Ok(Self { ids: ids.to_vec(), batch, len, seed: rng.as_mut().next_u64(), step: 0 })
    }

    /// Seed and number of windows given so far; for a checkpoint.
    pub fn cursor(&self) -> (u64, u64) {
        (self.seed, self.step)
    }

    /// Goes to where another iterator over the same text stood. An error if the step is no count: nothing changes then.
    pub fn resume(&mut self, &(seed, step): &(u64, u64)) -> Result<()> {
        // No run comes near it, and whoever counts on from 2⁶⁴ − 1 would overflow.
        if i64::try_from(step).is_err() {
            return Err(DataError::argument("cursor step", "a count below 2⁶³", step));
        }
        (self.seed, self.step) = (seed, step);
        Ok(())
    }
}

impl Iterator for RandomWindows {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        // A stream for each step: the places depend on (seed, step) only, which makes the cursor two numbers.
        let mut rng = Rng::with_stream(self.seed, self.step);
        self.step += 1;
        let starts: Vec<usize> = (0..self.batch).map(|_| rng.below(self.ids.len() - self.len)).collect();
        Some(gather(&self.ids, starts.into_iter(), self.len))
    }
}

/// One pass over the text in `batch` contiguous streams: row `b` of a window goes on in row `b` of the next.
///
/// The text is cut into `batch` parts of equal length; fewer than `batch` ids at the end of the text are not used. The last window
/// may be shorter than `len`.
#[derive(Clone, Debug)]
pub struct Streams {
    ids: Vec<u32>,
    batch: usize,
    len: usize,
    position: usize,
}

impl Streams {
    /// Windows of `len` ids from `batch` streams. An error if the text has not `batch + 1` ids.
    pub fn new(ids: &[u32], batch: usize, len: usize) -> Result<Self> {
        positive("batch", batch)?;
        positive("len", len)?;
        if ids.len() <= batch {
            return Err(DataError::argument("ids", format!("more than {batch}, the number of streams"), ids.len()));
        }
        Ok(Self { ids: ids.to_vec(), batch, len, position: 0 })
    }

    /// Ids that each stream predicts in one pass.
    pub fn stream_len(&self) -> usize {
        (self.ids.len() - 1) / self.batch
    }

    /// Windows in one pass.
    pub fn windows(&self) -> usize {
        self.stream_len().div_ceil(self.len)
    }

    /// Ids of each stream given so far; for a checkpoint.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Goes to a position of this or another iterator over the same text; 0 starts again (and the model's state must be reset).
    pub fn seek(&mut self, position: usize) -> Result<()> {
        if position > self.stream_len() {
            return Err(DataError::argument("position", format!("at most {}", self.stream_len()), position));
        }
        self.position = position;
        Ok(())
    }
}

impl Iterator for Streams {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let stream = self.stream_len();
        let len = self.len.min(stream - self.position);
        if len == 0 {
            return None;
        }
        let starts = (0..self.batch).map(|b| b * stream + self.position);
        let window = gather(&self.ids, starts, len);
        self.position += len;
        Some(window)
    }
}

/// A batch of [`Scored`].
#[derive(Clone, Debug)]
pub struct ScoredWindow {
    /// `[batch, len]`
    pub x: Tensor<i64>,
    /// `[batch, len]`
    pub y: Tensor<i64>,
    /// `[batch, len]`, 1 where the prediction of `y` counts and 0 elsewhere.
    pub weight: Tensor,
}

/// Windows that predict every id from `from` to the end exactly once, each with at least half a window before it.
///
/// For models without state: windows overlap by half and only what no earlier window has scored has weight 1. Give the whole
/// text and let `from` be the first held-out id, so that the first one also has its context. [`Scored::bits_each`] sums up.
#[derive(Clone, Debug)]
pub struct Scored {
    ids: Vec<u32>,
    batch: usize,
    len: usize,
    /// The next id to predict.
    next: usize,
}

impl Scored {
    /// Windows of `len` ids, `batch` at a time. An error unless `len ≤ ids.len() - 1` and `len.div_ceil(2) ≤ from`.
    pub fn new(ids: &[u32], from: usize, batch: usize, len: usize) -> Result<Self> {
        positive("batch", batch)?;
        positive("len", len)?;
        if ids.len() <= len {
            return Err(DataError::argument("ids", format!("more than {len}, the length of a window"), ids.len()));
        }
        if from < len.div_ceil(2) || from > ids.len() {
            let expected = format!("{} (half a window) to {}", len.div_ceil(2), ids.len());
            return Err(DataError::argument("from", expected, from));
        }
        Ok(Self { ids: ids.to_vec(), batch, len, next: from })
    }

    /// Start of the window that predicts `next` with half a window before it, and the end of what it predicts.
    ///
    /// The id predicted at offset `t` of a window from `start` is `start + t + 1`, with `t + 1` ids before it.
    fn window(&self, next: usize) -> (usize, usize) {
        let last_start = self.ids.len() - 1 - self.len;
        let start = (next - self.len.div_ceil(2)).min(last_start);
        (start, start + self.len + 1)
    }
}

impl Scored {
    /// The mean surprise in bits at every id from `from` on, by the nats that `nats` gives for each element of `x` and `y`
    /// (`[batch, len]`, as their elements lie).
    ///
    /// # Panics
    /// If it gives another number of them.
    #[track_caller]
    pub fn bits_each(self, mut nats: impl FnMut(&Tensor<i64>, &Tensor<i64>) -> Tensor) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for ScoredWindow { x, y, weight } in self {
            let each = nats(&x, &y).reshape([weight.len()]);
            let weight = weight.flatten_from(0);
            sum += f64::from((each * &weight).sum().item());
            count += f64::from(weight.sum().item());
        }
        sum / count / std::f64::consts::LN_2
    }
}

impl Iterator for Scored {
    type Item = ScoredWindow;

    fn next(&mut self) -> Option<ScoredWindow> {
        let mut starts = Vec::new();
        let mut weight = Vec::new();
        while starts.len() < self.batch && self.next < self.ids.len() {
            let (start, end) = self.window(self.next);
            weight.extend((start + 1..end).map(|id| f32::from(u8::from(id >= self.next))));
            starts.push(start);
            self.next = end;
        }
        if starts.is_empty() {
            return None;
        }
        let weight = Tensor::from_vec(weight, [starts.len(), self.len]);
        let (x, y) = gather(&self.ids, starts.into_iter(), self.len);
        Some(ScoredWindow { x, y, weight })
    }
}
