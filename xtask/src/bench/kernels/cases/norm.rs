//! Layer, root-mean-square and batch normalisation, forward and backward.

use etude_kernels::elem::Real;
use etude_kernels::norm;

use super::{Case, Title, Work, elements, normals, subject, zeros};
use crate::bench::kernels::subject::Subject;

const EPS: f64 = 1e-5;

/// Rows and their length.
const LAYER: [(&str, [usize; 2]); 3] =
    [("in cache", [512, 128]), ("GPT", [2048, 384]), ("out of cache", [16_384, 1024])];

/// Images, channels, and elements of a plane.
const BATCH: [(&str, [usize; 3]); 2] = [("14 × 14", [64, 64, 196]), ("28 × 28", [64, 32, 784])];

/// All kernels on all shapes.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    let title = |kernel, note, shape| Title { group: "norm", kernel, note, shape };
    for (centred, name, grad) in [(true, "layer_norm", "layer_norm_grad"), (false, "rms_norm", "rms_norm_grad")] {
        for (note, [rows, n]) in LAYER {
            let shape = vec![rows, n];
            let forward = Layer { centred, rows, n, backward: false };
            all.push(subject(title(name, note, shape.clone()), elements(rows * n, rows * n), forward));
            let backward = Layer { centred, rows, n, backward: true };
            all.push(subject(title(grad, note, shape), elements(2 * rows * n, rows * n), backward));
        }
    }
    for (note, sizes) in BATCH {
        let len = sizes.iter().product();
        let forward = Batch { sizes, backward: false };
        all.push(subject(title("batch_norm", note, sizes.to_vec()), elements(len, len), forward));
        let backward = Batch { sizes, backward: true };
        all.push(subject(title("batch_norm_grad", note, sizes.to_vec()), elements(2 * len, len), backward));
    }
    all
}

struct Layer {
    /// Whether the mean is taken off.
    centred: bool,
    rows: usize,
    n: usize,
    backward: bool,
}

impl Case for Layer {
    fn work<T: Real>(&self) -> Work<T> {
        let Layer { centred, rows, n, backward } = *self;
        let (x, w, b) = (normals::<T>(rows * n, 1), normals::<T>(n, 2), normals::<T>(n, 3));
        let (mut mean, mut rstd) = (zeros(rows), zeros(rows));
        let forward = move |x: &[T], w: &[T], out: &mut [T], mean: &mut [T], rstd: &mut [T]| {
            if centred {
                norm::layer_norm(x, Some(w), Some(&b), EPS, rows, n, out, mean, rstd);
            } else {
                norm::rms_norm(x, Some(w), EPS, rows, n, out, rstd);
            }
        };
        if !backward {
            return Work::new(rows * n, move |out| forward(&x, &w, out, &mut mean, &mut rstd));
        }
        forward(&x, &w, &mut zeros(rows * n), &mut mean, &mut rstd);
        let (g, mut dw, mut db) = (normals::<T>(rows * n, 4), zeros(n), zeros(n));
        Work::new(rows * n, move |dx| {
            if centred {
                norm::layer_norm_grad(&x, Some(&w), &mean, &rstd, &g, rows, n, dx, Some(&mut dw), Some(&mut db));
            } else {
                norm::rms_norm_grad(&x, Some(&w), &rstd, &g, rows, n, dx, Some(&mut dw));
            }
        })
    }
}

struct Batch {
    sizes: [usize; 3],
    backward: bool,
}

impl Case for Batch {
    fn work<T: Real>(&self) -> Work<T> {
        let Batch { sizes: [batch, channels, inner], backward } = *self;
        let len = batch * channels * inner;
        let (x, w, b) = (normals::<T>(len, 1), normals::<T>(channels, 2), normals::<T>(channels, 3));
        let (mut mean, mut var) = (zeros(channels), zeros(channels));
        if !backward {
            return Work::new(len, move |out| {
                norm::batch_norm(&x, Some(&w), Some(&b), EPS, batch, channels, inner, out, &mut mean, &mut var);
            });
        }
        let mut out = zeros(len);
        norm::batch_norm(&x, Some(&w), Some(&b), EPS, batch, channels, inner, &mut out, &mut mean, &mut var);
        let (g, mut dw, mut db) = (normals::<T>(len, 4), zeros(channels), zeros(channels));
        Work::new(len, move |dx| {
            let (dw, db) = (Some(&mut dw[..]), Some(&mut db[..]));
            norm::batch_norm_grad(&x, Some(&w), &mean, &var, EPS, &g, batch, channels, inner, dx, dw, db);
        })
    }
}
