//! Kernels over rows, forward and backward: softmax and layer normalisation on every instruction set and one thread.
//!
//! `cargo bench -p etude-kernels --bench softmax_norm -- FILTER`; criterion prints elements per second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etude_kernels::isa::{self, Isa};
use etude_kernels::{norm, par, rng::Rng, softmax};

/// Rows and their length: attention, a small vocabulary, a large one.
const SHAPES: [[usize; 2]; 3] = [[512, 128], [2048, 384], [64, 32_000]];

fn rows(criterion: &mut Criterion) {
    for [rows, n] in SHAPES {
        let mut x = vec![0f32; rows * n];
        Rng::new(1).fill_normal(&mut x);
        let (mut y, mut out) = (vec![0f32; rows * n], vec![0f32; rows * n]);
        softmax::softmax(&x, rows, n, &mut y);
        let (mut mean, mut rstd) = (vec![0f32; rows], vec![0f32; rows]);
        let mut group = criterion.benchmark_group(format!("{rows}x{n}"));
        group.throughput(Throughput::Elements((rows * n) as u64)).sample_size(20);
        for isa in Isa::available().into_iter().skip(1) {
            let on = |call: &mut dyn FnMut()| isa::with(isa, || par::with_threads(1, call));
            group.bench_function(format!("softmax/{isa}"), |b| {
                b.iter(|| on(&mut || softmax::softmax(&x, rows, n, &mut out)));
            });
            group.bench_function(format!("softmax_grad/{isa}"), |b| {
                b.iter(|| on(&mut || softmax::softmax_grad(&y, &x, rows, n, &mut out)));
            });
            group.bench_function(format!("layer_norm/{isa}"), |b| {
                b.iter(|| on(&mut || norm::layer_norm(&x, None, None, 1e-5, rows, n, &mut out, &mut mean, &mut rstd)));
            });
            group.bench_function(format!("layer_norm_grad/{isa}"), |b| {
                let mut call = || norm::layer_norm_grad(&x, None, &mean, &rstd, &y, rows, n, &mut out, None, None);
                b.iter(|| on(&mut call));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
