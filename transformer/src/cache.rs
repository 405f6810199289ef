//! The key–value cache: what a decoder remembers of the tokens before.
//!
//! Causal attention never changes the keys and values of earlier positions, so a step needs to compute those of its own
//! tokens only.

use etude_autograd::Tensor;

/// Keys and values of every layer, `[batch, heads, tokens, head size]` each.
///
/// There is room for more tokens than are remembered, and it doubles when they outgrow it: a token costs its own keys and
/// values, not a copy of all before it.
#[derive(Clone, Debug)]
pub struct KvCache {
    layers: Vec<Option<Kept>>,
}

/// What one layer remembers: the first `len` tokens of two tensors `[batch, heads, room, head size]`.
#[derive(Clone, Debug)]
struct Kept {
    len: usize,
    keys: Tensor,
    values: Tensor,
}

impl KvCache {
    pub(crate) fn new(layers: usize) -> Self {
        KvCache { layers: vec![None; layers] }
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.layers.first().and_then(Option::as_ref).map_or(0, |kept| kept.len)
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.layers.fill(None);
    }

    /// Appends to one layer and gives all that it knows then. No graph is kept.
    pub(crate) fn extend(&mut self, layer: usize, k: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let tokens = k.dim(2);
        let kept = self.layers[layer].get_or_insert_with(|| Kept {
            len: 0,
            keys: room_for(tokens, k),
            values: room_for(tokens, v),
        });
        append(&mut kept.keys, kept.len, k);
        append(&mut kept.values, kept.len, v);
        kept.len += tokens;
        (kept.keys.narrow(2, 0, kept.len), kept.values.narrow(2, 0, kept.len))
    }
}

/// Zeros for at least so many tokens, otherwise shaped as `x`.
fn room_for(tokens: usize, x: &Tensor) -> Tensor {
    Tensor::zeros([x.dim(0), x.dim(1), tokens.next_power_of_two(), x.dim(3)])
}

/// Writes the tokens of `x` behind the first `len` of `store`. In place, since the views that a step took are gone.
fn append(store: &mut Tensor, len: usize, x: &Tensor) {
    let (tokens, size) = (x.dim(2), x.dim(3));
    if len + tokens > store.dim(2) {
        let old = std::mem::replace(store, room_for(len + tokens, x));
        append(store, 0, &old.narrow(2, 0, len));
    }
    let (x, plane) = (x.contiguous(), store.dim(2) * size);
    let new = x.as_slice().expect("just made contiguous").chunks_exact(tokens * size);
    for (to, from) in store.make_mut().chunks_exact_mut(plane).zip(new) {
        to[len * size..(len + tokens) * size].copy_from_slice(from);
    }
}
