//! A codebook: vectors that stand for those near them, kept at the means of what they stand for.
//!
//! Van den Oord, Vinyals & Kavukcuoglu 2017, *Neural Discrete Representation Learning*, arXiv:1711.00937: the nearest vector
//! (eqs. 1 and 2), moving averages in the place of a gradient (appendix A.1). A vector that stands for too
//! little takes the place of something that was just seen, as in Dhariwal et al. 2020, *Jukebox*, arXiv:2005.00341, section
//! 3.1 ("random restarts").

use etude_autograd::{Tensor, no_grad};
use etude_kernels::rng::Rng;
use etude_nn::{Buffer, Ctx, module};

/// Vectors, and how much each stood for lately. Nothing of it is a parameter: it is saved, and updated while training.
#[derive(Clone, Debug)]
pub(crate) struct Codebook {
    /// `[codes, dim]`.
    vectors: Buffer,
    /// N_i of appendix A.1: moving averages of the number of vectors nearest to each, `[codes]`.
    counts: Buffer,
    /// m_i of appendix A.1: moving averages of their sums, `[codes, dim]`.
    sums: Buffer,
    /// γ.
    decay: f64,
    /// A count below this calls for another vector.
    alive: f64,
}
module!(Codebook { vectors, counts, sums; decay, alive });

impl Codebook {
    pub(crate) fn new(codes: usize, dim: usize, decay: f64, alive: f64, cx: &mut Ctx) -> Self {
        let vectors = Tensor::randn([codes, dim], cx);
        Codebook {
            sums: Buffer::new(vectors.clone()),
            counts: Buffer::new(Tensor::ones([codes])),
            vectors: Buffer::new(vectors),
            decay,
            alive,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.vectors.get().dim(0)
    }

    pub(crate) fn dim(&self) -> usize {
        self.vectors.get().dim(1)
    }

    /// The nearest vector of each row, the first of equally near ones: `[n, dim]` → `[n]`.
    pub(crate) fn nearest(&self, rows: &Tensor) -> Tensor<i64> {
        no_grad(|| {
            let vectors = self.vectors.get();
            // ‖r‖² is the same for all.
            let distance = vectors.square().sum_dims([1]) - rows.matmul(&vectors.t()).affine(2.0, 0.0);
            distance.argmin(1)
        })
    }

    /// The vectors of ids of any shape, `[…]` → `[…, dim]`.
    pub(crate) fn look_up(&self, ids: &Tensor<i64>) -> Tensor {
        self.vectors.get().embedding(ids)
    }

    /// Moves the vectors towards the means of the rows that chose them, and revives those that none chooses.
    ///
    /// Rows with a NaN or an infinity do not count: the averages would never forget them.
    pub(crate) fn update(&self, rows: &Tensor, ids: &Tensor<i64>, rng: &mut Rng) {
        let (codes, dim) = (self.len(), self.dim());
        let seen = rows.to_vec();
        let finite: Vec<i64> = (0..)
            .zip(seen.chunks_exact(dim))
            .filter(|(_, row)| row.iter().all(|v| v.is_finite()))
            .map(|(i, _)| i)
            .collect();
        if finite.is_empty() {
            return;
        }
        if finite.len() < rows.dim(0) {
            let n = finite.len();
            let kept = Tensor::from_vec(finite, [n]);
            return self.update(&rows.detach().index_select(0, &kept), &ids.take_rows(&kept), rng);
        }
        let rows = rows.detach();
        let chosen = ids.one_hot::<f32>(codes);
        let moved = |old: Tensor, new: Tensor| old.affine(self.decay, 0.0) + new.affine(1.0 - self.decay, 0.0);
        let mut counts = moved(self.counts.get(), chosen.sum_dims([0])).to_vec();
        let mut sums = moved(self.sums.get(), chosen.t().matmul(&rows)).to_vec();
        for code in 0..codes {
            if f64::from(counts[code]) < self.alive {
                let from = dim * rng.below(rows.dim(0));
                counts[code] = self.alive as f32;
                let revived = seen[from..from + dim].iter().map(|v| v * counts[code]);
                sums[dim * code..dim * (code + 1)].iter_mut().zip(revived).for_each(|(sum, v)| *sum = v);
            }
        }
        let (counts, sums) = (Tensor::from_vec(counts, [codes]), Tensor::from_vec(sums, [codes, dim]));
        // e_i = m_i/N_i; a count that is 0, where reviving is off, leaves the vector where it was.
        let none = counts.lt_scalar(1e-5).flatten(..);
        let means = &sums / counts.masked_fill(&none, 1.0).unsqueeze(1);
        self.vectors.set(&Tensor::where_cond(&none.unsqueeze(1), &self.vectors.get(), &means));
        self.counts.set(&counts);
        self.sums.set(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four points, each with a little noise.
    fn corners(n: usize, rng: &mut Rng) -> Tensor {
        let noise: Tensor = Tensor::randn([n, 2], rng);
        let corners = (0..n).flat_map(|_| {
            let corner = rng.below(4);
            [(corner % 2) as f32, (corner / 2) as f32]
        });
        Tensor::from_vec(corners.collect(), [n, 2]) * 8.0 + noise * 0.1
    }

    #[test]
    fn every_vector_ends_at_a_corner_even_from_a_start_where_one_takes_all() {
        for seed in 0..3 {
            let mut cx = Ctx::train(seed);
            let book = Codebook::new(8, 2, 0.9, 0.5, &mut cx);
            // One vector in the middle and seven far away.
            let far: Vec<f32> = (0..16).map(|i| if i < 2 { 4.0 } else { 1000.0 }).collect();
            book.vectors.set(&Tensor::from_vec(far, [8, 2]));
            let mut used = std::collections::BTreeSet::new();
            for step in 0..200 {
                let rows = corners(64, &mut cx.rng);
                let ids = book.nearest(&rows);
                if step >= 100 {
                    used.extend(ids.to_vec());
                }
                book.update(&rows, &ids, &mut cx.rng);
            }
            assert!(used.len() >= 4, "seed {seed}: only {used:?} are used");
            let rows = corners(400, &mut cx.rng);
            let error = (book.look_up(&book.nearest(&rows)) - rows).square().mean().item();
            // The noise's own variance is 0.01.
            assert!(error < 0.03, "seed {seed}: {error}");
        }
    }

    #[test]
    fn rows_that_are_not_finite_do_not_count() {
        let update = |values: &[f32]| {
            let mut cx = Ctx::train(0);
            let book = Codebook::new(3, 2, 0.5, 0.1, &mut cx);
            let rows = Tensor::from_slice(values, [values.len() / 2, 2]);
            book.update(&rows, &book.nearest(&rows), &mut cx.rng);
            [&book.vectors, &book.counts, &book.sums].map(|buffer| buffer.get().to_vec())
        };
        assert_eq!(update(&[1.0, 2.0, f32::NAN, 0.0, 3.0, 1.0, 0.0, f32::INFINITY]), update(&[1.0, 2.0, 3.0, 1.0]));
        assert_eq!(update(&[f32::NAN, f32::NAN]), update(&[]), "nothing finite changes nothing");
    }

    #[test]
    fn without_reviving_a_vector_that_none_chooses_stays() {
        let mut cx = Ctx::train(0);
        let book = Codebook::new(2, 1, 0.5, 0.0, &mut cx);
        book.vectors.set(&Tensor::from_slice(&[0.0, 100.0], [2, 1]));
        for _ in 0..100 {
            let rows = Tensor::from_slice(&[1.0, 3.0], [2, 1]);
            book.update(&rows, &book.nearest(&rows), &mut cx.rng);
        }
        let vectors = book.vectors.get().to_vec();
        assert!((vectors[0] - 2.0).abs() < 1e-4, "{vectors:?}: the mean is 2");
        assert!(vectors[1].is_finite());
    }
}
