//! The op table: every operation with its formula, a sample generator, an independent definition and a tolerance.
//!
//! The table drives the checks of the module `testing`, behind the feature of that name: value, first and second
//! gradient, every instruction set, strided and empty inputs, axes of length 1, NaN, threads, fused against composite. A
//! crate with operations of its own keeps a table like this one and calls the same checker; so can a user.
//!
//! Samples are plain data. A generator is a function from a list of choices to a [`Case`] (the idea of MacIver &
//! Donaldson 2020, *Test-Case Reduction via Test-Case Generation*): smaller choices give smaller cases, so any tool that
//! shrinks lists of numbers shrinks cases, and the table needs no such tool itself.

mod activation;
mod adaptive_pool;
mod attention;
mod contraction;
mod conv3d;
mod elementwise;
mod fused;
mod image;
mod linear;
mod movement;
mod naive;
mod order;
mod pad;
mod plain;
mod pool;
mod recurrent;
mod reduction;
mod scalar;

pub use naive::{Array, broadcast_at, broadcast_shape, indices};

use etude_kernels::rng::Rng;

use crate::tensor::Tensor;

/// An operation as a function of a case and the values of its inputs.
pub type Operation<T> = fn(&Case, &[Tensor<T>]) -> Tensor<T>;

/// One operation.
pub struct Entry {
    /// The name of the method.
    pub name: &'static str,
    /// What it computes.
    pub formula: &'static str,
    /// Draws a case.
    pub sample: fn(&mut Draw<'_>) -> Case,
    /// The operation in f32.
    pub f32: Operation<f32>,
    /// The operation in f64.
    pub f64: Operation<f64>,
    /// An independent, plain definition.
    pub reference: fn(&Case, &[Array]) -> Vec<f64>,
    /// The composite twin, where the operation is fused.
    pub composite: Option<Operation<f64>>,
    /// How exact the f32 kernels are.
    pub tolerance: Tolerance,
    /// Whether a NaN in any input must appear in the output.
    pub propagates_nan: bool,
    /// Whether the output is tied to the inputs; `false` for indices and comparisons, whose derivative is 0 or none.
    pub differentiable: bool,
}

/// The largest allowed error of f32 against f64, in units of the f32 epsilon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// Relative to each element: elementwise functions.
    Each(f64),
    /// Relative to the largest element: sums of products, where single results can cancel.
    Largest(f64),
}

/// Which sizes a generator should draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Axes of 1 to about 5: every element can be looked at.
    Small,
    /// Every axis that the operation lets be is of length 1; tensors without axes too.
    One,
    /// Axes of length 0 among them, where the operation allows it.
    Empty,
    /// Enough elements for every parallel path.
    Large,
}

/// A source of decisions for sample generators.
pub struct Draw<'a> {
    choices: std::iter::Copied<std::slice::Iter<'a, u32>>,
    size: Size,
}

impl<'a> Draw<'a> {
    /// Decisions from a list; zeros, the smallest choice, behind its end.
    pub fn new(choices: &'a [u32], size: Size) -> Self {
        Draw { choices: choices.iter().copied(), size }
    }

    /// A whole number in `low..=high`.
    pub fn int(&mut self, low: usize, high: usize) -> usize {
        low + self.choices.next().unwrap_or(0) as usize % (high - low + 1)
    }

    /// The length of an axis of about 1 to `high`; 0 where empty axes are asked for.
    pub fn dim(&mut self, high: usize) -> usize {
        match self.size {
            Size::Small => self.int(1, high),
            Size::One => 1,
            Size::Empty => self.int(0, high.min(2)),
            Size::Large => self.int(5 * high, 8 * high),
        }
    }

    /// The length of an axis that must not be empty.
    pub fn positive(&mut self, high: usize) -> usize {
        self.dim(high).max(1)
    }

    /// A shape of up to `rank` axes, none among them.
    pub fn shape(&mut self, rank: usize) -> Vec<usize> {
        let (low, high) = if self.size == Size::Large { (3, 3) } else { (0, rank) };
        (0..self.int(low, high)).map(|_| self.dim(5)).collect()
    }

    /// A shape of `low..=high` axes.
    pub fn shape_of_rank(&mut self, low: usize, high: usize) -> Vec<usize> {
        (0..self.int(low, high)).map(|_| self.dim(4)).collect()
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.int(0, 1) == 1
    }

    /// `count` indices below `n`, in a tensor of `shape`.
    pub fn ids(&mut self, shape: &[usize], n: usize) -> Tensor<i64> {
        let count = shape.iter().product();
        let mut rng = Rng::new(self.choices.next().unwrap_or(0).into());
        let ids = (0..count).map(|_| rng.below(n.max(1)) as i64).collect();
        Tensor::from_vec(ids, shape)
    }
}

/// The arguments of one call.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The differentiable inputs.
    pub inputs: Vec<Input>,
    /// Whole-number arguments, as the entry understands them.
    pub ints: Vec<usize>,
    /// Index arguments.
    pub ids: Vec<Tensor<i64>>,
    /// Masks.
    pub masks: Vec<Tensor<bool>>,
    /// Where the values of the inputs come from.
    pub seed: u64,
    /// Whether any two values of the inputs differ by more than the step of a central difference: for operations that
    /// order their inputs, whose derivative jumps at a tie.
    pub apart: bool,
}

/// One input: its shape and the range of its values.
#[derive(Clone, Debug)]
pub struct Input {
    /// The lengths of the axes.
    pub shape: Vec<usize>,
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
    /// Points near which the operation is not smooth; values keep 0.01 away.
    pub kinks: &'static [f64],
}

impl Case {
    /// A case without arguments; the values of its inputs come from the next choice.
    pub fn new(draw: &mut Draw<'_>) -> Self {
        Case { seed: draw.int(0, 1 << 20) as u64, ..Case::default() }
    }

    /// Adds an input with values in [−2, 2].
    pub fn input(self, shape: &[usize]) -> Self {
        self.input_in(shape, -2.0, 2.0, &[])
    }

    /// Adds an input with values in a range, away from `kinks`.
    pub fn input_in(mut self, shape: &[usize], low: f64, high: f64, kinks: &'static [f64]) -> Self {
        self.inputs.push(Input { shape: shape.to_vec(), low, high, kinks });
        self
    }

    /// Adds a whole-number argument.
    pub fn int(mut self, value: usize) -> Self {
        self.ints.push(value);
        self
    }

    /// Adds indices.
    pub fn with_ids(mut self, ids: Tensor<i64>) -> Self {
        self.ids.push(ids);
        self
    }

    /// Keeps the values of all inputs apart, see [`Case::apart`]. Ties have tests of their own.
    pub fn keep_apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// The values of the inputs: numbers that f32 holds exactly, so that both precisions see the same.
    pub fn values(&self) -> Vec<Array> {
        let mut rng = Rng::new(self.seed);
        if self.apart {
            return self.values_apart(&mut rng);
        }
        let value = |rng: &mut Rng, input: &Input| {
            let x = f64::from((input.low + (input.high - input.low) * rng.f64()) as f32);
            let kink = input.kinks.iter().find(|&&k| (x - k).abs() < 0.01);
            kink.map_or(x, |k| k + if x < *k { -0.0625 } else { 0.0625 })
        };
        self.inputs
            .iter()
            .map(|input| {
                let len = input.shape.iter().product();
                Array { shape: input.shape.clone(), data: (0..len).map(|_| value(&mut rng, input)).collect() }
            })
            .collect()
    }

    /// One value from the middle half of each of as many equal parts of the range as there are values, in random order.
    fn values_apart(&self, rng: &mut Rng) -> Vec<Array> {
        let range = |input: &Input| (input.low, input.high);
        let alike = self.inputs.windows(2).all(|pair| range(&pair[0]) == range(&pair[1]));
        assert!(alike && self.inputs.iter().all(|input| input.kinks.is_empty()), "{:?} share no range", self.inputs);
        let total: usize = self.inputs.iter().map(|input| input.shape.iter().product::<usize>()).sum();
        let mut parts: Vec<usize> = (0..total).collect();
        rng.shuffle(&mut parts);
        let mut parts = parts.into_iter();
        let value = |input: &Input, part: usize, u: f64| {
            let share = (part as f64 + 0.25 + 0.5 * u) / total as f64;
            f64::from((input.low + (input.high - input.low) * share) as f32)
        };
        let array = |input: &Input| {
            let parts = parts.by_ref().take(input.shape.iter().product());
            let data = parts.map(|part| value(input, part, rng.f64())).collect();
            Array { shape: input.shape.clone(), data }
        };
        self.inputs.iter().map(array).collect()
    }
}

/// Builds an [`Entry`]: the operation is written once and stamped for both precisions.
///
/// `entry!("tanh", "tanh x", sample, |case, x| x[0].tanh(), |case, x| …f64 definition…)`, then optionally
/// `; composite: |case, x| …` and `, tolerance: …`, `, propagates_nan: false`.
#[macro_export]
macro_rules! entry {
    ($name:expr, $formula:expr, $sample:expr, |$case:ident, $x:ident| $apply:expr, $reference:expr
        $(; composite: |$ccase:ident, $cx:ident| $composite:expr)? $(, $field:ident: $value:expr)* $(,)?) => {{
        #[allow(unused_variables)]
        fn apply<T: $crate::Float>($case: &$crate::table::Case, $x: &[$crate::Tensor<T>]) -> $crate::Tensor<T> {
            $apply
        }
        #[allow(unused_mut, unused_assignments)]
        let mut entry = $crate::table::Entry {
            name: $name,
            formula: $formula,
            sample: $sample,
            f32: apply::<f32>,
            f64: apply::<f64>,
            reference: $reference,
            composite: None,
            tolerance: $crate::table::Tolerance::Each(4.0),
            propagates_nan: true,
            differentiable: true,
        };
        $({
            #[allow(unused_variables)]
            fn composite<T: $crate::Float>($ccase: &$crate::table::Case, $cx: &[$crate::Tensor<T>]) -> $crate::Tensor<T> {
                $composite
            }
            entry.composite = Some(composite::<f64>);
        })?
        $(entry.$field = $value;)*
        entry
    }};
}

/// Every operation of this crate.
pub fn entries() -> Vec<Entry> {
    let groups = [
        elementwise::entries(),
        scalar::entries(),
        activation::entries(),
        reduction::entries(),
        order::entries(),
        plain::entries(),
        movement::entries(),
        linear::entries(),
        contraction::entries(),
        conv3d::entries(),
        pool::entries(),
        adaptive_pool::entries(),
        image::entries(),
        pad::entries(),
        fused::entries(),
        recurrent::entries(),
        attention::entries(),
    ];
    groups.into_iter().flatten().collect()
}
