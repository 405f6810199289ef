//! How well a map fits and what it shows: errors, U-matrix, hits, labels.

use crate::error::{Error, Result};
use crate::map::Som;
use crate::neighbourhood::Weights;

/// What the labelled samples say about the nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMap {
    /// Most frequent label of the samples that a node won (the smaller label on a tie); `None` where it won none.
    pub labels: Vec<Option<usize>>,
    /// Share of samples that carry the label of their node: 1 if no node mixes classes.
    pub purity: f64,
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>().sqrt()
}

impl Som {
    /// Mean distance of a sample to its best-matching unit (Kohonen 2001, §3.13).
    pub fn quantisation_error(&self, samples: &[f32]) -> Result<f64> {
        let matches = self.matches(samples)?;
        Ok(matches.iter().map(|m| m.distance).sum::<f64>() / matches.len() as f64)
    }

    /// Share of samples whose best and second-best units are not neighbours (Kiviluoto 1996). On squares the eight
    /// surrounding nodes are neighbours. A map of one node has no second best: an error.
    pub fn topographic_error(&self, samples: &[f32]) -> Result<f64> {
        if self.lattice.len() < 2 {
            return Err(Error::BadArgument { what: "lattice", value: "one node".into(), expected: "at least 2 nodes" });
        }
        let matches = self.matches(samples)?;
        let apart = matches.iter().filter(|m| !self.lattice.adjacent(m.best, m.second)).count();
        Ok(apart as f64 / matches.len() as f64)
    }

    /// Mean over the samples of Σ_j h(c, j) ‖x − w_j‖²: the distortion at radius σ (Kohonen 2001, §3.12), which a batch
    /// epoch at that radius and rate 1 minimises for the winners it found.
    pub fn distortion(&self, samples: &[f32], sigma: f64) -> Result<f64> {
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Error::BadArgument { what: "sigma", value: sigma.to_string(), expected: "a positive number" });
        }
        let matches = self.matches(samples)?;
        let table = Weights::new(self.lattice, self.neighbourhood, sigma);
        let one = |(x, best): (&[f32], usize)| -> f64 {
            table.row(best).zip(self.prototypes.chunks_exact(self.width)).map(|(h, w)| h * distance(x, w).powi(2)).sum()
        };
        let total: f64 = samples.chunks_exact(self.width).zip(matches.iter().map(|m| m.best)).map(one).sum();
        Ok(total / matches.len() as f64)
    }

    /// Mean distance of each prototype to those of its neighbours (Ultsch & Siemon 1990): walls between clusters are high.
    pub fn u_matrix(&self) -> Vec<f64> {
        let mean = |node: usize| {
            let neighbours = self.lattice.neighbours(node);
            let sum: f64 = neighbours.iter().map(|&n| distance(self.prototype(node), self.prototype(n))).sum();
            if neighbours.is_empty() { 0.0 } else { sum / neighbours.len() as f64 }
        };
        (0..self.lattice.len()).map(mean).collect()
    }

    /// How many samples each node won.
    pub fn hits(&self, samples: &[f32]) -> Result<Vec<usize>> {
        let mut out = vec![0; self.lattice.len()];
        self.matches(samples)?.iter().for_each(|m| out[m.best] += 1);
        Ok(out)
    }

    /// Majority label of each node, from one label a sample, and the purity.
    pub fn label_map(&self, samples: &[f32], labels: &[usize]) -> Result<LabelMap> {
        let matches = self.matches(samples)?;
        if labels.len() != matches.len() {
            return Err(Error::Length {
                what: "labels",
                found: labels.len(),
                expected: format!("{}, one a sample", matches.len()),
            });
        }
        // (node, label) pairs sorted: labels may be any numbers, so they are counted in runs, not in a table.
        let mut pairs: Vec<(usize, usize)> = matches.iter().map(|m| m.best).zip(labels.iter().copied()).collect();
        pairs.sort_unstable();
        let mut best: Vec<(usize, Option<usize>)> = vec![(0, None); self.lattice.len()];
        for run in pairs.chunk_by(|a, b| a == b) {
            let (node, label) = run[0];
            if run.len() > best[node].0 {
                best[node] = (run.len(), Some(label));
            }
        }
        let pure: usize = best.iter().map(|b| b.0).sum();
        Ok(LabelMap { labels: best.iter().map(|b| b.1).collect(), purity: pure as f64 / labels.len() as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lattice::Lattice;

    /// Three nodes in a row at 0, 1 and 5.
    fn line() -> Som {
        Som::from_prototypes(Lattice::rectangular(1, 3), 1, vec![0.0, 1.0, 5.0]).expect("three nodes")
    }

    #[test]
    fn measures_of_a_line_by_hand() {
        let som = line();
        // Distances 0.25, 1 and 1; the second best of 0.25 is node 1, of 4 node 1, of 6 node 1: all adjacent.
        let samples = [0.25, 4.0, 6.0];
        assert_eq!(som.quantisation_error(&samples).expect("samples"), 0.75);
        assert_eq!(som.topographic_error(&samples).expect("samples"), 0.0);
        assert_eq!(som.hits(&samples).expect("samples"), vec![1, 0, 2]);
        // Node 1 has neighbours at distances 1 and 4.
        assert_eq!(som.u_matrix(), vec![1.0, 2.5, 4.0]);
    }

    #[test]
    fn a_folded_line_has_topographic_errors() {
        let som = Som::from_prototypes(Lattice::rectangular(1, 3), 1, vec![0.0, 5.0, 1.0]).expect("three nodes");
        assert_eq!(som.topographic_error(&[0.2, 0.8, 4.9, 5.2]).expect("samples"), 0.5);
    }

    #[test]
    fn labels_by_majority() {
        let got = line().label_map(&[0.0, 0.1, -0.2, 5.0, 5.1], &[7, 7, 2, 2, 9]).expect("labels");
        assert_eq!(got.labels, vec![Some(7), None, Some(2)]);
        assert_eq!(got.purity, 0.6);
        let error = line().label_map(&[0.0, 1.0], &[1]).expect_err("one label");
        assert_eq!(error.to_string(), "labels has length 1, expected 2, one a sample");
    }

    #[test]
    fn distortion_at_a_tiny_radius_is_the_squared_error() {
        let got = line().distortion(&[0.5, 4.0], 1e-3).expect("samples");
        assert!((got - 0.5 * (0.25 + 1.0)).abs() < 1e-12);
    }
}
