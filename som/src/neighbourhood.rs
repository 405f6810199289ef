//! How much a node learns from a sample that another node won.
//!
//! The weight depends on the displacement between the two nodes only, and on a lattice there are few displacements: a
//! table by (parity of the winner's row, row offset, column offset) holds them all, so that an epoch takes
//! 2(2·rows − 1)(2·cols − 1) exponentials instead of nodes².

use crate::lattice::{Displacement, Lattice, Topology};

/// Shape of the neighbourhood function h (Kohonen 2001, §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Neighbourhood {
    /// h = exp(−r²/2σ²).
    #[default]
    Gaussian,
    /// h = 1 for nodes nearer than σ (on squares in the larger of the two coordinates), else 0.
    Bubble,
    /// h = (1 − r²/σ²) exp(−r²/2σ²): negative further out. In batch training a node whose weights sum to nothing positive
    /// keeps its place.
    MexicanHat,
}

impl Neighbourhood {
    pub(crate) fn weight(self, d: Displacement, topology: Topology, sigma: f64) -> f64 {
        // Divided before squaring: σ² of a very small σ would be zero.
        let (x, y) = (d.x / sigma, d.y / sigma);
        let scaled = 0.5 * (x * x + y * y);
        match self {
            Neighbourhood::Gaussian => (-scaled).exp(),
            // exp(−745) is the last positive f64; further out the product would be 0 · ∞.
            Neighbourhood::MexicanHat if scaled > 745.0 => 0.0,
            Neighbourhood::MexicanHat => (-scaled).exp() * (1.0 - 2.0 * scaled),
            Neighbourhood::Bubble => {
                let distance = match topology {
                    Topology::Rectangular => d.largest(),
                    Topology::Hexagonal => d.squared().sqrt(),
                };
                f64::from(u8::from(distance < sigma))
            }
        }
    }
}

/// All weights of a lattice at one σ.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    lattice: Lattice,
    /// By parity of the first node's row, row offset + rows − 1, column offset + cols − 1.
    table: Vec<f64>,
}

impl Weights {
    pub(crate) fn new(lattice: Lattice, shape: Neighbourhood, sigma: f64) -> Self {
        let (rows, cols) = (lattice.rows, lattice.cols);
        let (height, width) = (2 * rows - 1, 2 * cols - 1);
        let mut table = Vec::with_capacity(2 * height * width);
        for parity in 0..2 {
            for dr in 0..height {
                // A pair of rows with this offset whose first has this parity; without one the entry is never read.
                let first = (0..rows).find(|r| r % 2 == parity && (r + dr + 1 >= rows) && r + dr + 1 - rows < rows);
                for dc in 0..width {
                    let from_col = (cols - 1).saturating_sub(dc);
                    let to_col = (dc + 1).saturating_sub(cols);
                    table.push(first.map_or(0.0, |r| {
                        let d = lattice.displacement(r * cols + from_col, (r + dr + 1 - rows) * cols + to_col);
                        shape.weight(d, lattice.topology, sigma)
                    }));
                }
            }
        }
        Self { lattice, table }
    }

    /// The weights with which every node learns from samples won by `winner`.
    pub(crate) fn row(&self, winner: usize) -> impl Iterator<Item = f64> + '_ {
        let Lattice { rows, cols, .. } = self.lattice;
        let (row, col) = (winner / cols, winner % cols);
        let (height, width) = (2 * rows - 1, 2 * cols - 1);
        (0..rows).flat_map(move |r| {
            let start = ((row % 2) * height + r + rows - 1 - row) * width + cols - 1 - col;
            self.table[start..start + cols].iter().copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_definition() {
        for lattice in [
            Lattice::rectangular(3, 5),
            Lattice::hexagonal(5, 4),
            Lattice::hexagonal(4, 3).toroidal(),
            Lattice::rectangular(1, 6).toroidal(),
        ] {
            for shape in [Neighbourhood::Gaussian, Neighbourhood::Bubble, Neighbourhood::MexicanHat] {
                let table = Weights::new(lattice, shape, 1.3);
                for a in 0..lattice.len() {
                    let row: Vec<f64> = table.row(a).collect();
                    assert_eq!(row.len(), lattice.len());
                    for (b, got) in row.iter().enumerate() {
                        let want = shape.weight(lattice.displacement(a, b), lattice.topology, 1.3);
                        assert!((got - want).abs() < 1e-12, "{lattice:?} {shape:?} {a} {b}: {got} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn shapes_at_known_points() {
        let d = |x: f64| Displacement { x, y: 0.0 };
        let at = |shape: Neighbourhood, x: f64| shape.weight(d(x), Topology::Rectangular, 2.0);
        assert_eq!(at(Neighbourhood::Gaussian, 2.0), (-0.5f64).exp());
        // The hat crosses zero at r = σ.
        assert_eq!([at(Neighbourhood::MexicanHat, 0.0), at(Neighbourhood::MexicanHat, 2.0)], [1.0, 0.0]);
        assert_eq!([at(Neighbourhood::Bubble, 1.0), at(Neighbourhood::Bubble, 2.0)], [1.0, 0.0]);
    }
}
