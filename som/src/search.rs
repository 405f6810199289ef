//! Best-matching units: one matrix product proposes, exact distances decide.
//!
//! ‖x − w‖² = ‖x‖² − 2 xᵀw + ‖w‖², so the distances of a tile of samples to all nodes are one matrix product in f32. The
//! expansion loses digits by cancellation; every node whose value lies within that error of the best is therefore measured
//! again in f64, and the smallest exact distance wins (the lowest node number on a tie). The answer is that of the
//! definition, whatever instruction set multiplied.
//! Memory: a tile of [`TILE`] samples by all nodes per thread, however many samples there are.

use etude_kernels::gemm::{Accumulate, Mat, matmul};
use etude_kernels::par;

/// Samples of one matrix product; also the unit of work of a thread.
const TILE: usize = 256;

/// The two nodes nearest to a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// The best-matching unit.
    pub best: usize,
    /// The second best; equal to `best` on a map of one node.
    pub second: usize,
    /// Euclidean distance to the best.
    pub distance: f64,
}

/// Exact squared distance in f64.
fn exact(x: &[f32], w: &[f32]) -> f64 {
    x.iter().zip(w).map(|(x, w)| (f64::from(*x) - f64::from(*w)).powi(2)).sum()
}

/// The two nearest nodes of every sample.
pub(crate) fn matches(samples: &[f32], weights: &[f32], width: usize) -> Vec<Match> {
    let nodes = weights.len() / width;
    let norms: Vec<f32> = weights.chunks_exact(width).map(|w| w.iter().map(|x| x * x).sum()).collect();
    let largest = norms.iter().fold(0.0f32, |m, n| m.max(*n));
    let rows = samples.len() / width;
    let tile = |t: usize| {
        let part = &samples[t * TILE * width..((t + 1) * TILE).min(rows) * width];
        let mut products = vec![0.0f32; part.len() / width * nodes];
        let (a, b) = (Mat::row_major(part, part.len() / width, width), Mat::row_major(weights, nodes, width).t());
        matmul(&mut products, a, b, Accumulate::No);
        let decide = |(x, row): (&[f32], &[f32])| {
            let norm: f32 = x.iter().map(|x| x * x).sum();
            // Rounding of three sums of `width` products, each at most (‖x‖ + ‖w‖)², with a factor in hand.
            let error = 4.0 * f32::EPSILON * (width as f32 + 4.0).sqrt() * (norm.sqrt() + largest.sqrt()).powi(2);
            nearest_two(x, row, &norms, weights, error)
        };
        part.chunks_exact(width).zip(products.chunks_exact(nodes)).map(decide).collect::<Vec<Match>>()
    };
    par::map(rows.div_ceil(TILE), tile).concat()
}

/// Two smallest distances: candidates by ‖w‖² − 2xᵀw, then exactly.
fn nearest_two(x: &[f32], products: &[f32], norms: &[f32], weights: &[f32], error: f32) -> Match {
    let value = |j: usize| norms[j] - 2.0 * products[j];
    let (mut first, mut second) = (f32::INFINITY, f32::INFINITY);
    for j in 0..norms.len() {
        let v = value(j);
        if v < first {
            (first, second) = (v, first);
        } else if v < second {
            second = v;
        }
    }
    // Everything that may truly be second. Where squares overflow f32 the bound is infinite or NaN, and every node passes.
    let bound = second + 2.0 * error;
    let mut best = (f64::INFINITY, 0);
    let mut next = (f64::INFINITY, 0);
    for j in (0..norms.len()).filter(|&j| !(value(j) > bound)) {
        let d = exact(x, &weights[j * x.len()..(j + 1) * x.len()]);
        if d < best.0 {
            (best, next) = ((d, j), best);
        } else if d < next.0 {
            next = (d, j);
        }
    }
    let second = if next.0.is_finite() { next.1 } else { best.1 };
    Match { best: best.1, second, distance: best.0.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn nearest_two_are_those_of_the_definition(
            (rows, nodes, width) in (1usize..600, 1usize..40, 1usize..20), seed in any::<u64>(), offset in -100.0f32..100.0,
        ) {
            let mut rng = Rng::new(seed);
            // A common offset provokes cancellation in ‖x‖² − 2xᵀw + ‖w‖².
            let mut draw = |n: usize| (0..n).map(|_| rng.normal() as f32 + offset).collect::<Vec<f32>>();
            let (samples, weights) = (draw(rows * width), draw(nodes * width));
            let got = matches(&samples, &weights, width);
            prop_assert_eq!(got.len(), rows);
            for (x, m) in samples.chunks_exact(width).zip(&got) {
                let mut order: Vec<(f64, usize)> =
                    weights.chunks_exact(width).enumerate().map(|(j, w)| (exact(x, w), j)).collect();
                order.sort_by(|a, b| a.0.total_cmp(&b.0));
                prop_assert_eq!(m.best, order[0].1);
                prop_assert_eq!(m.second, order[1.min(nodes - 1)].1);
                prop_assert!((m.distance - order[0].0.sqrt()).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_number_and_threads_change_nothing() {
        let samples: Vec<f32> = (0..3000).map(|i| (i % 7) as f32).collect();
        let weights = [1.0f32, 1.0, 3.0, 3.0];
        let one = par::with_threads(1, || matches(&samples, &weights, 1));
        assert!(one.iter().all(|m| m.best == 0 || m.best == 2));
        for n in [2, 3, 8] {
            assert_eq!(par::with_threads(n, || matches(&samples, &weights, 1)), one);
        }
    }
}
