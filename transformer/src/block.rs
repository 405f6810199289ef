//! A decoder block: causal self-attention and a two-layer net, each behind a norm and beside a residual path.
//!
//! Vaswani et al. 2017, arXiv:1706.03762, §3.1, with the norm first as in GPT-2 (Radford et al. 2019, §2.3). Parameter names
//! are GPT-2's: `ln_1`, `attn.c_attn`, `attn.c_proj`, `ln_2`, `mlp.c_fc`, `mlp.c_proj`; the weights are `[out, in]`, as
//! PyTorch's `Linear` has them.

use etude_autograd::Tensor;
use etude_nn::{Act, Ctx, Dropout, Layer, LayerNorm, Linear, Mask, Param, init, module};

use crate::cache::KvCache;

/// Sizes that all blocks of a model share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockSize {
    pub dim: usize,
    pub heads: usize,
    pub dropout: f64,
    /// Whether the linear maps have a bias.
    pub bias: bool,
    /// The activation of the two-layer net.
    pub act: Act,
    /// Number of residual additions in the model: the projections that feed them start smaller by its square root.
    pub residuals: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    ln_1: LayerNorm,
    attn: Attention,
    ln_2: LayerNorm,
    mlp: FeedForward,
}
module!(Block { ln_1, attn, ln_2, mlp });

#[derive(Clone, Debug)]
struct Attention {
    heads: usize,
    c_attn: Linear,
    c_proj: Linear,
    drop: Dropout,
}
module!(Attention { c_attn, c_proj; heads, drop });

#[derive(Clone, Debug)]
struct FeedForward {
    c_fc: Linear,
    c_proj: Linear,
    act: Act,
    drop: Dropout,
}
module!(FeedForward { c_fc, c_proj; act, drop });

/// Weights from N(0, std²), biases, if any, 0: GPT-2's initialisation.
pub(crate) fn linear(inputs: usize, outputs: usize, bias: bool, std: f64, cx: &mut Ctx) -> Linear {
    let weight = Param::new(init::normal([outputs, inputs], std, cx));
    Linear { weight, bias: bias.then(|| Param::new(Tensor::zeros([outputs]))) }
}

/// GPT-2's standard deviation of initial weights.
pub(crate) const STD: f64 = 0.02;

impl Block {
    pub fn new(size: &BlockSize, cx: &mut Ctx) -> Self {
        let BlockSize { dim, heads, dropout, bias, act, residuals } = *size;
        let scaled = STD / (residuals as f64).sqrt();
        Block {
            ln_1: LayerNorm::new(dim),
            attn: Attention {
                heads,
                c_attn: linear(dim, 3 * dim, bias, STD, cx),
                c_proj: linear(dim, dim, bias, scaled, cx),
                drop: Dropout::new(dropout),
            },
            ln_2: LayerNorm::new(dim),
            mlp: FeedForward {
                c_fc: linear(dim, 4 * dim, bias, STD, cx),
                c_proj: linear(4 * dim, dim, bias, scaled, cx),
                act,
                drop: Dropout::new(dropout),
            },
        }
    }

    /// `[batch, tokens, dim]` → the same; with a cache, the tokens follow those that it remembers.
    pub fn forward(&self, x: &Tensor, cache: Option<(&mut KvCache, usize)>, cx: &mut Ctx) -> Tensor {
        let normed = self.ln_1.forward(x, cx);
        let x = x + self.attn.forward(&normed, cache, cx);
        let normed = self.ln_2.forward(&x, cx);
        &x + self.mlp.forward(&normed, cx)
    }
}

impl Attention {
    fn forward(&self, x: &Tensor, cache: Option<(&mut KvCache, usize)>, cx: &mut Ctx) -> Tensor {
        let (batch, tokens, dim) = (x.dim(0), x.dim(1), x.dim(2));
        let size = dim / self.heads;
        let qkv = self.c_attn.forward(x, cx).reshape([batch, tokens, 3, self.heads, size]);
        // Vaswani et al. 2017, eq. (1), where the queries are the last of the keys' positions.
        let y = match cache {
            None => qkv.self_attention(Mask::causal(), None),
            Some((cache, layer)) => {
                // [3, batch, heads, tokens, size]
                let qkv = qkv.permute([2, 0, 3, 1, 4]);
                let (k, v) = cache.extend(layer, &qkv.select(0, 1), &qkv.select(0, 2));
                qkv.select(0, 0).scaled_dot_product_attention(&k, &v, Mask::causal(), None).transpose(1, 2)
            }
        };
        let y = y.reshape([batch, tokens, dim]);
        let y = self.c_proj.forward(&y, cx);
        self.drop.forward(&y, cx)
    }
}

impl FeedForward {
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let h = self.act.apply(&self.c_fc.forward(x, cx));
        let y = self.c_proj.forward(&h, cx);
        self.drop.forward(&y, cx)
    }
}
