//! Gradient checkpointing: a part of the forward pass keeps its inputs alone and is computed again in the reverse pass.
//!
//! The values between are what a deep network's memory goes to; kept at the borders of √n parts only, they cost √n instead
//! of n, for one more forward pass (Chen et al. 2016, arXiv:1604.06174, section 4.1).
//!
//! The reverse pass does not differentiate a checkpoint, it replaces it: the recomputed graph is tied to the same inputs
//! and to whatever else the function used, and the walk goes on through it. So gradients reach captured parameters, and
//! a gradient that is recorded can be differentiated again like any other.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use etude_kernels::{precision, scoped};

use crate::dtype::Float;
use crate::layout::Shape;
use crate::mode::is_grad_enabled;
use crate::node::{Edge, Edges, Node, Op, Recomputed, Saved, Vjp, next_id};
use crate::observe;
use crate::tensor::Tensor;

/// Computes `f(inputs)` and keeps only the inputs; the reverse pass computes the values between again.
///
/// `f` must compute the same each time: it may use parameters and other tensors from outside, which get their gradients,
/// but random numbers only through [`checkpoint_with`]. It is called once here and once for each reverse pass that comes by
/// (again for a checkpoint around this one). Values that have a graph of their own are better passed as inputs than
/// captured: checkpoints that capture one another are dropped one inside the other.
///
/// ```
/// use etude_autograd::{checkpoint, Tensor};
///
/// let x = Tensor::from_slice(&[0.5f64, -1.0], [2]).requires_grad();
/// let w = Tensor::from_slice(&[2.0f64, 3.0], [2]).requires_grad();
/// let y = checkpoint({ let w = w.clone(); move |x| (&x[0] * &w).tanh().exp() }, &[&x]);
/// let grads = y.sum().backward();
/// let plain = (&x * &w).tanh().exp().sum().backward();
/// assert_eq!(grads.get(&w).expect("used inside").to_vec(), plain.get(&w).expect("used").to_vec());
/// ```
///
/// # Panics
/// In the reverse pass, if `f` then gives another shape, or a value that is not tracked.
#[track_caller]
pub fn checkpoint<T: Float>(
    f: impl Fn(&[Tensor<T>]) -> Tensor<T> + Send + Sync + 'static,
    inputs: &[&Tensor<T>],
) -> Tensor<T> {
    checkpoint_with(&mut (), move |x, ()| f(x), inputs)
}

/// [`checkpoint`] of a function that changes a state, such as a random number generator: the recomputation starts from a
/// copy of what the state was, so that dropout drops the same elements, and `state` goes on as if there were no checkpoint.
///
/// ```
/// use etude_autograd::{checkpoint_with, Tensor};
/// use etude_kernels::rng::Rng;
///
/// let (x, mut rng) = (Tensor::<f32>::ones([100]).requires_grad(), Rng::new(7));
/// let y = checkpoint_with(&mut rng, |x, rng| x[0].dropout(0.5, rng), &[&x]);
/// let grads = y.sum().backward();
/// assert_eq!(grads.get(&x).expect("used").to_vec(), y.to_vec(), "of ones, value and gradient are the mask");
/// ```
///
/// # Panics
/// As [`checkpoint`].
#[track_caller]
pub fn checkpoint_with<T: Float, S: Clone + Send + 'static>(
    state: &mut S,
    f: impl Fn(&[Tensor<T>], &mut S) -> Tensor<T> + Send + Sync + 'static,
    inputs: &[&Tensor<T>],
) -> Tensor<T> {
    let inputs: Vec<Tensor<T>> = inputs.iter().map(|x| (*x).clone()).collect();
    if !is_grad_enabled() {
        return f(&inputs, state);
    }
    let start = Mutex::new(state.clone());
    // Nodes of this call have later ids. They live no longer than it: no more memory than one recomputation needs.
    let mark = next_id();
    let y = f(&inputs, state);
    let Some(root) = y.link().clone().filter(|root| root.id > mark && !root.is_leaf()) else { return y };
    let mut edges: Edges<T> = inputs.iter().map(Edge::to).collect();
    edges.extend(captured(&root, mark, &edges));
    let again = move |x: &[Tensor<T>]| {
        let mut state = start.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        f(x, &mut state)
    };
    let node = Node {
        id: next_id(),
        op: Some(Box::new(Checkpoint { again: Mutex::new(Some(Arc::new(again))) })),
        edges,
        precision: precision::current(),
        scope: observe::current_scope(),
        saved: Mutex::new(Some(Saved::of_inputs(&inputs))),
    };
    y.detach().into_linked(Some(Arc::new(node)))
}

/// What the graph from `root` down to `mark` is tied to besides `inputs`: parameters and other values from outside.
fn captured<T: Float>(root: &Arc<Node<T>>, mark: u64, inputs: &[Edge<T>]) -> Vec<Edge<T>> {
    let mut known: Vec<u64> = inputs.iter().filter_map(|edge| Some(edge.node.as_ref()?.id)).collect();
    let mut seen = std::collections::HashSet::from([root.id]);
    let mut stack = vec![root];
    let mut found = Vec::new();
    while let Some(node) = stack.pop() {
        for edge in &node.edges {
            let Some(input) = &edge.node else { continue };
            if input.id > mark {
                if seen.insert(input.id) {
                    stack.push(input);
                }
            } else if !known.contains(&input.id) {
                known.push(input.id);
                found.push(Edge { node: Some(input.clone()), shape: Shape::from_slice(&edge.shape) });
            }
        }
    }
    found
}

struct Checkpoint<T: Float> {
    again: Mutex<Option<Arc<Recomputed<T>>>>,
}

impl<T: Float> Op<T> for Checkpoint<T> {
    fn name(&self) -> &'static str {
        "checkpoint"
    }
    fn vjp(&self, _: &Vjp<'_, T>, _: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        unreachable!("the reverse pass walks the recomputed graph instead")
    }
    fn recomputed(&self) -> Option<&Mutex<Option<Arc<Recomputed<T>>>>> {
        Some(&self.again)
    }
}

thread_local! {
    static RECOMPUTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a checkpoint is being computed again: what runs now ran before, and must not leave a second trace, such as in
/// running statistics.
pub fn is_recomputing() -> bool {
    RECOMPUTING.get()
}

pub(crate) fn recomputing<R>(f: impl FnOnce() -> R) -> R {
    scoped::with(&RECOMPUTING, true, f)
}
