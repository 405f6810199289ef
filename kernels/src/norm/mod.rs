//! Layer and batch normalisation.

use crate::elem::Real;

/// Each row: (x − mean) / √(var + eps) · w + b.
#[allow(clippy::too_many_arguments)]
#[track_caller]
pub fn layer_norm<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    b: Option<&[T]>,
    eps: f64,
    rows: usize,
    n: usize,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    for r in 0..rows {
        let row = &x[r * n..(r + 1) * n];
        let m = row.iter().map(|x| x.to_f64()).sum::<f64>() / n as f64;
        let var = row.iter().map(|x| (x.to_f64() - m).powi(2)).sum::<f64>() / n as f64;
        let rs = 1.0 / (var + eps).sqrt();
        mean[r] = T::from_f64(m);
        rstd[r] = T::from_f64(rs);
        for i in 0..n {
            let y = (row[i].to_f64() - m) * rs;
            out[r * n + i] = T::from_f64(y * w.map_or(1.0, |w| w[i].to_f64()) + b.map_or(0.0, |b| b[i].to_f64()));
        }
    }
}

/// The gradients of [`layer_norm`].
#[allow(clippy::too_many_arguments)]
#[track_caller]
pub fn layer_norm_grad<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    mean: &[T],
    rstd: &[T],
    g: &[T],
    rows: usize,
    n: usize,
    dx: &mut [T],
    mut dw: Option<&mut [T]>,
    mut db: Option<&mut [T]>,
) {
    if let Some(dw) = dw.as_deref_mut() {
        dw.fill(T::ZERO);
    }
    if let Some(db) = db.as_deref_mut() {
        db.fill(T::ZERO);
    }
    for r in 0..rows {
        let (m, rs) = (mean[r].to_f64(), rstd[r].to_f64());
        let hat = |i: usize| (x[r * n + i].to_f64() - m) * rs;
        let gw = |i: usize| g[r * n + i].to_f64() * w.map_or(1.0, |w| w[i].to_f64());
        let a = (0..n).map(gw).sum::<f64>() / n as f64;
        let c = (0..n).map(|i| gw(i) * hat(i)).sum::<f64>() / n as f64;
        for i in 0..n {
            dx[r * n + i] = T::from_f64(rs * (gw(i) - a - hat(i) * c));
            if let Some(dw) = dw.as_deref_mut() {
                dw[i] += T::from_f64(g[r * n + i].to_f64() * hat(i));
            }
            if let Some(db) = db.as_deref_mut() {
                db[i] += g[r * n + i];
            }
        }
    }
}

/// Each channel of [batch, channels, inner]: (x − mean) / √(var + eps) · w + b with the batch's own statistics.
#[allow(clippy::too_many_arguments)]
#[track_caller]
pub fn batch_norm<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    b: Option<&[T]>,
    eps: f64,
    batch: usize,
    channels: usize,
    inner: usize,
    out: &mut [T],
    mean: &mut [T],
    var: &mut [T],
) {
    let count = (batch * inner) as f64;
    for c in 0..channels {
        let all = || (0..batch).flat_map(|s| (s * channels + c) * inner..(s * channels + c + 1) * inner);
        let m = all().map(|i| x[i].to_f64()).sum::<f64>() / count;
        let v = all().map(|i| (x[i].to_f64() - m).powi(2)).sum::<f64>() / count;
        mean[c] = T::from_f64(m);
        var[c] = T::from_f64(v);
        let rs = 1.0 / (v + eps).sqrt();
        for i in all() {
            let y = (x[i].to_f64() - m) * rs;
            out[i] = T::from_f64(y * w.map_or(1.0, |w| w[c].to_f64()) + b.map_or(0.0, |b| b[c].to_f64()));
        }
    }
}

/// The gradients of [`batch_norm`].
#[allow(clippy::too_many_arguments)]
#[track_caller]
pub fn batch_norm_grad<T: Real>(
    x: &[T],
    w: Option<&[T]>,
    mean: &[T],
    var: &[T],
    eps: f64,
    g: &[T],
    batch: usize,
    channels: usize,
    inner: usize,
    dx: &mut [T],
    mut dw: Option<&mut [T]>,
    mut db: Option<&mut [T]>,
) {
    let count = (batch * inner) as f64;
    for c in 0..channels {
        let all = || (0..batch).flat_map(|s| (s * channels + c) * inner..(s * channels + c + 1) * inner);
        let (m, rs) = (mean[c].to_f64(), 1.0 / (var[c].to_f64() + eps).sqrt());
        let sum = all().map(|i| g[i].to_f64()).sum::<f64>();
        let dot = all().map(|i| g[i].to_f64() * (x[i].to_f64() - m) * rs).sum::<f64>();
        let scale = rs * w.map_or(1.0, |w| w[c].to_f64());
        for i in all() {
            let hat = (x[i].to_f64() - m) * rs;
            dx[i] = T::from_f64(scale * (g[i].to_f64() - sum / count - hat * dot / count));
        }
        if let Some(dw) = dw.as_deref_mut() {
            dw[c] = T::from_f64(dot);
        }
        if let Some(db) = db.as_deref_mut() {
            db[c] = T::from_f64(sum);
        }
    }
}
