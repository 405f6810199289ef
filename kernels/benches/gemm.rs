//! Matrix products of common shapes through the door, on every instruction set and on 1 and 2 threads.
//!
//! Throughput counts multiplications with their
//! addition: an element a nanosecond is 2 GFLOP/s.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etude_kernels::gemm::{Accumulate, Mat, matmul};
use etude_kernels::isa::{self, Isa};
use etude_kernels::par;

/// name, m, n, k, whether A and B are stored transposed.
const SHAPES: [(&str, [usize; 3], bool, bool); 7] = [
    ("512³", [512, 512, 512], false, false),
    ("1024³", [1024, 1024, 1024], false, false),
    ("mlp forward x·Wᵀ", [128, 512, 784], false, true),
    ("mlp gradient gᵀ·x", [512, 784, 128], true, false),
    ("thin 50176×32×288", [50176, 32, 288], false, false),
    ("lstm step h·Wᵀ", [16, 2048, 1024], false, true),
    ("vector × matrix", [1, 4096, 4096], false, false),
];

fn operand(data: &[f32], rows: usize, cols: usize, transposed: bool) -> Mat<'_, f32> {
    if transposed { Mat::row_major(data, cols, rows).t() } else { Mat::row_major(data, rows, cols) }
}

fn products(criterion: &mut Criterion) {
    for (name, [m, n, k], a_transposed, b_transposed) in SHAPES {
        let (a, b) = (vec![0.5f32; m * k], vec![0.25f32; k * n]);
        let (a, b) = (operand(&a, m, k, a_transposed), operand(&b, k, n, b_transposed));
        let mut c = vec![0f32; m * n];
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((m * n * k) as u64)).sample_size(20);
        for isa in Isa::available().into_iter().skip(1) {
            for threads in [1, 2] {
                group.bench_function(BenchmarkId::new(isa.name(), threads), |bencher| {
                    let mut run = || matmul(&mut c, a, b, Accumulate::No);
                    bencher.iter(|| isa::with(isa, || par::with_threads(threads, &mut run)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
