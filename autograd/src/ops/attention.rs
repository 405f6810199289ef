//! Scaled dot-product attention: one fused kernel in tiles, with a composite twin.

use etude_kernels::attention::{self as kernel, Attention, Bias, Gradients, Heads};

use crate::alloc;
use crate::dtype::Float;
use crate::layout::{Shape, broadcast_shapes};
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

/// Which keys a query may look at, and how much it is drawn to them; any may be combined.
///
/// Booleans are true for what is hidden, as in PyTorch's `nn.MultiheadAttention`; its `F.scaled_dot_product_attention` has
/// the opposite. What is hidden is multiplied by 0, so a NaN there stays one, except for keys that are padding.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a, T: Float = f32> {
    /// Query i sees keys 0 ..= i + (keys − queries): the last query sees all, the others no future. (PyTorch's `is_causal`
    /// lets query i see keys 0 ..= i, which differs where there are more keys than queries, as with cached ones.)
    pub causal: bool,
    /// `[batch, keys]`, true for keys that nobody may see, such as padding.
    pub padding: Option<&'a Tensor<bool>>,
    /// True where a query may not see a key; broadcasts to `[batch, heads, queries, keys]`.
    pub pairs: Option<&'a Tensor<bool>>,
    /// What is added to the scores, such as a relative position's share; broadcasts to `[batch, heads, queries, keys]`. A
    /// query does not see a key where it is −∞. Its gradient takes the memory of all scores.
    pub bias: Option<&'a Tensor<T>>,
}

impl<T: Float> Default for Mask<'_, T> {
    /// All see all.
    fn default() -> Self {
        Mask { causal: false, padding: None, pairs: None, bias: None }
    }
}

impl<'a, T: Float> Mask<'a, T> {
    /// No query sees a key after itself.
    pub fn causal() -> Self {
        Mask { causal: true, ..Mask::default() }
    }

    /// Nobody sees these keys, `[batch, keys]`.
    pub fn padding(padding: Option<&'a Tensor<bool>>) -> Self {
        Mask { padding, ..Mask::default() }
    }

    /// True where a query may not see a key; broadcasts to `[batch, heads, queries, keys]`.
    pub fn pairs(pairs: &'a Tensor<bool>) -> Self {
        Mask { pairs: Some(pairs), ..Mask::default() }
    }

    /// Added to the scores; broadcasts to `[batch, heads, queries, keys]`.
    pub fn bias(bias: &'a Tensor<T>) -> Self {
        Mask { bias: Some(bias), ..Mask::default() }
    }

    /// The bias of scores of this shape, −∞ where the pairs must not meet; none if there is neither.
    #[track_caller]
    fn scores(&self, op: &str, shape: [usize; 4]) -> Option<Tensor<T>> {
        let fits = |what: &str, found: &[usize]| {
            let common = broadcast_shapes(found, &shape);
            let fits = common.is_some_and(|common: Shape| common[..] == shape);
            assert!(fits, "{op}: the {what} of shape {found:?} does not broadcast to {shape:?}");
        };
        self.bias.iter().for_each(|bias| fits("bias", bias.shape()));
        self.pairs.iter().for_each(|pairs| fits("mask of pairs", pairs.shape()));
        // Filled before it is expanded: what heads and sequences share stays shared.
        let never = Tensor::scalar(T::NEG_INFINITY);
        let bias = match (self.bias, self.pairs) {
            (None, None) => return None,
            (Some(bias), None) => bias.clone(),
            (bias, Some(pairs)) => Tensor::where_cond(pairs, &never, bias.unwrap_or(&Tensor::scalar(T::ZERO))),
        };
        Some(bias.expand(shape))
    }

    /// True where a key must not be seen for its place, for scores `[batch, heads, queries, keys]`.
    fn hidden(&self, queries: usize, keys: usize) -> Option<Tensor<bool>> {
        let future = self.causal.then(|| {
            let future = |at: usize| (at % keys) + queries > (at / keys) + keys;
            Tensor::from_vec((0..queries * keys).map(future).collect(), [1, 1, queries, keys])
        });
        let padding = self.padding.map(|mask| mask.reshape([mask.dim(0), 1, 1, keys]));
        either(future, padding)
    }
}

/// Where one of both holds.
fn either(a: Option<Tensor<bool>>, b: Option<Tensor<bool>>) -> Option<Tensor<bool>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.or(&b)),
        (a, b) => a.or(b),
    }
}

/// What the rule keeps besides inputs and output. Inputs: q, k, v, or one that holds them side by side; then the bias, of
/// the shape of the scores, if there is one.
struct Fused<T: Float> {
    shape: Attention,
    padding: Option<Tensor<bool>>,
    /// For each query its largest score and the sum of its exponentials, `[2, batch, heads, queries]`.
    sums: Tensor<T>,
}

impl<T: Float> Fused<T> {
    fn mask<'a>(&'a self, bias: Option<&'a Tensor<T>>) -> Mask<'a, T> {
        Mask { causal: self.shape.causal, padding: self.padding.as_ref(), bias, ..Mask::default() }
    }

    /// Scores and the sums that they weigh.
    fn flops(&self) -> u64 {
        let Attention { batch, heads, queries, keys, size, .. } = self.shape;
        4 * [batch, heads, queries, keys, size].map(|n| n as u64).iter().product::<u64>()
    }

    /// The gradients go where the caller says; `out` and `g` are `[batch, heads, queries, size]`. That of the bias, input
    /// `bias`, is given back if it is wanted.
    fn gradients(
        &self,
        cx: &Vjp<'_, T>,
        [q, k, v]: [&Tensor<T>; 3],
        bias: usize,
        [out, g]: [&Tensor<T>; 2],
        to: Gradients<'_, T>,
    ) -> Option<Tensor<T>> {
        let given = cx.has_input(bias).then(|| cx.input(bias).detach());
        let Attention { batch, heads: count, queries, keys, .. } = self.shape;
        let mut dbias = (given.is_some() && cx.needs(bias)).then(|| alloc::scratch(batch * count * queries * keys));
        let [q, k, v, g] = [q, k, v, g].map(whole_tokens);
        let hidden = self.padding.as_ref().map(Tensor::data);
        let out = out.transpose(1, 2);
        let sums = self.sums.data();
        let [q, k, v, g] = [&q, &k, &v, &g].map(heads);
        let added = given.as_ref().map(scores);
        let (hidden, wanted) = (hidden.as_deref(), dbias.as_deref_mut());
        kernel::attention_grad(&self.shape, q, k, v, hidden, added, &out.data(), &sums, g, to, wanted);
        dbias.map(|dbias| Tensor::from_buf(dbias, &[batch, count, queries, keys]))
    }
}

/// q, k and v apart.
struct Apart<T: Float>(Fused<T>);

impl<T: Float> Op<T> for Apart<T> {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention"
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn flops(&self, _: &[&[usize]], _: &[usize]) -> u64 {
        self.0.flops()
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let x = [cx.input(0), cx.input(1), cx.input(2)];
        let [mut q, mut k, mut v] = [0, 1, 2].map(|i| alloc::scratch(x[i].len()));
        let to = Gradients::Apart { q: &mut q, k: &mut k, v: &mut v };
        let dbias = self.0.gradients(cx, [&x[0], &x[1], &x[2]], 3, [&cx.output(), g], to);
        // As the output lies: a projection behind it finds its gradient in the order of its own.
        let like =
            |buf, x: &Tensor<T>| Some(Tensor::from_buf(buf, &[x.dim(0), x.dim(2), x.dim(1), x.dim(3)]).transpose(1, 2));
        [like(q, &x[0]), like(k, &x[1]), like(v, &x[2])].into_iter().chain(cx.has_input(3).then_some(dbias)).collect()
    }
    fn composite(&self, x: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(attention_composite(&x[0], &x[1], &x[2], self.0.mask(x.get(3)), self.0.shape.scale))
    }
}

/// q, k and v side by side in one tensor.
struct Joint<T: Float>(Fused<T>);

impl<T: Float> Op<T> for Joint<T> {
    fn name(&self) -> &'static str {
        "self_attention"
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn flops(&self, _: &[&[usize]], _: &[usize]) -> u64 {
        self.0.flops()
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let qkv = cx.input(0).detach();
        let [q, k, v] = apart(&qkv);
        let mut to = alloc::scratch(qkv.len());
        let (out, g) = (cx.output().detach().transpose(1, 2), g.transpose(1, 2));
        let dbias = self.0.gradients(cx, [&q, &k, &v], 1, [&out, &g], Gradients::Joint(&mut to));
        [Some(Tensor::from_buf(to, qkv.shape()))].into_iter().chain(cx.has_input(1).then_some(dbias)).collect()
    }
    fn composite(&self, x: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(self_attention_composite(&x[0], self.0.mask(x.get(1)), self.0.shape.scale))
    }
}

/// weights·v from elementary operations.
pub(crate) fn attention_composite<T: Float>(
    q: &Tensor<T>,
    k: &Tensor<T>,
    v: &Tensor<T>,
    mask: Mask<'_, T>,
    scale: f64,
) -> Tensor<T> {
    q.attention_weights(k, mask, Some(scale)).matmul(v)
}

/// The same of a joint tensor.
pub(crate) fn self_attention_composite<T: Float>(qkv: &Tensor<T>, mask: Mask<'_, T>, scale: f64) -> Tensor<T> {
    let [q, k, v] = apart(qkv);
    attention_composite(&q, &k, &v, mask, scale).transpose(1, 2)
}

/// q, k and v, `[batch, heads, tokens, size]` each, of `[batch, tokens, 3, heads, size]`.
fn apart<T: Float>(qkv: &Tensor<T>) -> [Tensor<T>; 3] {
    let qkv = qkv.permute([2, 0, 3, 1, 4]);
    [0, 1, 2].map(|i| qkv.select(0, i))
}

/// The same with each token's numbers next to each other, as the kernel reads them.
fn whole_tokens<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    let dense = x.layout().strides[3] == 1 || x.dim(3) == 1;
    if dense { x.detach() } else { x.detach().contiguous() }
}

/// `[batch, heads, tokens, size]` as the kernel takes it.
fn heads<T: Float>(x: &Tensor<T>) -> Heads<'_, T> {
    let (strided, strides) = (x.strided(), &x.layout().strides);
    Heads {
        data: &strided.data[strided.offset.min(strided.data.len())..],
        strides: [strides[0], strides[1], strides[2]],
    }
}

/// `[batch, heads, queries, keys]` as the kernel takes a bias.
fn scores<T: Float>(x: &Tensor<T>) -> Bias<'_, T> {
    let (strided, strides) = (x.strided(), &x.layout().strides);
    let data = &strided.data[strided.offset.min(strided.data.len())..];
    Bias { data, strides: [strides[0], strides[1], strides[2], strides[3]] }
}

/// The usual scale of scores of so many numbers.
pub(crate) fn usual(size: usize) -> f64 {
    // Of none any scale gives scores of 0, but an infinite one would give NaN beside padding.
    1.0 / (size.max(1) as f64).sqrt()
}

/// Runs the kernel: its result as `[batch, queries, heads, size]`, the bias of the scores, and what its rule keeps.
#[track_caller]
fn forward<T: Float>(
    op: &str,
    x: [&Tensor<T>; 3],
    mask: Mask<'_, T>,
    scale: Option<f64>,
) -> (Tensor<T>, Option<Tensor<T>>, Fused<T>) {
    let [q, k, v] = x;
    check(op, q, k, mask);
    assert!(k.shape() == v.shape(), "{op}: keys {:?} and values {:?} differ", k.shape(), v.shape());
    let shape = Attention {
        batch: q.dim(0),
        heads: q.dim(1),
        queries: q.dim(2),
        keys: k.dim(2),
        size: q.dim(3),
        causal: mask.causal,
        scale: scale.unwrap_or(usual(q.dim(3))),
    };
    let [batch, count, queries] = [shape.batch, shape.heads, shape.queries];
    let bias = mask.scores(op, [batch, count, queries, shape.keys]);
    let (mut out, mut sums) = (alloc::scratch(q.len()), alloc::scratch(2 * batch * count * queries));
    let x = x.map(whole_tokens);
    let hidden = mask.padding.map(Tensor::data);
    let [q, k, v] = [&x[0], &x[1], &x[2]].map(heads);
    kernel::attention(&shape, q, k, v, hidden.as_deref(), bias.as_ref().map(scores), &mut out, &mut sums);
    let y = Tensor::from_buf(out, &[batch, queries, count, shape.size]);
    let sums = Tensor::from_buf(sums, &[2, batch, count, queries]);
    (y, bias, Fused { shape, padding: mask.padding.cloned(), sums })
}

#[track_caller]
fn check<T: Float>(op: &str, q: &Tensor<T>, k: &Tensor<T>, mask: Mask<'_, T>) {
    let (a, b) = (q.shape(), k.shape());
    let fits = a.len() == 4 && b.len() == 4 && a[..2] == b[..2] && a[3] == b[3];
    assert!(fits, "{op}: queries {a:?} and keys {b:?} are not [batch, heads, tokens, size] with equal sizes");
    if let Some(padding) = mask.padding {
        let found = padding.shape();
        assert!(found == [b[0], b[2]], "{op}: the padding mask has shape {found:?}, expected [{}, {}]", b[0], b[2]);
    }
}

impl<T: Float> Tensor<T> {
    /// softmax(scale·q·kᵀ + bias)·v of every head, for queries `[batch, heads, queries, size]` (this tensor), keys
    /// `[batch, heads, keys, size]` and values `[batch, heads, keys, width]`; the scale is 1/√size unless given. A query that
    /// sees no key gives zeros and has no gradient, where PyTorch gives NaN.
    ///
    /// Vaswani et al. 2017, arXiv:1706.03762, eq. (1), in tiles: memory is linear in the lengths (Dao et al. 2022,
    /// arXiv:2205.14135). Operands may be views of a projection; the result lies as `[batch, queries, heads, size]`, so
    /// that joining its heads copies nothing. Where size and width differ, it costs what the larger of the two would, and copies.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn scaled_dot_product_attention(&self, k: &Self, v: &Self, mask: Mask<'_, T>, scale: Option<f64>) -> Self {
        let other_width = v.rank() == 4 && k.rank() == 4 && v.shape()[..3] == k.shape()[..3] && v.dim(3) != k.dim(3);
        if other_width {
            check("scaled_dot_product_attention", self, k, mask);
            // The kernel knows one width. Zeros change no score, and as values they give zeros.
            let wide = |x: &Self| x.pad_axis(3, 0, k.dim(3).max(v.dim(3)));
            let scale = scale.unwrap_or(usual(k.dim(3)));
            let y = wide(self).scaled_dot_product_attention(&wide(k), &wide(v), mask, Some(scale));
            return y.narrow(3, 0, v.dim(3));
        }
        let (y, bias, fused) = forward("scaled_dot_product_attention", [self, k, v], mask, scale);
        let y = y.transpose(1, 2);
        match &bias {
            Some(bias) => Tensor::record(Apart(fused), &[self, k, v, bias], y),
            None => Tensor::record(Apart(fused), &[self, k, v], y),
        }
    }

    /// [`Tensor::scaled_dot_product_attention`] of queries, keys and values side by side, `[batch, tokens, 3, heads,
    /// size]`: what one projection gives. The result is `[batch, tokens, heads, size]`. Nothing is moved before or behind
    /// it, nor in the backward pass.
    ///
    /// # Panics
    /// If the shape is another.
    #[track_caller]
    pub fn self_attention(&self, mask: Mask<'_, T>, scale: Option<f64>) -> Self {
        let shape = self.shape();
        let fits = shape.len() == 5 && shape[2] == 3;
        assert!(fits, "self_attention: {shape:?} is not [batch, tokens, 3, heads, size]");
        let [q, k, v] = apart(&self.detach());
        let (y, bias, fused) = forward("self_attention", [&q, &k, &v], mask, scale);
        match &bias {
            Some(bias) => Tensor::record(Joint(fused), &[self, bias], y),
            None => Tensor::record(Joint(fused), &[self], y),
        }
    }

    /// softmax(scale·q·kᵀ + bias), `[batch, heads, queries, keys]`: how much each query of
    /// [`Tensor::scaled_dot_product_attention`] takes of each value. Zeros for a query that sees no key.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn attention_weights(&self, k: &Self, mask: Mask<'_, T>, scale: Option<f64>) -> Self {
        check("attention_weights", self, k, mask);
        // Scaling q costs less than scaling the scores, of which there are more.
        let bias = mask.scores("attention_weights", [self.dim(0), self.dim(1), self.dim(2), k.dim(2)]);
        let scores = self.affine(scale.unwrap_or(usual(self.dim(3))), 0.0).matmul(&k.t());
        let never = bias.as_ref().map(|bias| bias.eq_scalar(T::NEG_INFINITY));
        let scores = match (bias, &never) {
            (Some(bias), Some(never)) => scores + bias.masked_fill(never, T::ZERO),
            _ => scores,
        };
        let hidden = either(mask.hidden(self.dim(2), k.dim(2)), never);
        let Some(hidden) = hidden.filter(|hidden| !hidden.is_empty()) else { return scores.softmax(3) };
        let scores = scores.masked_fill(&hidden, T::NEG_INFINITY);
        // Where all are hidden any finite scores keep the softmax and its gradient from being NaN.
        let none = scores.detach().max_keep(3).eq_scalar(T::NEG_INFINITY);
        scores.masked_fill(&none, T::ZERO).softmax(3).masked_fill(&hidden, T::ZERO)
    }
}
