//! The engines of matrix products behind one shape of call.

use etude_kernels::buf::Buf;
use etude_kernels::gemm::{self, Accumulate, Mat};
use etude_kernels::isa::{self, Isa};
use etude_kernels::{par, precision};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::subject::{Competitor, worst};

/// Products C = A·B of f32, with operands as they lie in memory.
pub struct Problem {
    /// How many products of the same shape, one after another.
    pub batch: usize,
    /// M, N and K.
    pub shape: [usize; 3],
    /// Whether A is stored as K × M.
    pub a_transposed: bool,
    /// Whether B is stored as N × K.
    pub b_transposed: bool,
    /// The elements of all A.
    pub a: Buf<f32>,
    /// The elements of all B.
    pub b: Buf<f32>,
}

/// A precision of our products: its name in the rows, and a scope in which they have it.
#[derive(Clone, Copy)]
pub struct Precision {
    /// `f32`, `high` or `bf16`.
    pub dtype: &'static str,
    within: fn(&mut dyn FnMut()),
}

/// The precisions that are measured; those below f32 on the tile unit only.
pub const PRECISIONS: &[Precision] = &[
    Precision { dtype: "f32", within: |product| product() },
    Precision { dtype: "high", within: |product| precision::with(precision::Precision::High, product) },
    Precision { dtype: "bf16", within: |product| precision::with(precision::Precision::Bf16, product) },
];

/// Who multiplies.
#[derive(Clone, Copy)]
pub enum Engine {
    /// Our door with this instruction set and precision forced.
    Etude(Isa, Precision),
    /// The gemm crate alone, over the whole product.
    Gemm,
    /// faer.
    Faer,
    /// Three loops, the middle one over K, so that the inner one runs along rows.
    Naive,
}

impl Engine {
    /// As the rows name it. The peers detect the best instruction set, the naive loop has what the compiler assumes.
    pub fn competitor(self) -> Competitor {
        let (engine, isa, dtype) = match self {
            Engine::Etude(isa, precision) => ("etude", isa, precision.dtype),
            Engine::Gemm => ("gemm", best(), "f32"),
            Engine::Faer => ("faer", best(), "f32"),
            Engine::Naive => ("naive", Isa::Scalar, "f32"),
        };
        Competitor { engine, isa: isa.name(), dtype }
    }

    /// Computes `c`. The peers' threads are those of the rayon pool that this is called in.
    pub fn run(self, problem: &Problem, c: &mut [f32], threads: usize) {
        match self {
            Engine::Etude(isa, precision) => isa::with(isa, || {
                par::with_threads(threads, || (precision.within)(&mut || problem.etude(c)));
            }),
            Engine::Gemm => problem.each(c, threads, |c, i, threads| {
                gemm::yardstick(c, problem.a(i), problem.b(i), threads);
            }),
            Engine::Faer => problem.each(c, threads, |c, i, threads| problem.faer(c, i, threads)),
            Engine::Naive => problem.each(c, 1, |c, i, _| problem.naive(c, i)),
        }
    }
}

/// The instruction set that a peer finds: none of them has products of f32 on the tile unit.
pub fn best() -> Isa {
    Isa::available().into_iter().rfind(|&isa| isa != Isa::Amx).expect("scalar is always available")
}

impl Problem {
    /// The i-th A as an M × K matrix.
    fn a(&self, i: usize) -> Mat<'_, f32> {
        let [m, _, k] = self.shape;
        let a = &self.a[i * m * k..][..m * k];
        if self.a_transposed { Mat::row_major(a, k, m).t() } else { Mat::row_major(a, m, k) }
    }

    /// The i-th B as a K × N matrix.
    fn b(&self, i: usize) -> Mat<'_, f32> {
        let [_, n, k] = self.shape;
        let b = &self.b[i * k * n..][..k * n];
        if self.b_transposed { Mat::row_major(b, n, k).t() } else { Mat::row_major(b, k, n) }
    }

    fn etude(&self, c: &mut [f32]) {
        match self.batch {
            1 => gemm::matmul(c, self.a(0), self.b(0), Accumulate::No),
            batch => gemm::batched(c, batch, &|i| self.a(i), &|i| self.b(i), Accumulate::No),
        }
    }

    /// A peer's product for each matrix of the batch: threads share one product, or take whole ones.
    fn each(&self, c: &mut [f32], threads: usize, product: impl Fn(&mut [f32], usize, usize) + Sync) {
        let [m, n, _] = self.shape;
        if self.batch == 1 || threads == 1 {
            c.chunks_exact_mut(m * n).enumerate().for_each(|(i, c)| product(c, i, threads));
        } else {
            c.par_chunks_exact_mut(m * n).enumerate().for_each(|(i, c)| product(c, i, 1));
        }
    }

    fn faer(&self, c: &mut [f32], i: usize, threads: usize) {
        let [m, n, _] = self.shape;
        let (a, b) = (matrix(self.a(i)), matrix(self.b(i)));
        let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
        let c = MatMut::from_row_major_slice_mut(c, m, n);
        faer::linalg::matmul::matmul(c, Accum::Replace, a, b, 1.0, par);
    }

    fn naive(&self, c: &mut [f32], i: usize) {
        let (a, b) = (self.a(i), self.b(i));
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

    /// The largest difference of `c` to a sum in f64, relative to Σ|a||b|, over all elements or, in a large product, a
    /// fixed sample of them.
    pub fn max_error(&self, c: &[f32]) -> f64 {
        const SAMPLE: usize = 1024;
        let [m, n, _] = self.shape;
        // An odd step walks through all rows and columns of the power-of-two shapes.
        let step = (c.len() / SAMPLE).max(1) | 1;
        let error = |at: usize| {
            let (i, j) = (at % (m * n) / n, at % n);
            let (a, b) = (self.a(at / (m * n)), self.b(at / (m * n)));
            let term = |p: usize| {
                let (x, y) = (a.data[i * a.row_stride + p * a.col_stride], b.data[p * b.row_stride + j * b.col_stride]);
                f64::from(x) * f64::from(y)
            };
            let (sum, size) = (0..a.cols).map(term).fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
            (f64::from(c[at]) - sum).abs() / f64::max(size, f64::MIN_POSITIVE)
        };
        worst((0..c.len()).step_by(step).map(error))
    }
}

/// The same matrix for faer.
fn matrix(mat: Mat<'_, f32>) -> MatRef<'_, f32> {
    match mat.col_stride {
        1 => MatRef::from_row_major_slice(mat.data, mat.rows, mat.cols),
        _ => MatRef::from_row_major_slice(mat.data, mat.cols, mat.rows).transpose(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize, step: f32) -> Buf<f32> {
        Buf::from_vec((0..count).map(|i| (step * i as f32).sin()).collect())
    }

    #[test]
    fn all_engines_agree_on_every_layout() {
        for (batch, a_transposed, b_transposed) in
            [(1, false, false), (1, false, true), (1, true, false), (9, false, true)]
        {
            let (m, n, k) = (37, 29, 53);
            let (a, b) = (wave(batch * m * k, 0.7), wave(batch * k * n, 0.9));
            let problem = Problem { batch, shape: [m, n, k], a_transposed, b_transposed, a, b };
            let ours = Isa::available().into_iter().map(|isa| Engine::Etude(isa, PRECISIONS[0]));
            for engine in ours.chain([Engine::Gemm, Engine::Faer, Engine::Naive]) {
                let mut c = vec![f32::NAN; batch * m * n];
                engine.run(&problem, &mut c, 2);
                // A sum of 53 products, each step rounded to 2⁻²⁴ of a partial sum below Σ|a||b|.
                let error = problem.max_error(&c);
                assert!(error < 54.0 * f64::from(f32::EPSILON), "{:?} {error}", engine.competitor());
            }
        }
    }

    #[test]
    fn an_error_is_seen() {
        let (a, b) = (Buf::filled(4, 1.0), Buf::filled(4, 1.0));
        let problem = Problem { batch: 2, shape: [2, 2, 1], a_transposed: false, b_transposed: false, a, b };
        assert_eq!(problem.max_error(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5]), 0.5);
        assert!(problem.max_error(&[1.0, 1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0, 1.0]).is_nan());
    }
}
