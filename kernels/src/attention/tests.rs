//! Attention against its definition in f64, on every instruction set, and the promises of its documentation.

use super::{Attention, Bias, Gradients, Heads, attention, attention_grad};
use crate::elem::Real;
use crate::isa::{self, Isa};
use crate::{par, rng::Rng};

/// Numbers of a standard normal distribution.
fn normals<T: Real>(len: usize, seed: u64) -> Vec<T> {
    let mut x = vec![0f32; len];
    Rng::new(seed).fill_normal(&mut x);
    x.into_iter().map(|x| T::from_f64(f64::from(x))).collect()
}

/// Operands of `[batch, tokens, heads, size]`.
#[derive(Clone)]
struct Operands<T> {
    s: Attention,
    q: Vec<T>,
    k: Vec<T>,
    v: Vec<T>,
    hidden: Option<Vec<bool>>,
    /// The bias and its strides.
    bias: Option<(Vec<T>, [usize; 4])>,
}

impl<T> Operands<T> {
    fn bias(&self) -> Option<Bias<'_, T>> {
        self.bias.as_ref().map(|(data, strides)| Bias { data, strides: *strides })
    }
}

fn dense<'a, T>(s: &Attention, data: &'a [T], tokens: usize) -> Heads<'a, T> {
    Heads { data, strides: [tokens * s.heads * s.size, s.size, s.heads * s.size] }
}

/// out, maxima and sums, dq, dk, dv, and the gradient of the bias for each pair, without one none.
fn all<T: Real>(o: &Operands<T>, g: &[T]) -> [Vec<T>; 6] {
    let s = &o.s;
    let (q, k, v) = (dense(s, &o.q, s.queries), dense(s, &o.k, s.keys), dense(s, &o.v, s.keys));
    let rows = s.batch * s.heads * s.queries;
    let (mut out, mut sums) = (vec![T::NAN; o.q.len()], vec![T::NAN; 2 * rows]);
    attention(s, q, k, v, o.hidden.as_deref(), o.bias(), &mut out, &mut sums);
    let (mut dq, mut dk, mut dv) = (vec![T::NAN; o.q.len()], vec![T::NAN; o.k.len()], vec![T::NAN; o.v.len()]);
    let gradients = Gradients::Apart { q: &mut dq, k: &mut dk, v: &mut dv };
    let mut dbias = vec![T::NAN; if o.bias.is_some() { rows * s.keys } else { 0 }];
    let to = o.bias.as_ref().map(|_| &mut dbias[..]);
    attention_grad(s, q, k, v, o.hidden.as_deref(), o.bias(), &out, &sums, dense(s, g, s.queries), gradients, to);
    [out, sums, dq, dk, dv, dbias]
}

/// The same by the definition, number by number in f64.
fn definition<T: Real>(o: &Operands<T>, g: &[T]) -> [Vec<f64>; 6] {
    let s = &o.s;
    let at = |tokens: usize, b: usize, h: usize, t: usize| ((b * tokens + t) * s.heads + h) * s.size;
    let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
    let (q, k, v, g) = (wide(&o.q), wide(&o.k), wide(&o.v), wide(g));
    let zeros = |x: &[f64]| vec![0.0; x.len()];
    let (mut out, mut dq, mut dk, mut dv) = (zeros(&q), zeros(&q), zeros(&k), zeros(&v));
    let (mut maxima, mut sums) = (Vec::new(), Vec::new());
    let mut dbias = vec![0.0; o.bias.as_ref().map_or(0, |_| s.batch * s.heads * s.queries * s.keys)];
    for (b, h, i) in
        (0..s.batch * s.heads * s.queries).map(|n| (n / s.queries / s.heads, n / s.queries % s.heads, n % s.queries))
    {
        let bias = |j: usize| {
            let at = |n: &[usize; 4]| b * n[0] + h * n[1] + i * n[2] + j * n[3];
            o.bias.as_ref().map_or(0.0, |(data, strides)| data[at(strides)].to_f64())
        };
        let sees = |j: usize| {
            let padding = o.hidden.as_ref().is_some_and(|hidden| hidden[b * s.keys + j]);
            !padding && bias(j) > f64::NEG_INFINITY && (!s.causal || j + s.queries <= i + s.keys)
        };
        let seen: Vec<usize> = (0..s.keys).filter(|&j| sees(j)).collect();
        let iq = at(s.queries, b, h, i);
        let dot = |x: &[f64], i: usize, y: &[f64], j: usize| (0..s.size).map(|c| x[i + c] * y[j + c]).sum::<f64>();
        let scores: Vec<f64> = seen.iter().map(|&j| s.scale * dot(&q, iq, &k, at(s.keys, b, h, j)) + bias(j)).collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|x| (x - top).exp()).sum();
        maxima.push(top);
        sums.push(sum);
        let p: Vec<f64> = scores.iter().map(|x| (x - top).exp() / sum).collect();
        for (&j, &p) in seen.iter().zip(&p) {
            (0..s.size).for_each(|c| out[iq + c] += p * v[at(s.keys, b, h, j) + c]);
        }
        let delta = dot(&g, iq, &out, iq);
        for (&j, &p) in seen.iter().zip(&p) {
            let jk = at(s.keys, b, h, j);
            let dscore = p * (dot(&g, iq, &v, jk) - delta);
            if !dbias.is_empty() {
                dbias[((b * s.heads + h) * s.queries + i) * s.keys + j] = dscore;
            }
            let ds = s.scale * dscore;
            for c in 0..s.size {
                dv[jk + c] += p * g[iq + c];
                dq[iq + c] += ds * k[jk + c];
                dk[jk + c] += ds * q[iq + c];
            }
        }
    }
    [out, [maxima, sums].concat(), dq, dk, dv, dbias]
}

fn operands<T: Real>(s: Attention, hides: Option<u64>) -> Operands<T> {
    let hidden = hides.map(|one_in| {
        let mut rng = Rng::new(9);
        (0..s.batch * s.keys).map(|_| rng.below(one_in as usize) == 0).collect()
    });
    let len = |tokens| s.batch * s.heads * tokens * s.size;
    let (q, k, v) = (normals(len(s.queries), 1), normals(len(s.keys), 2), normals(len(s.keys), 3));
    Operands { s, q, k, v, hidden, bias: None }
}

/// A bias for each head, each sequence, or every pair, one number in five −∞.
fn biases<T: Real>(s: &Attention) -> Vec<(Vec<T>, [usize; 4])> {
    let pairs = s.queries * s.keys;
    let all = [[0, 0, s.keys, 1], [0, pairs, s.keys, 1], [pairs, 0, 1, s.queries], [s.heads * pairs, pairs, s.keys, 1]];
    let drawn = |len| {
        let mut rng = Rng::new(11);
        normals::<T>(len, 10).into_iter().map(|x| if rng.below(5) == 0 { T::NEG_INFINITY } else { x }).collect()
    };
    all.map(|strides| (drawn(s.batch * s.heads * pairs), strides)).into()
}

fn sizes(batch: usize, heads: usize, queries: usize, keys: usize, size: usize, causal: bool) -> Attention {
    Attention { batch, heads, queries, keys, size, causal, scale: 1.0 / (size as f64).sqrt() }
}

/// Lengths around the edges of registers, squares and blocks; more heads than tasks, and fewer.
fn shapes() -> Vec<Attention> {
    vec![
        sizes(1, 1, 1, 1, 1, false),
        sizes(2, 3, 7, 7, 5, true),
        sizes(3, 4, 33, 17, 8, false),
        sizes(1, 2, 40, 29, 16, true),
        sizes(1, 2, 29, 40, 17, true),
        sizes(1, 1, 96, 97, 33, true),
        sizes(2, 1, 97, 96, 64, false),
        sizes(1, 1, 200, 200, 20, true),
        sizes(1, 1, 500, 300, 3, true),
        sizes(1, 9, 1, 210, 12, true),
    ]
}

fn close<T: Real>(what: &str, got: &[T], want: &[f64], tolerance: f64) {
    let largest = want.iter().filter(|x| x.is_finite()).fold(1e-3, |m: f64, x| m.max(x.abs()));
    for (i, (got, &want)) in got.iter().zip(want).enumerate() {
        let got = got.to_f64();
        let equal = got == want || (got - want).abs() <= tolerance * largest;
        assert!(equal, "{what}: number {i} is {got:e}, expected {want:e}");
    }
    assert_eq!(got.len(), want.len(), "{what}");
}

fn check<T: Real>(tolerance: f64) {
    for s in shapes() {
        for hides in [None, Some(4), Some(1)] {
            let plain = operands::<T>(s, hides);
            let g = normals::<T>(plain.q.len(), 4);
            for bias in biases(&s).into_iter().map(Some).chain([None]) {
                let o = Operands { bias, ..plain.clone() };
                let want = definition(&o, &g);
                let strides = o.bias.as_ref().map(|(_, strides)| strides);
                for isa in Isa::available() {
                    let got = isa::with(isa, || all(&o, &g));
                    let names = ["out", "sums", "dq", "dk", "dv", "dbias"];
                    for (what, (got, want)) in names.into_iter().zip(got.iter().zip(&want)) {
                        let what = format!("{what} of {s:?} hiding {hides:?}, bias {strides:?} on {isa}");
                        close(&what, got, want, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn it_equals_its_definition() {
    check::<f32>(2e-6);
    check::<f64>(1e-13);
}

#[test]
fn threads_change_no_bit() {
    for s in [sizes(1, 2, 700, 700, 16, true), sizes(5, 4, 40, 30, 8, false)] {
        let o = Operands { bias: biases(&s).pop(), ..operands::<f32>(s, Some(5)) };
        let g = normals(o.q.len(), 4);
        let bits = |n| par::with_threads(n, || all(&o, &g)).map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        let one = bits(1);
        [2, 3, 8].into_iter().for_each(|n| assert!(bits(n) == one, "{n} threads, {s:?}"));
    }
}

/// A decoder with a cache asks for its last queries only.
#[test]
fn a_query_alone_has_the_bits_that_it_has_among_others() {
    let s = sizes(1, 2, 230, 230, 24, true);
    let o = operands::<f32>(s, None);
    let whole = &all(&o, &o.q.clone())[0];
    let token = s.heads * s.size;
    for (from, to) in [(0, 1), (1, 100), (100, 197), (197, 230)] {
        let part = Operands {
            s: Attention { queries: to - from, keys: to, ..s },
            q: o.q[from * token..to * token].to_vec(),
            k: o.k[..to * token].to_vec(),
            v: o.v[..to * token].to_vec(),
            hidden: None,
            bias: None,
        };
        let got = &all(&part, &part.q.clone())[0];
        assert!(got.iter().zip(&whole[from * token..]).all(|(a, b)| a == b), "queries {from}..{to}");
    }
}

#[test]
fn padding_changes_no_bit_of_what_is_seen() {
    // So many heads that none is cut in ranges of keys.
    let s = sizes(1, 8, 40, 130, 16, false);
    let o = operands::<f32>(s, None);
    let g = normals::<f32>(o.q.len(), 4);
    let token = s.heads * s.size;
    // Every third key is new, and hidden.
    let spread =
        |x: &[f32]| x.chunks(2 * token).flat_map(|two| [two, &vec![f32::NAN; token]].concat()).collect::<Vec<_>>();
    let keys = s.keys / 2 * 3;
    let hidden = Some((0..keys).map(|i| i % 3 == 2).collect());
    let padded =
        Operands { s: Attention { keys, ..s }, q: o.q.clone(), k: spread(&o.k), v: spread(&o.v), hidden, bias: None };
    let ([out, sums, dq, dk, ..], [padded_out, padded_sums, padded_dq, padded_dk, ..]) =
        (all(&o, &g), all(&padded, &g));
    assert!((out, sums, dq) == (padded_out, padded_sums, padded_dq));
    let kept = |(i, x): (usize, &f32)| (i / token % 3 < 2).then_some(*x);
    assert!(dk == padded_dk.iter().enumerate().filter_map(kept).collect::<Vec<_>>());
    assert!(padded_dk.iter().enumerate().all(|(i, &x)| i / token % 3 < 2 || x == 0.0), "a hidden key has no gradient");
}

#[test]
fn a_joint_projection_is_read_and_its_gradient_written_in_place() {
    let s = sizes(2, 3, 50, 50, 12, true);
    let qkv = normals::<f32>(s.batch * s.queries * 3 * s.heads * s.size, 5);
    let third = s.heads * s.size;
    let part = |i: usize| Heads { data: &qkv[i * third..], strides: [s.queries * 3 * third, s.size, 3 * third] };
    let apart =
        |i: usize| qkv.chunks_exact(3 * third).flat_map(|t| t[i * third..][..third].to_vec()).collect::<Vec<_>>();
    let o = Operands { s, q: apart(0), k: apart(1), v: apart(2), hidden: None, bias: None };
    let g = normals::<f32>(o.q.len(), 6);
    let [out, sums, dq, dk, dv, _] = all(&o, &g);
    let [mut joint_out, mut joint_sums, mut joint] = [out.len(), sums.len(), qkv.len()].map(|len| vec![0.0; len]);
    attention(&s, part(0), part(1), part(2), None, None, &mut joint_out, &mut joint_sums);
    let to = Gradients::Joint(&mut joint);
    attention_grad(&s, part(0), part(1), part(2), None, None, &out, &sums, dense(&s, &g, s.queries), to, None);
    assert!((out, sums) == (joint_out, joint_sums));
    let tokens = dq.chunks(third).zip(dk.chunks(third)).zip(dv.chunks(third));
    assert!(joint == tokens.flat_map(|((q, k), v)| [q, k, v].concat()).collect::<Vec<_>>());
}

/// Beside a score of −10⁹ the logarithm of a sum of eight exponentials is lost in f32.
#[test]
fn a_large_bias_of_all_keys_changes_neither_result_nor_gradient() {
    let s = sizes(1, 2, 5, 8, 4, false);
    for low in [-1e9, f32::MIN] {
        let mut o = operands::<f32>(s, None);
        // Scores that are lost beside the bias: all keys weigh the same.
        let g = normals::<f32>(o.q.len(), 4);
        o.bias = Some((vec![low; s.queries * s.keys], [0, 0, s.keys, 1]));
        let got = all(&o, &g);
        o.q.fill(0.0);
        o.bias = None;
        let want = all(&o, &g);
        for (i, what) in [(0, "out"), (4, "dv")] {
            let want: Vec<f64> = want[i].iter().map(|&x| f64::from(x)).collect();
            close(&format!("{what} beside {low:e}"), &got[i], &want, 1e-6);
        }
    }
}

#[test]
fn nan_is_not_lost() {
    let s = sizes(1, 1, 20, 120, 8, false);
    for i in 0..3 {
        let mut o = operands::<f32>(s, None);
        [&mut o.q, &mut o.k, &mut o.v][i][13] = f32::NAN;
        let g = normals(o.q.len(), 4);
        let got = all(&o, &g);
        [0, 2, 3].into_iter().for_each(|n| assert!(got[n].iter().any(|x| x.is_nan()), "operand {i}, result {n}"));
    }
}

#[test]
#[should_panic(expected = "attention: k: a view of shape")]
fn an_operand_that_leaves_its_data_is_refused() {
    let mut o = operands::<f32>(sizes(1, 1, 4, 4, 4, false), None);
    o.k.pop();
    all(&o, &o.q.clone());
}

#[test]
#[should_panic(expected = "attention: bias: a view of shape [1, 1, 4, 4]")]
fn a_bias_that_leaves_its_data_is_refused() {
    let o = operands::<f32>(sizes(1, 1, 4, 4, 4, false), None);
    all(&Operands { bias: Some((vec![0.0; 15], [0, 0, 4, 1])), ..o.clone() }, &o.q);
}

/// A single key may lie at any stride: nothing is read beyond it.
#[test]
fn one_token_may_have_any_stride() {
    let s = Attention { batch: 1, heads: 1, queries: 1, keys: 1, size: 2, causal: false, scale: 1.0 };
    for isa in Isa::available() {
        for stride in [6_148_914_691_236_517_206, usize::MAX] {
            let k = Heads { data: &[1f32; 128], strides: [0, 0, stride] };
            let mut out = [0.0; 2];
            isa::with(isa, || attention(&s, k, k, k, None, None, &mut out, &mut [0.0; 2]));
            assert_eq!(out, [1.0, 1.0], "{isa}");
        }
    }
}
