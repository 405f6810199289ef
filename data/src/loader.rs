//! Mini-batches over tensors: in order or shuffled, one epoch or endlessly, stopped and resumed.
//!
//! The order of epoch `e` is a shuffle by stream `e` of one seed, so it depends on nothing but (seed, e): a [`Cursor`] is a few
//! numbers, and resuming gives the same batches as never having stopped.
//! Invariant: within an epoch every sample comes exactly once (but for a last short batch under `drop_last`).

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;

use crate::error::{DataError, Result};
use crate::images::{Digits, Emoji, ImageSet};

/// Something with samples that can be drawn by number: a tensor (its first axis), a pair or triple of them, a data set.
pub trait Samples {
    /// What some samples together are.
    type Batch;

    /// Number of samples.
    fn samples(&self) -> usize;

    /// The samples with these numbers, in this order; the numbers are below `samples()`.
    fn batch(&self, numbers: &Tensor<i64>) -> Self::Batch;

    /// Batches of `size` samples, the last of which may be short. Panics if `size` is 0.
    #[track_caller]
    fn batches(&self, size: usize) -> Batches<Self>
    where
        Self: Sized + Clone,
    {
        Batches::new(self.clone(), size)
    }
}

macro_rules! rows {
    ($($element:ty: $select:expr),*) => {$(
        /// The samples are the rows, along the first axis.
        impl Samples for Tensor<$element> {
            type Batch = Self;

            fn samples(&self) -> usize {
                self.dim(0)
            }

            fn batch(&self, numbers: &Tensor<i64>) -> Self {
                $select(self, numbers)
            }
        }
    )*};
}

rows!(f32: |x: &Self, ids| x.index_select(0, ids), f64: |x: &Self, ids| x.index_select(0, ids), i64: Self::take_rows);

/// Both must have the same number of samples: `samples` panics otherwise.
impl<A: Samples, B: Samples> Samples for (A, B) {
    type Batch = (A::Batch, B::Batch);

    #[track_caller]
    fn samples(&self) -> usize {
        let (a, b) = (self.0.samples(), self.1.samples());
        assert_eq!(a, b, "samples: the parts have {a} and {b} samples");
        a
    }

    fn batch(&self, numbers: &Tensor<i64>) -> Self::Batch {
        (self.0.batch(numbers), self.1.batch(numbers))
    }
}

/// All must have the same number of samples: `samples` panics otherwise.
impl<A: Samples, B: Samples, C: Samples> Samples for (A, B, C) {
    type Batch = (A::Batch, B::Batch, C::Batch);

    #[track_caller]
    fn samples(&self) -> usize {
        let (a, b, c) = (self.0.samples(), self.1.samples(), self.2.samples());
        assert!(a == b && b == c, "samples: the parts have {a}, {b} and {c} samples");
        a
    }

    fn batch(&self, numbers: &Tensor<i64>) -> Self::Batch {
        (self.0.batch(numbers), self.1.batch(numbers), self.2.batch(numbers))
    }
}

macro_rules! labelled {
    ($($set:ty: $field:ident),*) => {$(
        /// A batch is the pictures and their labels.
        impl Samples for $set {
            type Batch = (Tensor, Tensor<i64>);

            fn samples(&self) -> usize {
                self.labels.samples()
            }

            fn batch(&self, numbers: &Tensor<i64>) -> Self::Batch {
                (self.$field.batch(numbers), self.labels.batch(numbers))
            }
        }
    )*};
}

labelled!(ImageSet: images, Emoji: images, Digits: pixels);

/// Where a loader stands; saved in a checkpoint and given to [`Batches::resume`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// Seed of the order, `None` in sequence.
    pub seed: Option<u64>,
    /// Epochs completed before this one.
    pub epoch: u64,
    /// Samples of this epoch already given.
    pub position: usize,
    /// Samples of the data set, for checking.
    pub samples: usize,
    /// Samples a batch, for checking.
    pub size: usize,
    /// Whether a short last batch is left out, for checking.
    pub drop_last: bool,
}

/// An owned iterator over mini-batches; made by [`Samples::batches`].
///
/// It ends with the epoch. [`Batches::next_epoch`] starts another, [`Batches::endless`] does so by itself.
#[derive(Clone, Debug)]
pub struct Batches<S> {
    data: S,
    cursor: Cursor,
    endless: bool,
    /// Sample numbers of this epoch.
    order: Vec<i64>,
}

impl<S: Samples> Batches<S> {
    #[track_caller]
    fn new(data: S, size: usize) -> Self {
        assert!(size > 0, "batches: a batch has at least one sample");
        let samples = data.samples();
        let cursor = Cursor { seed: None, epoch: 0, position: 0, samples, size, drop_last: false };
        Self { data, order: order(&cursor), cursor, endless: false }
    }

    /// Shuffles every epoch anew, by a seed drawn from `rng`.
    pub fn shuffled(mut self, rng: &mut impl AsMut<Rng>) -> Self {
        self.cursor.seed = Some(rng.as_mut().next_u64());
        self.order = order(&self.cursor);
        self
    }

    /// Leaves out a last batch of fewer samples.
    pub fn drop_last(mut self) -> Self {
        self.cursor.drop_last = true;
        self
    }

    /// Goes on with the next epoch where one ends. (Without any batch in an epoch the iterator still ends.)
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self
    }

    /// Starts the next epoch, whether or not this one is finished.
    pub fn next_epoch(&mut self) {
        self.cursor.epoch += 1;
        self.cursor.position = 0;
        self.order = order(&self.cursor);
    }

    /// Batches in a whole epoch.
    pub fn batches_an_epoch(&self) -> usize {
        let Cursor { samples, size, drop_last, .. } = self.cursor;
        if drop_last { samples / size } else { samples.div_ceil(size) }
    }

    /// Where this iterator stands.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Goes to where another iterator over the same data stood. An error leaves this one where it is.
    pub fn resume(&mut self, cursor: &Cursor) -> Result<()> {
        let shape = |c: &Cursor| (c.samples, c.size, c.drop_last);
        if shape(cursor) != shape(&self.cursor) {
            let describe =
                |c: &Cursor| format!("{} samples in batches of {}, drop_last {}", c.samples, c.size, c.drop_last);
            return Err(DataError::argument("cursor", describe(&self.cursor), describe(cursor)));
        }
        if cursor.position > cursor.samples {
            return Err(DataError::argument("cursor position", format!("at most {}", cursor.samples), cursor.position));
        }
        // Whoever counts on from 2⁶⁴ − 1 overflows.
        if i64::try_from(cursor.epoch).is_err() {
            return Err(DataError::argument("cursor epoch", "a count below 2⁶³", cursor.epoch));
        }
        self.cursor = *cursor;
        self.order = order(&self.cursor);
        Ok(())
    }

    /// Samples of the next batch of this epoch, 0 at its end.
    fn due(&self) -> usize {
        let left = self.cursor.samples - self.cursor.position;
        if self.cursor.drop_last && left < self.cursor.size { 0 } else { left.min(self.cursor.size) }
    }
}

impl<S: Samples> Iterator for Batches<S> {
    type Item = S::Batch;

    fn next(&mut self) -> Option<S::Batch> {
        if self.due() == 0 && self.endless && self.batches_an_epoch() > 0 {
            self.next_epoch();
        }
        let due = self.due();
        if due == 0 {
            return None;
        }
        let numbers = &self.order[self.cursor.position..][..due];
        let batch = self.data.batch(&Tensor::from_slice(numbers, [due]));
        self.cursor.position += due;
        Some(batch)
    }
}

/// The sample numbers of the cursor's epoch.
fn order(cursor: &Cursor) -> Vec<i64> {
    let mut order: Vec<i64> = (0..cursor.samples as i64).collect();
    if let Some(seed) = cursor.seed {
        Rng::with_stream(seed, cursor.epoch).shuffle(&mut order);
    }
    order
}
