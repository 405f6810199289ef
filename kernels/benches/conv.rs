//! Convolutions of common shapes, forward and both gradients, on every instruction set and one thread.
//!
//! `cargo bench -p etude-kernels --bench conv -- FILTER`. Throughput counts multiplications with their addition: an element
//! a nanosecond is 2 GFLOP/s.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etude_kernels::conv::{self, Conv2d};
use etude_kernels::isa::{self, Isa};
use etude_kernels::par;

const fn square(
    batch: usize,
    channels: [usize; 2],
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Conv2d {
    Conv2d {
        batch,
        in_channels: channels[0],
        height: size,
        width: size,
        out_channels: channels[1],
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [1, 1],
        groups: 1,
    }
}

const SHAPES: [(&str, Conv2d); 4] = [
    ("3x3", square(64, [32, 64], 28, 3, 1, 1)),
    ("lenet", square(64, [1, 6], 28, 5, 1, 2)),
    ("dcgan", square(64, [64, 128], 16, 4, 2, 1)),
    ("1x1", square(16, [128, 128], 28, 1, 1, 0)),
];

fn convolutions(criterion: &mut Criterion) {
    for (name, shape) in SHAPES {
        let [oh, ow] = shape.output();
        let patch = shape.in_channels * shape.kernel[0] * shape.kernel[1];
        let mut x = vec![0.5f32; shape.batch * shape.in_channels * shape.height * shape.width];
        let mut w = vec![0.25f32; shape.out_channels * patch];
        let mut out = vec![0f32; shape.batch * shape.out_channels * oh * ow];
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((out.len() * patch) as u64)).sample_size(20);
        for isa in Isa::available().into_iter().skip(1) {
            let on = |call: &mut dyn FnMut()| isa::with(isa, || par::with_threads(1, call));
            group.bench_function(format!("forward/{isa}"), |b| {
                b.iter(|| on(&mut || conv::forward(&shape, &x, &w, None, &mut out)));
            });
            group.bench_function(format!("grad_input/{isa}"), |b| {
                b.iter(|| on(&mut || conv::grad_input(&shape, &w, &out, &mut x)));
            });
            group.bench_function(format!("grad_weight/{isa}"), |b| {
                b.iter(|| on(&mut || conv::grad_weight(&shape, &x, &out, &mut w)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
