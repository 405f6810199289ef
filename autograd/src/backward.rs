//! The reverse pass: one engine for first and higher derivatives.
//!
//! A max-heap of node ids visits every node after all its consumers. There is no recursion. The first gradient of a node
//! is moved in, later ones are added in place when nobody else can see the sum. With [`CreateGraph::Yes`] the rules run
//! with recording on, so their result can be differentiated again; operations with a composite twin then use its rule.

use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use etude_kernels::{ew, precision};
use smallvec::SmallVec;

use crate::checkpoint::recomputing;
use crate::dtype::Float;
use crate::mode::with_grad;
use crate::node::{LeafId, Node, Op, Saved, Saves, Vjp, next_id};
use crate::observe;
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
    /// In the order of creation.
    leaves: Vec<(LeafId, Tensor<T>)>,
}

impl<T: Float> Default for Grads<T> {
    fn default() -> Self {
        Grads { leaves: Vec::new() }
    }
}

impl<T: Float> Grads<T> {
    /// The gradient of a leaf; `None` if the loss does not depend on it, or `leaf` is none.
    pub fn get(&self, leaf: &Tensor<T>) -> Option<&Tensor<T>> {
        self.by_id(leaf.leaf_id()?)
    }

    /// The gradient of the leaf with this identity.
    pub fn by_id(&self, id: LeafId) -> Option<&Tensor<T>> {
        let at = self.leaves.binary_search_by_key(&id, |&(id, _)| id).ok()?;
        Some(&self.leaves[at].1)
    }

    /// Every leaf with its gradient, in the order of creation.
    pub fn iter(&self) -> impl Iterator<Item = (LeafId, &Tensor<T>)> {
        self.leaves.iter().map(|(id, g)| (*id, g))
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether no leaf has one.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Adds the gradients of another loss, leaf by leaf.
    pub fn merge(&mut self, other: Grads<T>) {
        let mut new = Vec::new();
        for (id, g) in other.leaves {
            match self.leaves.binary_search_by_key(&id, |&(id, _)| id) {
                Ok(at) => accumulate(&mut self.leaves[at].1, g, false),
                Err(_) => new.push((id, g)),
            }
        }
        self.leaves.append(&mut new);
        self.leaves.sort_by_key(|&(id, _)| id);
    }

    /// Multiplies every gradient by `factor`.
    pub fn scale(&mut self, factor: f64) {
        for (_, g) in &mut self.leaves {
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
        T::walk(&Pass { free: true, create_graph: false, targets: None }, root, seed).leaves
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
        T::walk(&Pass { free: true, create_graph: false, targets: Some(targets) }, root, seed).leaves
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
    let found = T::walk(&Pass { free: false, create_graph, targets: Some(ids.clone()) }, root, v.clone());
    // The same input may be asked for twice.
    ids.iter().map(|&id| found.nodes.get(&id).or_else(|| found.leaves.by_id(LeafId(id))).cloned()).collect()
}

/// One walk over the graph.
pub struct Pass {
    free: bool,
    create_graph: bool,
    /// Ids of the nodes whose gradients are asked for; all leaves if `None`.
    targets: Option<Vec<u64>>,
}

/// The gradients that a walk found.
pub struct Found<T: Float> {
    leaves: Grads<T>,
    /// Of the targets that are no leaves.
    nodes: Ids<Tensor<T>>,
}

/// A map from the ids of nodes. They are handed out one after another, so that a multiplication spreads them.
type Ids<V> = HashMap<u64, V, BuildHasherDefault<IdHasher>>;
type IdSet = HashSet<u64, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
struct IdHasher(u64);
impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 ^ u64::from(byte)));
    }
    fn write_u64(&mut self, id: u64) {
        // 2⁶⁴ divided by the golden ratio: Knuth, *The Art of Computer Programming*, vol. 3, §6.4. The upper half, which
        // depends on every bit, is folded into the lower one, which chooses the place.
        let product = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The gradients that the walk has found so far.
struct Front<T: Float> {
    /// Nodes that wait for their rule, with the gradients of their outputs.
    pending: Ids<(Arc<Node<T>>, Tensor<T>)>,
    /// Their ids, the newest first.
    order: BinaryHeap<u64>,
    leaves: Vec<(LeafId, Tensor<T>)>,
    /// Where each leaf stands.
    places: Ids<usize>,
    create_graph: bool,
}

impl<T: Float> Front<T> {
    /// Adds `g` to the gradient of `node`. A leaf has no rule, and need not wait for one.
    fn add(&mut self, node: &Arc<Node<T>>, g: Tensor<T>) {
        if node.is_leaf() {
            match self.places.entry(node.id) {
                Entry::Occupied(place) => accumulate(&mut self.leaves[*place.get()].1, g, self.create_graph),
                Entry::Vacant(place) => {
                    place.insert(self.leaves.len());
                    self.leaves.push((LeafId(node.id), g));
                }
            }
            return;
        }
        match self.pending.entry(node.id) {
            Entry::Occupied(mut slot) => accumulate(&mut slot.get_mut().1, g, self.create_graph),
            Entry::Vacant(slot) => {
                slot.insert((node.clone(), g));
                self.order.push(node.id);
            }
        }
    }

    fn pop(&mut self) -> Option<(Arc<Node<T>>, Tensor<T>)> {
        let id = self.order.pop()?;
        Some(self.pending.remove(&id).expect("a node enters the heap with its gradient"))
    }
}

impl Pass {
    #[track_caller]
    pub(crate) fn walk<T: Float>(&self, root: Arc<Node<T>>, seed: Tensor<T>) -> Found<T> {
        let mut useful = self.targets.as_ref().map(|targets| useful(&root, targets));
        let is_target = |id: u64| self.targets.as_ref().is_some_and(|targets| targets.contains(&id));
        let mut nodes = Ids::default();
        let mut front = Front {
            pending: Ids::default(),
            order: BinaryHeap::new(),
            leaves: Vec::new(),
            places: Ids::default(),
            create_graph: self.create_graph,
        };
        if is_useful(&useful, &root) {
            front.add(&root, seed);
        }
        drop(root);
        while let Some((node, g)) = front.pop() {
            if is_target(node.id) {
                nodes.insert(node.id, g.clone());
            }
            let mut wanted: SmallVec<[bool; 8]> = SmallVec::new();
            for edge in &node.edges {
                wanted.push(edge.node.as_ref().is_some_and(|input| is_useful(&useful, input)));
            }
            if !wanted.contains(&true) {
                continue;
            }
            if let Some(root) = self.recomputed(&node, g.shape(), &mut useful) {
                front.add(&root, g);
                continue;
            }
            let input_grads = self.rule(&node, &wanted, g);
            for (i, g) in input_grads.into_iter().enumerate() {
                let (true, Some(input), Some(g)) = (wanted[i], &node.edges[i].node, g) else { continue };
                front.add(input, g);
            }
        }
        let mut leaves = front.leaves;
        // The walk meets the newest first, as a rule.
        leaves.reverse();
        leaves.sort_by_key(|&(id, _)| id);
        leaves.iter().for_each(|(id, g)| observe::leaf(*id, g));
        Found { leaves: Grads { leaves }, nodes }
    }

    /// What `node` keeps, taken out of it if the pass frees.
    #[track_caller]
    fn saved<T: Float>(&self, node: &Node<T>) -> Saved<T> {
        let mut slot = node.saved.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let saved = if self.free { slot.take() } else { slot.clone() };
        drop(slot);
        saved.unwrap_or_else(|| {
            panic!("{}: graph already freed: an earlier backward() consumed it; use grad() to keep it", node.name())
        })
    }

    /// If `node` is a checkpoint, the root of its graph, computed again and tied to the same inputs. Its nodes are newer than
    /// every one that waits, so the walk goes through them next.
    #[track_caller]
    fn recomputed<T: Float>(
        &self,
        node: &Arc<Node<T>>,
        shape: &[usize],
        useful: &mut Option<IdSet>,
    ) -> Option<Arc<Node<T>>> {
        let function = node.op.as_ref()?.recomputed()?;
        let inputs = self.saved(node).tied_inputs(&node.edges);
        let mut slot = function.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let f = if self.free { slot.take() } else { slot.clone() }.expect("freed together with the inputs");
        drop(slot);
        let mark = next_id();
        let run = || observe::in_scope(node.scope, || recomputing(|| f(&inputs)));
        let y = precision::with(node.precision, || with_grad(true, run));
        assert!(y.shape() == shape, "checkpoint: its function gave {shape:?} before and {:?} now", y.shape());
        let Some(root) = y.link().clone() else {
            panic!("checkpoint: its function gave a tracked {shape:?} before and an untracked one now")
        };
        if let Some(useful) = useful {
            extend(useful, &root, mark, self.targets.as_deref().unwrap_or_default());
        }
        Some(root)
    }

    /// The gradients of the inputs of `node`, as its rule gives them, in the shapes of the inputs.
    #[track_caller]
    fn rule<T: Float>(&self, node: &Arc<Node<T>>, wanted: &[bool], g: Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let op = node.op.as_ref().expect("leaves have no rule");
        let saved = self.saved(node);
        let rule = || {
            if self.create_graph
                && let Some(grads) = composite_rule(node, op.as_ref(), &saved, wanted, &g)
            {
                return grads;
            }
            let cx = Vjp { node, saved: &saved, wanted, create_graph: self.create_graph };
            op.vjp(&cx, &g)
        };
        let rule = || {
            let mut grads = precision::with(node.precision, || with_grad(self.create_graph, rule));
            assert!(
                grads.len() == node.edges.len(),
                "{}: its rule gave {} gradients for {} inputs",
                op.name(),
                grads.len(),
                node.edges.len()
            );
            for (i, g) in grads.iter_mut().enumerate().filter(|&(i, _)| wanted[i]) {
                *g = g.take().map(|g| self.fit(node, i, g));
            }
            grads
        };
        observe::rule(node, wanted, &g, rule)
    }

    /// The gradient of input `i`, summed back where the operation had broadcast it.
    #[track_caller]
    fn fit<T: Float>(&self, node: &Node<T>, i: usize, g: Tensor<T>) -> Tensor<T> {
        let shape = &node.edges[i].shape;
        if g.shape() == &shape[..] {
            return g;
        }
        let op = node.op.as_ref().expect("leaves have no rule");
        assert!(
            op.broadcasts(),
            "{}: its rule gave input {i} of shape {shape:?} a gradient of shape {:?}",
            op.name(),
            g.shape()
        );
        with_grad(self.create_graph, || g.sum_to(shape))
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
            let x = saved.input(i)?;
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

fn accumulate<T: Float>(sum: &mut Tensor<T>, g: Tensor<T>, recorded: bool) {
    observe::sums::<T>(g.len(), || add_into(sum, g, recorded));
}

fn add_into<T: Float>(sum: &mut Tensor<T>, g: Tensor<T>, recorded: bool) {
    if !recorded
        && !sum.is_tracked()
        && let Some(into) = sum.unique_mut()
    {
        return ew::add_assign(into, &g.data());
    }
    *sum = with_grad(recorded, || &*sum + &g);
}

fn is_useful<T: Float>(useful: &Option<IdSet>, node: &Node<T>) -> bool {
    useful.as_ref().is_none_or(|set| set.contains(&node.id))
}

/// The nodes on a path from `root` to one of `targets`. Nodes older than every target are not visited.
fn useful<T: Float>(root: &Arc<Node<T>>, targets: &[u64]) -> IdSet {
    let mut useful = IdSet::default();
    if let Some(&oldest) = targets.iter().min() {
        extend(&mut useful, root, oldest, targets);
    }
    useful
}

/// Adds those of the nodes from `oldest` on; which of the older ones are useful is known.
fn extend<T: Float>(useful: &mut IdSet, root: &Arc<Node<T>>, oldest: u64, targets: &[u64]) {
    let mut seen: Ids<&Arc<Node<T>>> = Ids::default();
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
    for id in order {
        let through = |input: &Arc<Node<T>>| useful.contains(&input.id);
        if targets.contains(&id) || seen[&id].edges.iter().filter_map(|edge| edge.node.as_ref()).any(through) {
            useful.insert(id);
        }
    }
}
