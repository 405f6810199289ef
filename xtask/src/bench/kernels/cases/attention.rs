//! Attention over heads of one joint projection, forward and backward.

use etude_kernels::attention::{Attention, Gradients, Heads, attention, attention_grad};
use etude_kernels::buf::Buf;
use etude_kernels::elem::Real;

use super::{Case, Title, Work, normals, subject, zeros};
use crate::bench::kernels::roofline::Cost;
use crate::bench::kernels::subject::Subject;

/// Batch, heads, tokens, size; whether causal.
const SHAPES: [(&str, [usize; 4], bool); 4] = [
    ("GPT of characters, causal", [8, 6, 256, 64], true),
    ("GPT-2's prompt, causal", [1, 12, 128, 64], true),
    ("MiniLM, with a mask", [32, 12, 64, 32], false),
    ("long, causal", [1, 8, 4096, 64], true),
];

/// Both directions on all shapes: batch × heads × tokens × size.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (kernel, backward) in [("attention", false), ("attention_grad", true)] {
        for (note, [batch, heads, tokens, size], causal) in SHAPES {
            let pairs = if causal { tokens * (tokens + 1) / 2 } else { tokens * tokens };
            // Scores and their sum of values; scores anew, and the gradients of p, q, k and v.
            let products = if backward { 5 } else { 2 };
            let flop = 2.0 * (products * batch * heads * pairs * size) as f64;
            let each = 4.0 * (batch * heads * tokens * size) as f64;
            let (reads, writes) = if backward { (5.0 * each, 3.0 * each) } else { (3.0 * each, each) };
            let title = Title { group: "attention", kernel, note, shape: vec![batch, heads, tokens, size] };
            let scale = 1.0 / (size as f64).sqrt();
            let s = Attention { batch, heads, queries: tokens, keys: tokens, size, causal, scale };
            all.push(subject(title, Cost::new(flop, reads, writes), Tiled { s, backward }));
        }
    }
    all
}

struct Tiled {
    s: Attention,
    backward: bool,
}

impl Case for Tiled {
    fn work<T: Real>(&self) -> Work<T> {
        let s = self.s;
        let row = s.heads * s.size;
        let tokens = s.batch * s.keys;
        let qkv = normals::<T>(3 * tokens * row, 1);
        // Nothing is hidden, but the mask is there.
        let hidden = (!s.causal).then(|| vec![false; tokens]);
        let forward = move |qkv: &[T], hidden: &Option<Vec<bool>>, out: &mut [T], sums: &mut [T]| {
            let [q, k, v] = parts(&s, qkv);
            attention(&s, q, k, v, hidden.as_deref(), None, out, sums);
        };
        let mut sums: Buf<T> = zeros(2 * tokens * s.heads);
        if !self.backward {
            return Work::new(tokens * row, move |out| forward(&qkv, &hidden, out, &mut sums));
        }
        let (mut out, g) = (zeros::<T>(tokens * row), normals::<T>(tokens * row, 2));
        forward(&qkv, &hidden, &mut out, &mut sums);
        Work::new(3 * tokens * row, move |gradient| {
            let [q, k, v] = parts(&s, &qkv);
            let g = Heads { data: &g, strides: [s.queries * row, s.size, row] };
            let to = Gradients::Joint(gradient);
            attention_grad(&s, q, k, v, hidden.as_deref(), None, &out, &sums, g, to, None);
        })
    }
}

/// Queries, keys and values of `[batch, tokens, 3, heads, size]`.
fn parts<'a, T>(s: &Attention, qkv: &'a [T]) -> [Heads<'a, T>; 3] {
    let row = s.heads * s.size;
    [0, 1, 2].map(|i| Heads { data: &qkv[i * row..], strides: [s.queries * 3 * row, s.size, 3 * row] })
}
