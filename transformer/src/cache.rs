//! The key–value cache: what a decoder remembers of the tokens before.
//!
//! Causal attention never changes the keys and values of earlier positions, so a step needs to compute those of its own
//! tokens only.

use etude_autograd::Tensor;

/// Keys and values of every layer, `[batch, heads, tokens, head size]` each.
#[derive(Clone, Debug)]
pub struct KvCache {
    layers: Vec<Option<(Tensor, Tensor)>>,
}

impl KvCache {
    pub(crate) fn new(layers: usize) -> Self {
        KvCache { layers: vec![None; layers] }
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.layers.first().and_then(Option::as_ref).map_or(0, |(k, _)| k.dim(2))
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.layers.fill(None);
    }

    /// Appends to one layer and gives all that it knows then.
    pub(crate) fn extend(&mut self, layer: usize, k: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let all = match &self.layers[layer] {
            Some((old_k, old_v)) => (Tensor::concat(&[old_k, k], 2), Tensor::concat(&[old_v, v], 2)),
            None => (k.clone(), v.clone()),
        };
        self.layers[layer] = Some((all.0.detach(), all.1.detach()));
        all
    }
}
