//! The engines of the product bench behind one shape of call.

use etude_kernels::gemm::{self, Accumulate, Mat};
use etude_kernels::isa::{self, Isa};
use etude_kernels::par;
use faer::{Accum, MatMut, MatRef, Par};

/// A product C = A·B of f32, with operands as they lie in memory.
pub struct Problem {
    /// M, N and K.
    pub shape: [usize; 3],
    /// Whether A is stored as K × M.
    pub a_transposed: bool,
    /// Whether B is stored as N × K.
    pub b_transposed: bool,
    /// A's elements.
    pub a: Vec<f32>,
    /// B's elements.
    pub b: Vec<f32>,
}

/// Who multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Our door with this instruction set forced.
    Etude(Isa),
    /// The gemm crate alone, over the whole product.
    Gemm,
    /// faer.
    Faer,
    /// Three loops, the middle one over K, so that the inner one runs along rows.
    Naive,
}

impl Engine {
    /// Its name in the rows.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Etude(_) => "etude",
            Engine::Gemm => "gemm",
            Engine::Faer => "faer",
            Engine::Naive => "naive",
        }
    }

    /// The instruction set that it uses: the peers detect the best one, the naive loop has what the compiler assumes.
    pub fn isa(self) -> Isa {
        match self {
            Engine::Etude(isa) => isa,
            Engine::Gemm | Engine::Faer => *Isa::available().last().expect("scalar is always available"),
            Engine::Naive => Isa::Scalar,
        }
    }

    /// Whether it can use more than one thread.
    pub fn has_threads(self) -> bool {
        self != Engine::Naive
    }

    /// Computes `c`.
    pub fn run(self, problem: &Problem, c: &mut [f32], threads: usize) {
        match self {
            Engine::Etude(isa) => isa::with(isa, || {
                par::with_threads(threads, || gemm::matmul(c, problem.a(), problem.b(), Accumulate::No));
            }),
            Engine::Gemm => gemm::yardstick(c, problem.a(), problem.b(), threads),
            Engine::Faer => problem.faer(c, threads),
            Engine::Naive => problem.naive(c),
        }
    }
}

impl Problem {
    /// A as an M × K matrix.
    pub fn a(&self) -> Mat<'_, f32> {
        let [m, _, k] = self.shape;
        if self.a_transposed { Mat::row_major(&self.a, k, m).t() } else { Mat::row_major(&self.a, m, k) }
    }

    /// B as a K × N matrix.
    pub fn b(&self) -> Mat<'_, f32> {
        let [_, n, k] = self.shape;
        if self.b_transposed { Mat::row_major(&self.b, n, k).t() } else { Mat::row_major(&self.b, k, n) }
    }

    fn faer(&self, c: &mut [f32], threads: usize) {
        let [m, n, k] = self.shape;
        let matrix = |data, rows, cols, transposed| {
            if transposed {
                MatRef::from_row_major_slice(data, cols, rows).transpose()
            } else {
                MatRef::from_row_major_slice(data, rows, cols)
            }
        };
        let (a, b) = (matrix(&self.a[..], m, k, self.a_transposed), matrix(&self.b[..], k, n, self.b_transposed));
        let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
        let c = MatMut::from_row_major_slice_mut(c, m, n);
        faer::linalg::matmul::matmul(c, Accum::Replace, a, b, 1.0, par);
    }

    fn naive(&self, c: &mut [f32]) {
        let (a, b) = (self.a(), self.b());
        c.fill(0.0);
        for (i, row) in c.chunks_exact_mut(b.cols).enumerate() {
            for p in 0..a.cols {
                let factor = a.data[i * a.row_stride + p * a.col_stride];
                for (j, c) in row.iter_mut().enumerate() {
                    *c += factor * b.data[p * b.row_stride + j * b.col_stride];
                }
            }
        }
    }

    /// The largest difference of `c` to a sum in f64, over all elements or, in a large product, a fixed sample of them.
    pub fn max_error(&self, c: &[f32]) -> f64 {
        const SAMPLE: usize = 2048;
        let (a, b) = (self.a(), self.b());
        // An odd step walks through all rows and columns of the power-of-two shapes.
        let step = (c.len() / SAMPLE).max(1) | 1;
        let error = |at: usize| {
            let (i, j) = (at / b.cols, at % b.cols);
            let term = |p: usize| {
                let (x, y) = (a.data[i * a.row_stride + p * a.col_stride], b.data[p * b.row_stride + j * b.col_stride]);
                f64::from(x) * f64::from(y)
            };
            (f64::from(c[at]) - (0..a.cols).map(term).sum::<f64>()).abs()
        };
        (0..c.len()).step_by(step).map(error).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_engines_agree_on_every_layout() {
        for (a_transposed, b_transposed) in [(false, false), (false, true), (true, false)] {
            let (m, n, k) = (37, 29, 53);
            let wave = |count: usize, step: f32| (0..count).map(|i| (step * i as f32).sin()).collect();
            let problem =
                Problem { shape: [m, n, k], a_transposed, b_transposed, a: wave(m * k, 0.7), b: wave(k * n, 0.9) };
            let ours = Isa::available().into_iter().map(Engine::Etude);
            for engine in ours.chain([Engine::Gemm, Engine::Faer, Engine::Naive]) {
                let mut c = vec![f32::NAN; m * n];
                engine.run(&problem, &mut c, 2);
                // 53 terms below 1, each rounded: far below 53² · 2⁻²⁴.
                assert!(problem.max_error(&c) < 1e-4, "{engine:?} {}", problem.max_error(&c));
            }
        }
    }

    #[test]
    fn an_error_is_seen() {
        let problem =
            Problem { shape: [2, 2, 1], a_transposed: false, b_transposed: false, a: vec![1.0; 2], b: vec![1.0; 2] };
        assert_eq!(problem.max_error(&[1.0, 1.0, 1.0, 1.5]), 0.5);
    }
}
