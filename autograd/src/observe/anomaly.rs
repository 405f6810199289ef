//! Where the first NaN was born: the operation, forward or backward, its shapes, its part of the program.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::{ANOMALY, scope, with_flags};
use crate::dtype::Float;
use crate::node::{LeafId, Node, Op};
use crate::tensor::Tensor;

/// What counts as an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// NaN alone: infinities are used on purpose, as in masks.
    Nan,
    /// NaN and ±∞.
    NonFinite,
}

impl Watch {
    fn catches(self, x: f64) -> bool {
        match self {
            Watch::Nan => x.is_nan(),
            Watch::NonFinite => !x.is_finite(),
        }
    }
}

/// Where a value stood when it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// In the result of an operation whose inputs were sound: it was born there.
    Forward,
    /// In a gradient that the operation's rule made of a sound one: it was born there.
    Backward,
    /// In an input: it came in with the data or with a parameter.
    Input,
    /// In the gradient that reached the operation, though all its parts were sound: their sum is not, or the seed was not.
    Sum,
}

/// The first NaN (or ∞) of a watched program, and where it was born.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Anomaly {
    /// The operation, by [`Op::name`]; a method that is made of others shows as those. `leaf` if only the sum of a leaf's gradients is none.
    pub op: &'static str,
    /// Where in it.
    pub stage: Stage,
    /// NaN, ∞ or −∞.
    pub value: f64,
    /// The shape of the tensor that holds it.
    pub shape: Vec<usize>,
    /// Its place there, in row-major order.
    pub place: usize,
    /// The shapes of the operation's inputs.
    pub inputs: Vec<Vec<usize>>,
    /// Which of them holds the value ([`Stage::Input`]) or is the one whose gradient does ([`Stage::Backward`]).
    pub input: Option<usize>,
    /// The names of the enclosing [`scope`](crate::scope)s, joined by dots; may be empty.
    pub path: String,
    /// The nearest leaf from which the operation's inputs were computed: a parameter of the module that did it, or of one
    /// before it.
    pub leaf: Option<LeafId>,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Anomaly { op, value, place, shape, inputs, .. } = self;
        let input = self.input.unwrap_or(0);
        match self.stage {
            Stage::Forward => write!(f, "{value} was born in {op} (forward)")?,
            Stage::Backward => write!(f, "{value} was born in {op} (backward, in the gradient of input {input})")?,
            Stage::Input => write!(f, "{value} came into {op} with input {input}")?,
            Stage::Sum => write!(f, "{value} is in the gradient that reached {op}, the sum or seed of sound ones")?,
        }
        if !self.path.is_empty() {
            write!(f, " of {}", self.path)?;
        }
        write!(f, ": element {place} of {shape:?}; inputs")?;
        inputs.iter().try_for_each(|shape| write!(f, " {shape:?}"))
    }
}

impl std::error::Error for Anomaly {}

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Nan) };
    static FOUND: RefCell<Option<Box<Anomaly>>> = const { RefCell::new(None) };
}

/// Runs `f` and looks at the result of every operation and at every gradient on this thread. The program goes on after an
/// anomaly; the first is the error. Scanning costs a pass over every tensor: for finding a fault, not for every step.
///
/// ```
/// use etude_autograd::{detect_anomaly, scope, Stage, Tensor, Watch};
///
/// let x = Tensor::from_slice(&[4.0f32, -1.0], [2]).requires_grad();
/// let found = detect_anomaly(Watch::Nan, || scope("encoder", || (&x * 2.0).sqrt().sum()).backward()).err().expect("√−2");
/// assert_eq!((found.op, found.stage, found.path.as_str()), ("sqrt", Stage::Forward, "encoder"));
/// assert_eq!(found.to_string(), "NaN was born in sqrt (forward) of encoder: element 1 of [2]; inputs [2]");
/// ```
///
/// # Errors
/// The first anomaly.
pub fn detect_anomaly<R>(watch: Watch, f: impl FnOnce() -> R) -> Result<R, Box<Anomaly>> {
    struct Restore(Watch, Option<Box<Anomaly>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            WATCH.set(self.0);
            FOUND.set(self.1.take());
        }
    }
    let _restore = Restore(WATCH.replace(watch), FOUND.take());
    let result = with_flags(ANOMALY, f);
    FOUND.take().map_or(Ok(result), Err)
}

/// The first element that counts.
fn look<T: Float>(x: &Tensor<T>) -> Option<(usize, f64)> {
    let watch = WATCH.get();
    x.data().iter().map(|v| v.to_f64()).enumerate().find(|&(_, v)| watch.catches(v))
}

fn nothing_yet() -> bool {
    FOUND.with_borrow(Option::is_none)
}

#[cold]
pub(super) fn forward<T: Float>(op: &dyn Op<T>, inputs: &[&Tensor<T>], value: &Tensor<T>) {
    if !nothing_yet() {
        return;
    }
    let Some((place, found)) = look(value) else { return };
    let come = inputs.iter().enumerate().find_map(|(i, x)| look(x).map(|(place, found)| (i, place, found)));
    let (stage, input, shape, place, value) = match come {
        Some((i, place, found)) => (Stage::Input, Some(i), inputs[i].shape(), place, found),
        None => (Stage::Forward, None, value.shape(), place, found),
    };
    let anomaly = Anomaly {
        op: op.name(),
        stage,
        value,
        shape: shape.to_vec(),
        place,
        inputs: inputs.iter().map(|x| x.shape().to_vec()).collect(),
        input,
        path: scope::path(scope::current()),
        leaf: nearest_leaf(inputs.iter().filter_map(|x| x.link().as_ref())),
    };
    FOUND.set(Some(Box::new(anomaly)));
}

#[cold]
pub(super) fn backward<T: Float>(node: &Node<T>, g: &Tensor<T>, grads: &[Option<Tensor<T>>]) {
    if !nothing_yet() {
        return;
    }
    let reached = look(g).map(|(place, value)| (Stage::Sum, None, g.shape().to_vec(), place, value));
    let born = || {
        grads.iter().enumerate().find_map(|(i, dx)| {
            let dx = dx.as_ref()?;
            let (place, value) = look(dx)?;
            Some((Stage::Backward, Some(i), dx.shape().to_vec(), place, value))
        })
    };
    let Some((stage, input, shape, place, value)) = reached.or_else(born) else { return };
    let anomaly = Anomaly {
        op: node.name(),
        stage,
        value,
        shape,
        place,
        inputs: node.edges.iter().map(|edge| edge.shape.to_vec()).collect(),
        input,
        path: scope::path(node.scope),
        leaf: nearest_leaf(node.edges.iter().filter_map(|edge| edge.node.as_ref())),
    };
    FOUND.set(Some(Box::new(anomaly)));
}

#[cold]
pub(super) fn leaf<T: Float>(id: LeafId, g: &Tensor<T>) {
    if !nothing_yet() {
        return;
    }
    let Some((place, value)) = look(g) else { return };
    FOUND.set(Some(Box::new(Anomaly {
        op: "leaf",
        stage: Stage::Sum,
        value,
        shape: g.shape().to_vec(),
        place,
        inputs: Vec::new(),
        input: None,
        path: String::new(),
        leaf: Some(id),
    })));
}

/// The first leaf that a search in breadth meets.
fn nearest_leaf<'a, T: Float>(from: impl Iterator<Item = &'a Arc<Node<T>>>) -> Option<LeafId> {
    /// Far from every leaf the answer would say nothing.
    const MOST: usize = 10_000;
    let mut queue: VecDeque<&Arc<Node<T>>> = from.collect();
    let mut seen = HashSet::new();
    while let Some(node) = queue.pop_front() {
        if node.is_leaf() {
            return Some(LeafId(node.id));
        }
        if seen.len() < MOST && seen.insert(node.id) {
            queue.extend(node.edges.iter().filter_map(|edge| edge.node.as_ref()));
        }
    }
    None
}
