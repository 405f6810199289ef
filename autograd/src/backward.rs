//! The reverse pass: one engine for first and higher derivatives.
//!
//! A max-heap of node ids visits every node after all its consumers. There is no recursion. The first gradient of a node
//! is moved in, later ones are added in place when nobody else can see the sum. With [`CreateGraph::Yes`] the rules run
//! with recording on, so their result can be differentiated again; operations with a composite twin then use its rule.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use etude_kernels::{ew, precision};

use crate::dtype::Float;
use crate::mode::with_grad;
use crate::node::{LeafId, Node, Op, Saved, Saves, Vjp};
use crate::tensor::Tensor;

/// Whether the gradients themselves are recorded, to be differentiated again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateGraph {
    /// Plain values.
    No,
    /// Recorded values.
    Yes,
}

/// Gradients by leaf. A value of its own: nothing to zero, nothing that one loss could leak into another.
#[derive(Clone)]
pub struct Grads<T: Float = f32> {
    by_leaf: HashMap<LeafId, Tensor<T>>,
}

impl<T: Float> Default for Grads<T> {
    fn default() -> Self {
        Grads { by_leaf: HashMap::new() }
    }
}

impl<T: Float> Grads<T> {
    /// The gradient of a leaf; `None` if the loss does not depend on it, or `leaf` is none.
    pub fn get(&self, leaf: &Tensor<T>) -> Option<&Tensor<T>> {
        self.by_id(leaf.leaf_id()?)
    }

    /// The gradient of the leaf with this identity.
    pub fn by_id(&self, id: LeafId) -> Option<&Tensor<T>> {
        self.by_leaf.get(&id)
    }

    /// Every leaf with its gradient, in the order of creation.
    pub fn iter(&self) -> impl Iterator<Item = (LeafId, &Tensor<T>)> {
        let mut all: Vec<_> = self.by_leaf.iter().map(|(&id, g)| (id, g)).collect();
        all.sort_by_key(|&(id, _)| id);
        all.into_iter()
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.by_leaf.len()
    }

    /// Whether no leaf has one.
    pub fn is_empty(&self) -> bool {
        self.by_leaf.is_empty()
    }

    /// Adds the gradients of another loss, leaf by leaf.
    pub fn merge(&mut self, other: Grads<T>) {
        for (id, g) in other.by_leaf {
            match self.by_leaf.remove(&id) {
                Some(sum) => self.by_leaf.insert(id, accumulate(sum, g, false)),
                None => self.by_leaf.insert(id, g),
            };
        }
    }

    /// Multiplies every gradient by `factor`.
    pub fn scale(&mut self, factor: f64) {
        for g in self.by_leaf.values_mut() {
            ew::unary_mut(ew::Unary::Affine(factor, 0.0), g.make_mut());
        }
    }
}

impl<T: Float> Tensor<T> {
    /// The gradients of this scalar with respect to every leaf it depends on.
    ///
    /// Consumes the loss and takes the saved values out of every node on the way, so that their memory is free while the
    /// pass goes on and an optimiser finds itself the only owner of its parameters.
    ///
    /// # Panics
    /// If it has more than one element, is not tracked, or its graph was walked before.
    #[track_caller]
    pub fn backward(self) -> Grads<T> {
        let root = self.root("backward");
        let seed = Tensor::ones(self.shape());
        drop(self);
        Pass { free: true, create_graph: false, targets: None }.run(root, seed).leaves
    }

    /// As [`Tensor::backward`], but only for `leaves`, and without walking what does not lead to them.
    ///
    /// # Panics
    /// As [`Tensor::backward`].
    #[track_caller]
    pub fn backward_for(self, leaves: &[LeafId]) -> Grads<T> {
        let root = self.root("backward_for");
        let seed = Tensor::ones(self.shape());
        drop(self);
        let targets = leaves.iter().map(|leaf| leaf.0).collect();
        Pass { free: true, create_graph: false, targets: Some(targets) }.run(root, seed).leaves
    }

    #[track_caller]
    fn root(&self, what: &str) -> Arc<Node<T>> {
        assert!(self.len() == 1, "{what}: the loss has shape {:?}, not one element; reduce it first", self.shape());
        match self.link() {
            Some(node) => node.clone(),
            None => panic!("{what}: the loss is not tracked: no input requires a gradient, or it was made in no_grad"),
        }
    }
}

/// The gradients of the scalar `y` with respect to each of `xs`, leaves or not. The graph stays.
///
/// # Panics
/// If `y` has more than one element or does not depend on one of `xs`, or if its graph was freed.
#[track_caller]
pub fn grad<T: Float, const N: usize>(y: &Tensor<T>, xs: [&Tensor<T>; N], create_graph: CreateGraph) -> [Tensor<T>; N] {
    y.root("grad");
    let grads = grad_with(y, &xs, &Tensor::ones(y.shape()), create_graph);
    let mut grads = grads.into_iter().enumerate().map(|(i, g)| {
        g.unwrap_or_else(|| panic!("grad: the output does not depend on input {i}, of shape {:?}", xs[i].shape()))
    });
    std::array::from_fn(|_| grads.next().expect("one gradient an input"))
}

/// vᵀJ: the gradients of Σ v·y with respect to each of `xs`; `None` where `y` does not depend on it. The graph stays.
///
/// # Panics
/// If `v` has another shape than `y`, one of `xs` is not tracked, or the graph was freed.
#[track_caller]
pub fn grad_with<T: Float>(
    y: &Tensor<T>,
    xs: &[&Tensor<T>],
    v: &Tensor<T>,
    create_graph: CreateGraph,
) -> Vec<Option<Tensor<T>>> {
    assert!(y.shape() == v.shape(), "grad_with: y has shape {:?}, v {:?}", y.shape(), v.shape());
    let ids: Vec<u64> = xs
        .iter()
        .enumerate()
        .map(|(i, x)| match x.link() {
            Some(node) => node.id,
            None => panic!("grad: input {i}, of shape {:?}, is not tracked; call requires_grad() first", x.shape()),
        })
        .collect();
    let Some(root) = y.link().clone() else { return vec![None; xs.len()] };
    let create_graph = create_graph == CreateGraph::Yes;
    let mut found = Pass { free: false, create_graph, targets: Some(ids.clone()) }.run(root, v.clone()).targets;
    // The same input may be asked for twice.
    ids.iter()
        .enumerate()
        .map(|(i, id)| if ids[i + 1..].contains(id) { found.get(id).cloned() } else { found.remove(id) })
        .collect()
}

/// One walk over the graph.
struct Pass {
    free: bool,
    create_graph: bool,
    /// Ids of the nodes whose gradients are asked for; all leaves if `None`.
    targets: Option<Vec<u64>>,
}

struct Found<T: Float> {
    leaves: Grads<T>,
    targets: HashMap<u64, Tensor<T>>,
}

/// A node in the heap, ordered by id.
struct Pending<T: Float>(Arc<Node<T>>);
impl<T: Float> PartialEq for Pending<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}
impl<T: Float> Eq for Pending<T> {}
impl<T: Float> PartialOrd for Pending<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T: Float> Ord for Pending<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl Pass {
    #[track_caller]
    fn run<T: Float>(&self, root: Arc<Node<T>>, seed: Tensor<T>) -> Found<T> {
        let useful = self.targets.as_ref().map(|targets| useful(&root, targets));
        let is_useful = |node: &Node<T>| useful.as_ref().is_none_or(|set| set.contains(&node.id));
        let is_target = |id: u64| self.targets.as_ref().is_some_and(|targets| targets.contains(&id));
        let mut found = Found { leaves: Grads::default(), targets: HashMap::new() };
        let mut grads: HashMap<u64, Tensor<T>> = HashMap::new();
        let mut heap = BinaryHeap::new();
        if is_useful(&root) {
            grads.insert(root.id, seed);
            heap.push(Pending(root));
        }
        while let Some(Pending(node)) = heap.pop() {
            let g = grads.remove(&node.id).expect("a node enters the heap with its gradient");
            if is_target(node.id) {
                found.targets.insert(node.id, g.clone());
            }
            if node.is_leaf() {
                found.leaves.by_leaf.insert(LeafId(node.id), g);
                continue;
            }
            let wanted: Vec<bool> =
                node.edges.iter().map(|edge| edge.node.as_ref().is_some_and(|input| is_useful(input))).collect();
            if !wanted.contains(&true) {
                continue;
            }
            let input_grads = self.rule(&node, &wanted, g);
            for (i, g) in input_grads.into_iter().enumerate() {
                let (true, Some(g)) = (wanted[i], g) else { continue };
                let edge = &node.edges[i];
                let input = edge.node.as_ref().expect("wanted inputs are tracked");
                match grads.remove(&input.id) {
                    Some(sum) => grads.insert(input.id, accumulate(sum, g, self.create_graph)),
                    None => {
                        heap.push(Pending(input.clone()));
                        grads.insert(input.id, g)
                    }
                };
            }
        }
        found
    }

    /// The gradients of the inputs of `node`, in their own shapes.
    #[track_caller]
    fn rule<T: Float>(&self, node: &Arc<Node<T>>, wanted: &[bool], g: Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let op = node.op.as_ref().expect("leaves have no rule");
        let mut slot = node.saved.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let saved = if self.free { slot.take() } else { slot.clone() };
        drop(slot);
        let Some(saved) = saved else {
            panic!("{}: graph already freed: an earlier backward() consumed it; use grad() to keep it", op.name())
        };
        let rule = || {
            if self.create_graph
                && let Some(grads) = composite_rule(node, op.as_ref(), &saved, wanted, &g)
            {
                return grads;
            }
            let cx = Vjp { node, saved: &saved, wanted, create_graph: self.create_graph };
            op.vjp(&cx, &g)
        };
        let grads = precision::with(node.precision, || with_grad(self.create_graph, rule));
        assert!(
            grads.len() == node.edges.len(),
            "{}: its rule gave {} gradients for {} inputs",
            op.name(),
            grads.len(),
            node.edges.len()
        );
        let fit = |(i, g): (usize, Option<Tensor<T>>)| {
            let shape = &node.edges[i].shape;
            let g = g?;
            if g.shape() == &shape[..] {
                return Some(g);
            }
            assert!(
                op.broadcasts(),
                "{}: its rule gave input {i} of shape {shape:?} a gradient of shape {:?}",
                op.name(),
                g.shape()
            );
            Some(with_grad(self.create_graph, || g.sum_to(shape)))
        };
        grads.into_iter().enumerate().map(fit).collect()
    }
}

/// The rule of the composite twin, applied to fresh names of the inputs so that the walk ends there.
fn composite_rule<T: Float>(
    node: &Arc<Node<T>>,
    op: &dyn Op<T>,
    saved: &Saved<T>,
    wanted: &[bool],
    g: &Tensor<T>,
) -> Option<Vec<Option<Tensor<T>>>> {
    let inputs: Vec<Tensor<T>> = (0..node.edges.len())
        .map(|i| {
            let x = saved.inputs[i].as_ref()?;
            let tied = x.with_link(node.edges[i].node.clone());
            Some(Tensor::record(Alias, &[&tied], x.detach()))
        })
        .collect::<Option<_>>()?;
    let y = op.composite(&inputs)?;
    let asked: Vec<usize> = (0..inputs.len()).filter(|&i| wanted[i]).collect();
    let xs: Vec<&Tensor<T>> = asked.iter().map(|&i| &inputs[i]).collect();
    let mut grads = vec![None; inputs.len()];
    for (i, dx) in asked.into_iter().zip(grad_with(&y, &xs, g, CreateGraph::Yes)) {
        grads[i] = dx;
    }
    Some(grads)
}

/// The identity: a new name for a value.
struct Alias;
impl<T: Float> Op<T> for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, _: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some(g.clone())]
    }
}

fn accumulate<T: Float>(mut sum: Tensor<T>, g: Tensor<T>, recorded: bool) -> Tensor<T> {
    if !recorded
        && !sum.is_tracked()
        && let Some(into) = sum.unique_mut()
    {
        ew::add_assign(into, &g.data());
        return sum;
    }
    with_grad(recorded, || &sum + &g)
}

/// The nodes on a path from `root` to one of `targets`. Nodes older than every target are not visited.
fn useful<T: Float>(root: &Arc<Node<T>>, targets: &[u64]) -> HashSet<u64> {
    let Some(&oldest) = targets.iter().min() else { return HashSet::new() };
    let mut seen: HashMap<u64, &Arc<Node<T>>> = HashMap::new();
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if node.id < oldest || seen.insert(node.id, node).is_some() {
            continue;
        }
        stack.extend(node.edges.iter().filter_map(|edge| edge.node.as_ref()));
    }
    // Ascending ids: inputs are decided before their consumers.
    let mut order: Vec<u64> = seen.keys().copied().collect();
    order.sort_unstable();
    let mut useful = HashSet::new();
    for id in order {
        let through = |input: &Arc<Node<T>>| useful.contains(&input.id);
        if targets.contains(&id) || seen[&id].edges.iter().filter_map(|edge| edge.node.as_ref()).any(through) {
            useful.insert(id);
        }
    }
    useful
}
