//! The graph: nodes, the operations they stand for, and what they keep for the backward pass.
//!
//! A node points to the nodes of its inputs and never to its own output, so the graph has no cycles and no weak
//! pointers. Ids grow with creation: descending ids are a reverse topological order.
//!
//! Invariants: saved values carry no node of their own (links live in [`Node::edges`] alone), so dropping a graph is
//! iterative however long the chain; an output that is saved gets its link back from the node that the pass holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use etude_kernels::precision::{self, Precision};
use smallvec::SmallVec;

use crate::dtype::Float;
use crate::layout::Shape;
use crate::mode::is_grad_enabled;
use crate::observe;
use crate::tensor::Tensor;

/// The identity of a leaf: what gradients are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafId(pub(crate) u64);

/// Which values an operation needs in its backward pass. Everything else is freed as soon as the program drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    inputs: u32,
    output: bool,
}

impl Saves {
    /// Nothing: linear operations.
    pub const NOTHING: Saves = Saves { inputs: 0, output: false };
    /// Every input.
    pub const INPUTS: Saves = Saves { inputs: u32::MAX, output: false };
    /// The output.
    pub const OUTPUT: Saves = Saves { inputs: 0, output: true };
    /// Every input and the output.
    pub const ALL: Saves = Saves { inputs: u32::MAX, output: true };
    /// Input `i` alone.
    ///
    /// # Panics
    /// If `i` is 32 or more.
    pub const fn input(i: u32) -> Saves {
        assert!(i < u32::BITS, "Saves::input: only the first 32 inputs can be saved one by one");
        Saves { inputs: 1 << i, output: false }
    }
}

/// A differentiable operation, as it stands in the graph.
///
/// This is also how a user writes one: compute the value with ordinary code, then hand it to [`Tensor::record`] with a
/// type that implements this trait. What the operation needs besides its inputs and output (indices, masks, attributes)
/// are fields of that type.
///
/// A rule of tensor operations is all that it takes to be differentiable at every order. A rule on plain numbers is
/// faster; it then needs [`Op::composite`], the same function from tensor operations, for when the gradient is recorded.
///
/// ```
/// use etude_autograd::{gradcheck, gradgradcheck, Float, Op, Saves, Tensor, Vjp};
///
/// /// √(x² + y²), element by element.
/// struct Hypot;
///
/// impl<T: Float> Op<T> for Hypot {
///     fn name(&self) -> &'static str {
///         "hypot"
///     }
///     fn saves(&self) -> Saves {
///         Saves::ALL
///     }
///     fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
///         let over = g / cx.output();
///         vec![cx.when(0, || &over * cx.input(0)), cx.when(1, || &over * cx.input(1))]
///     }
/// }
///
/// fn hypot<T: Float>(x: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
///     assert!(x.shape() == y.shape(), "hypot: shapes differ: {:?} and {:?}", x.shape(), y.shape());
///     let pairs = x.to_vec().into_iter().zip(y.to_vec());
///     let value = pairs.map(|(x, y)| T::from_f64(x.to_f64().hypot(y.to_f64()))).collect();
///     Tensor::record(Hypot, &[x, y], Tensor::from_vec(value, x.shape()))
/// }
///
/// let point = [Tensor::from_slice(&[3.0f64, 0.5], [2]), Tensor::from_slice(&[4.0f64, -2.0], [2])];
/// assert_eq!(hypot(&point[0], &point[1]).to_vec()[0], 5.0);
/// gradcheck(&|x| hypot(&x[0], &x[1]), &point, 0)?;
/// gradgradcheck(&|x| hypot(&x[0], &x[1]), &point, 0)?;
/// # Ok::<(), etude_autograd::GradcheckError>(())
/// ```
pub trait Op<T: Float>: Send + Sync + 'static {
    /// The name in messages, profiles and the op table.
    fn name(&self) -> &'static str;

    /// Which values [`Op::vjp`] and [`Op::composite`] will ask for.
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    /// Whether inputs were broadcast to the output's shape. The engine then sums each gradient back to its input's shape:
    /// the one place where broadcasting is undone.
    fn broadcasts(&self) -> bool {
        false
    }

    /// The gradients of the inputs, given `g`, the gradient of the output: vᵀJ for every input.
    ///
    /// Written in tensor operations it can be differentiated again. It may use a fused kernel when
    /// [`Vjp::create_graph`] is false, or always when [`Op::composite`] is given.
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>>;

    /// The same value from simpler tensor operations: the twin whose rule is used when the gradient itself must be
    /// differentiable. Needs all inputs saved.
    fn composite(&self, _inputs: &[Tensor<T>]) -> Option<Tensor<T>> {
        None
    }

    /// How many multiplications and additions one evaluation takes, for [`profile`](crate::profile): a product of m × k and
    /// k × n has 2·m·k·n. 0, the default, is for operations that memory limits.
    fn flops(&self, _inputs: &[&[usize]], _output: &[usize]) -> u64 {
        0
    }

    /// The function of a checkpoint: the reverse pass calls it and walks on through the graph that it makes. A pass that
    /// frees takes it out, and with it what it captured.
    #[doc(hidden)]
    fn recomputed(&self) -> Option<&Mutex<Option<Arc<Recomputed<T>>>>> {
        None
    }
}

/// A function that makes the graph of a checkpoint from its inputs.
#[doc(hidden)]
pub type Recomputed<T> = dyn Fn(&[Tensor<T>]) -> Tensor<T> + Send + Sync;

/// What a derivative rule can see.
pub struct Vjp<'a, T: Float> {
    pub(crate) node: &'a Arc<Node<T>>,
    pub(crate) saved: &'a Saved<T>,
    pub(crate) wanted: &'a [bool],
    pub(crate) create_graph: bool,
}

impl<T: Float> Vjp<'_, T> {
    /// Input `i`, tied to the graph again.
    ///
    /// # Panics
    /// If [`Op::saves`] did not declare it.
    pub fn input(&self, i: usize) -> Tensor<T> {
        match self.saved.input(i) {
            Some(x) => x.with_link(self.node.edges[i].node.clone()),
            None => panic!("{}: its rule asks for input {i}, which it does not save", self.node.name()),
        }
    }

    /// The output, tied to the graph again.
    ///
    /// # Panics
    /// If [`Op::saves`] did not declare it.
    pub fn output(&self) -> Tensor<T> {
        match self.saved.output() {
            Some(y) => y.with_link(Some(self.node.clone())),
            None => panic!("{}: its rule asks for the output, which it does not save", self.node.name()),
        }
    }

    /// The shape of input `i`, saved or not.
    pub fn input_shape(&self, i: usize) -> &[usize] {
        &self.node.edges[i].shape
    }

    /// Whether there is an input `i`: some operations take an optional one.
    pub fn has_input(&self, i: usize) -> bool {
        i < self.node.edges.len()
    }

    /// Whether the gradient of input `i` is asked for; a rule may return `None` otherwise.
    pub fn needs(&self, i: usize) -> bool {
        self.wanted[i]
    }

    /// Whether the rule itself is being recorded, and must consist of tensor operations.
    pub fn create_graph(&self) -> bool {
        self.create_graph
    }

    /// `f()` if the gradient of input `i` is asked for.
    pub fn when(&self, i: usize, f: impl FnOnce() -> Tensor<T>) -> Option<Tensor<T>> {
        self.needs(i).then(f)
    }
}

/// The values kept for the backward pass, without links. Those and no more, on the heap: many operations keep nothing, and
/// a node is moved and held in numbers.
#[derive(Clone)]
pub(crate) struct Saved<T: Float> {
    /// Each with the number of its input, or [`OUTPUT`].
    values: Vec<(u32, Tensor<T>)>,
}

/// The place of the output among the saved values.
const OUTPUT: u32 = u32::MAX;

impl<T: Float> Saved<T> {
    fn new(saves: Saves, inputs: &[&Tensor<T>], output: &Tensor<T>) -> Self {
        // All bits stand for all inputs, however many.
        let is_saved = |i: usize| saves.inputs == u32::MAX || saves.inputs.checked_shr(i as u32).unwrap_or(0) & 1 == 1;
        let count = (0..inputs.len()).filter(|&i| is_saved(i)).count() + usize::from(saves.output);
        let mut values = Vec::with_capacity(count);
        for (i, x) in inputs.iter().enumerate().filter(|&(i, _)| is_saved(i)) {
            values.push((i as u32, x.detach()));
        }
        if saves.output {
            values.push((OUTPUT, output.detach()));
        }
        Saved { values }
    }

    /// Of a checkpoint, which needs its inputs and nothing else.
    pub fn of_inputs(inputs: &[Tensor<T>]) -> Self {
        Saved { values: (0..).zip(inputs).map(|(i, x)| (i, x.detach())).collect() }
    }

    /// The inputs of a checkpoint, tied to the graph again.
    pub fn tied_inputs(&self, edges: &[Edge<T>]) -> Vec<Tensor<T>> {
        self.values.iter().zip(edges).map(|((_, x), edge)| x.with_link(edge.node.clone())).collect()
    }

    pub fn input(&self, i: usize) -> Option<&Tensor<T>> {
        self.values.iter().find(|(place, _)| *place == i as u32).map(|(_, x)| x)
    }

    fn output(&self) -> Option<&Tensor<T>> {
        self.values.last().filter(|(place, _)| *place == OUTPUT).map(|(_, y)| y)
    }
}

/// A link to an input.
pub(crate) struct Edge<T: Float> {
    pub node: Option<Arc<Node<T>>>,
    pub shape: Shape,
}

impl<T: Float> Edge<T> {
    pub fn to(x: &Tensor<T>) -> Self {
        Edge { node: x.link().clone(), shape: Shape::from_slice(x.shape()) }
    }
}

/// Most operations have one input or two; an affine map has three.
pub(crate) type Edges<T> = SmallVec<[Edge<T>; 3]>;

/// An operation that was recorded, or a leaf.
#[doc(hidden)]
pub struct Node<T: Float> {
    pub(crate) id: u64,
    /// `None` for a leaf.
    pub(crate) op: Option<Box<dyn Op<T>>>,
    pub(crate) edges: Edges<T>,
    /// Of the scope in which the operation was recorded; its rule runs with the same.
    pub(crate) precision: Precision,
    /// The number of the path of names under which it was recorded, while somebody watched.
    pub(crate) scope: u32,
    /// `None` once a backward pass has taken it: the graph is freed.
    pub(crate) saved: Mutex<Option<Saved<T>>>,
}

pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<T: Float> Node<T> {
    pub(crate) fn leaf() -> Arc<Self> {
        let (id, precision) = (next_id(), Precision::default());
        Arc::new(Node { id, op: None, edges: Edges::new(), precision, scope: 0, saved: Mutex::new(None) })
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.op.is_none()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.op.as_ref().map_or("leaf", |op| op.name())
    }
}

impl<T: Float> Drop for Node<T> {
    fn drop(&mut self) {
        // Iterative: a recurrent net of a million steps must not overflow the stack.
        if self.edges.iter().all(|edge| edge.node.is_none()) {
            return;
        }
        let mut rest: Vec<Arc<Node<T>>> = self.edges.drain(..).filter_map(|edge| edge.node).collect();
        while let Some(node) = rest.pop() {
            if let Some(mut last) = Arc::into_inner(node) {
                rest.extend(last.edges.drain(..).filter_map(|edge| edge.node));
            }
        }
    }
}

impl<T: Float> Tensor<T> {
    /// Ties `value` to the graph as the result of `op` on `inputs`, if recording is on and any input is tracked.
    ///
    /// The public way to write an operation of one's own: see [`Op`].
    pub fn record(op: impl Op<T>, inputs: &[&Tensor<T>], value: Tensor<T>) -> Tensor<T> {
        observe::recorded(&op, inputs, &value);
        if !is_grad_enabled() || inputs.iter().all(|x| x.link().is_none()) {
            return value;
        }
        let saved = Mutex::new(Some(Saved::new(op.saves(), inputs, &value)));
        let mut edges = Edges::new();
        for x in inputs {
            edges.push(Edge::to(x));
        }
        let (id, precision, scope) = (next_id(), precision::current(), observe::current_scope());
        value.into_linked(Some(Arc::new(Node { id, op: Some(Box::new(op)), edges, precision, scope, saved })))
    }
}
