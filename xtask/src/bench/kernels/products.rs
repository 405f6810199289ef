//! Matrix products on cubes and on shapes of real models: every instruction set of ours, the gemm crate, faer, and the
//! naive loop.

use etude_kernels::buf::Buf;
use etude_kernels::isa::Isa;

use super::cases::normals;
use super::engines::{Engine, PRECISIONS, Problem};
use super::roofline::Cost;
use super::subject::{Competitor, Contest, Subject};

/// Larger products are skipped by the engines that would take seconds for each: the naive loop and the scalar set.
const SLOW_LIMIT: usize = 512 * 512 * 512;

/// What is multiplied: the form, the name of a use, and M, N, K with the batch before them.
struct Shape {
    kernel: &'static str,
    note: &'static str,
    batch: usize,
    sizes: [usize; 3],
    b_transposed: bool,
}

const fn plain(note: &'static str, sizes: [usize; 3]) -> Shape {
    Shape { kernel: "gemm", note, batch: 1, sizes, b_transposed: false }
}

const fn nt(note: &'static str, sizes: [usize; 3]) -> Shape {
    Shape { kernel: "gemm_nt", note, batch: 1, sizes, b_transposed: true }
}

const fn tn(note: &'static str, sizes: [usize; 3]) -> Shape {
    Shape { kernel: "gemm_tn", note, batch: 1, sizes, b_transposed: false }
}

/// The two shapes of `--quick` first.
const SHAPES: &[Shape] = &[
    plain("", [1024; 3]),
    plain("", [2048; 3]),
    plain("", [64; 3]),
    plain("", [128; 3]),
    plain("", [256; 3]),
    plain("", [512; 3]),
    plain("MLP forward", [128, 512, 784]),
    nt("MLP forward, x·Wᵀ", [128, 512, 784]),
    nt("MLP dX, A·Bᵀ", [128, 784, 512]),
    plain("MLP dX, g·W", [128, 784, 512]),
    tn("MLP dW, Aᵀ·B", [784, 512, 128]),
    tn("MLP dW, gᵀ·x", [512, 784, 128]),
    plain("im2col", [50176, 32, 288]),
    tn("im2col dW, Aᵀ·B", [288, 32, 50176]),
    plain("transformer", [4096, 2048, 512]),
    nt("transformer, x·Wᵀ", [4096, 2048, 512]),
    plain("transformer, g·W", [4096, 512, 2048]),
    tn("transformer, gᵀ·x", [2048, 512, 4096]),
    Shape {
        kernel: "gemm_batched_nt", note: "attention Q·Kᵀ", batch: 256, sizes: [128, 128, 64], b_transposed: true
    },
    Shape { kernel: "gemm_batched", note: "attention P·V", batch: 256, sizes: [128, 64, 128], b_transposed: false },
    plain("GEMV", [1, 4096, 4096]),
    nt("GEMV, A·Bᵀ", [1, 4096, 4096]),
    plain("LSTM step", [16, 2048, 1024]),
    nt("LSTM step, A·Bᵀ", [16, 2048, 1024]),
    plain("LSTM step", [32, 2048, 512]),
    nt("LSTM step, A·Bᵀ", [32, 2048, 512]),
];

/// All products.
pub fn subjects() -> Vec<Subject> {
    let subject = |(at, shape): (usize, &'static Shape)| {
        let [m, n, k] = shape.sizes;
        let work = shape.batch * m * n * k;
        let bytes = |elements: usize| 4.0 * (shape.batch * elements) as f64;
        Subject {
            group: "gemm",
            kernel: shape.kernel,
            note: shape.note,
            shape: if shape.batch > 1 { vec![shape.batch, m, n, k] } else { vec![m, n, k] },
            cost: Cost::new(2.0 * work as f64, bytes(m * k + k * n), bytes(m * n)),
            quick: at < 2,
            small: work <= SLOW_LIMIT,
            open: Box::new(move |isas, threads| Box::new(Products::new(shape, isas, threads))),
        }
    };
    SHAPES.iter().enumerate().map(subject).collect()
}

struct Products {
    problem: Problem,
    threads: usize,
    engines: Vec<Engine>,
    /// One result for each engine.
    results: Vec<Buf<f32>>,
}

impl Products {
    fn new(shape: &Shape, isas: &[Isa], threads: usize) -> Self {
        let Shape { batch, sizes, b_transposed, .. } = *shape;
        let [m, n, k] = sizes;
        let problem = Problem {
            batch,
            shape: sizes,
            a_transposed: shape.kernel == "gemm_tn",
            b_transposed,
            a: normals(batch * m * k, 1),
            b: normals(batch * k * n, 2),
        };
        let ours = isas.iter().flat_map(|&isa| {
            let all = PRECISIONS.iter().filter(move |precision| precision.dtype == "f32" || isa == Isa::Amx);
            all.map(move |&precision| Engine::Etude(isa, precision))
        });
        let mut engines: Vec<Engine> = ours.chain([Engine::Gemm, Engine::Faer]).collect();
        if threads == 1 && batch * m * n * k <= SLOW_LIMIT {
            engines.push(Engine::Naive);
        }
        let results = vec![Buf::filled(batch * m * n, 0.0); engines.len()];
        Self { problem, threads, engines, results }
    }
}

impl Contest for Products {
    fn competitors(&self) -> Vec<Competitor> {
        self.engines.iter().map(|engine| engine.competitor()).collect()
    }

    fn run(&mut self, i: usize) {
        self.engines[i].run(&self.problem, &mut self.results[i], self.threads);
    }

    fn max_error(&mut self, i: usize) -> Option<f64> {
        Some(self.problem.max_error(&self.results[i]))
    }
}
