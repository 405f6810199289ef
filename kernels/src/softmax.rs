//! Softmax, its logarithm, and the cross-entropy of class targets, over rows.

use crate::elem::Real;

#[track_caller]
fn check(name: &str, len: usize, rows: usize, n: usize) {
    assert_eq!(len, rows * n, "{name}: not {rows} rows of {n}");
}

/// Each row: e^(x − m) / Σ e^(x − m), m its maximum.
#[track_caller]
pub fn softmax<T: Real>(x: &[T], rows: usize, n: usize, out: &mut [T]) {
    log_softmax(x, rows, n, out);
    out.iter_mut().for_each(|y| *y = T::from_f64(y.to_f64().exp()));
}

/// dx = y (g − Σ g y).
#[track_caller]
pub fn softmax_grad<T: Real>(y: &[T], g: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("softmax_grad", out.len(), rows, n);
    for r in 0..rows {
        let at = r * n..(r + 1) * n;
        let dot: T = y[at.clone()].iter().zip(&g[at.clone()]).map(|(&y, &g)| y * g).sum();
        for i in at {
            out[i] = y[i] * (g[i] - dot);
        }
    }
}

/// Each row: x − logsumexp x.
#[track_caller]
pub fn log_softmax<T: Real>(x: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("log_softmax", x.len(), rows, n);
    check("log_softmax", out.len(), rows, n);
    let mut lse = vec![T::ZERO; rows];
    logsumexp(x, rows, n, &mut lse);
    for r in 0..rows {
        for i in r * n..(r + 1) * n {
            out[i] = x[i] - lse[r];
        }
    }
}

/// dx = g − e^y Σ g.
#[track_caller]
pub fn log_softmax_grad<T: Real>(y: &[T], g: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("log_softmax_grad", out.len(), rows, n);
    for r in 0..rows {
        let at = r * n..(r + 1) * n;
        let sum: T = g[at.clone()].iter().copied().sum();
        for i in at {
            out[i] = g[i] - T::from_f64(y[i].to_f64().exp()) * sum;
        }
    }
}

/// ln Σ eˣ of each row.
#[track_caller]
pub fn logsumexp<T: Real>(x: &[T], rows: usize, n: usize, out: &mut [T]) {
    check("logsumexp", x.len(), rows, n);
    for r in 0..rows {
        let row = &x[r * n..(r + 1) * n];
        let m = row.iter().fold(T::NEG_INFINITY, |a, &b| if a > b { a } else { b });
        let sum: f64 = row.iter().map(|x| (x.to_f64() - m.to_f64()).exp()).sum();
        out[r] = T::from_f64(m.to_f64() + sum.ln());
    }
}

/// Each row: logsumexp x − x[target].
#[track_caller]
pub fn cross_entropy<T: Real>(logits: &[T], targets: &[i64], rows: usize, n: usize, losses: &mut [T]) {
    logsumexp(logits, rows, n, losses);
    for r in 0..rows {
        losses[r] = losses[r] - logits[r * n + targets[r] as usize];
    }
}

/// Each row: g (softmax x − onehot target).
#[track_caller]
pub fn cross_entropy_grad<T: Real>(logits: &[T], targets: &[i64], g: &[T], rows: usize, n: usize, out: &mut [T]) {
    softmax(logits, rows, n, out);
    for r in 0..rows {
        let row = &mut out[r * n..(r + 1) * n];
        row[targets[r] as usize] = row[targets[r] as usize] - T::ONE;
        row.iter_mut().for_each(|x| *x *= g[r]);
    }
}
