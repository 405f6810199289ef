//! Elementwise, reduction and row kernels on one thread, in cache (64 Ki elements) and out of it (16 Mi).
//!
//! `cargo bench -p etude-kernels --bench elementwise -- FILTER`; criterion prints elements per second.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use etude_kernels::ew::{self, Binary, Unary};
use etude_kernels::optim::{Adam, adam};
use etude_kernels::reduce::{Reduce, reduce};
use etude_kernels::strided::Strided;
use etude_kernels::{isa, norm, par, rng::Rng, softmax};

fn normals(n: usize) -> Vec<f32> {
    let mut x = vec![0.0; n];
    Rng::new(1).fill_normal(&mut x);
    x
}

fn unary(c: &mut Criterion, n: usize) {
    let mut group = c.benchmark_group(format!("unary_{n}_{}", isa::current()));
    group.throughput(Throughput::Elements(n as u64)).sample_size(20);
    let (x, mut out) = (normals(n), vec![0.0; n]);
    for op in [
        Unary::Relu,
        Unary::Exp,
        Unary::Ln,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Gelu,
        Unary::GeluTanh,
        Unary::Silu,
        Unary::Softplus,
        Unary::Sin,
    ] {
        group.bench_function(format!("{op:?}"), |b| b.iter(|| ew::unary(op, &x, &mut out)));
    }
    group.bench_function("gelu_grad", |b| b.iter(|| ew::unary_grad(Unary::Gelu, &x, &x, &mut out)));
    group.finish();
}

fn rest(c: &mut Criterion, n: usize) {
    let mut group = c.benchmark_group(format!("rest_{n}_{}", isa::current()));
    group.throughput(Throughput::Elements(n as u64)).sample_size(20);
    let (x, mut out) = (normals(n), vec![0.0; n]);
    let view = |strides| Strided { data: &x[..], offset: 0, strides };
    group.bench_function("add", |b| b.iter(|| ew::binary(Binary::Add, view(&[1]), view(&[1]), &[n], &mut out)));
    group.bench_function("add_row", |b| {
        b.iter(|| ew::binary(Binary::Add, view(&[1024, 1]), view(&[0, 1]), &[n / 1024, 1024], &mut out));
    });
    group.bench_function("sum", |b| b.iter(|| reduce(Reduce::Sum, &x, 1, n, 1, &mut out[..1])));
    group.bench_function("max", |b| b.iter(|| reduce(Reduce::Max, &x, 1, n, 1, &mut out[..1])));
    group.bench_function("sum_rows", |b| b.iter(|| reduce(Reduce::Sum, &x, n / 1024, 1024, 1, &mut out[..n / 1024])));
    group.bench_function("sum_columns", |b| b.iter(|| reduce(Reduce::Sum, &x, 1, n / 1024, 1024, &mut out[..1024])));
    for width in [128, 1024] {
        let rows = n / width;
        group.bench_function(format!("softmax_{width}"), |b| b.iter(|| softmax::softmax(&x, rows, width, &mut out)));
        let (mut mean, mut rstd) = (vec![0.0; rows], vec![0.0; rows]);
        group.bench_function(format!("layer_norm_{width}"), |b| {
            b.iter(|| norm::layer_norm(&x, None, None, 1e-5, rows, width, &mut out, &mut mean, &mut rstd));
        });
    }
    let hyper = Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 10 };
    let states = || (normals(n), vec![0.0; n], vec![1.0; n]);
    group.bench_function("adam", |b| {
        b.iter_batched_ref(states, |(p, m, v)| adam(p, &x, m, v, &hyper), BatchSize::LargeInput);
    });
    group.bench_function("fill_normal", |b| b.iter(|| Rng::new(1).fill_normal(&mut out)));
    group.bench_function("fill_uniform", |b| b.iter(|| Rng::new(1).fill_uniform(&mut out)));
    group.finish();
}

fn all(c: &mut Criterion) {
    par::with_threads(1, || {
        for n in [64 << 10, 16 << 20] {
            unary(c, n);
            rest(c, n);
        }
    });
}

criterion_group!(benches, all);
criterion_main!(benches);
