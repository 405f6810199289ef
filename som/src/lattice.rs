//! The grid of nodes: where they lie, how far apart they are, which are neighbours.
//!
//! Node `row·cols + col` of a rectangular lattice lies at (col, row); on a hexagonal one the odd rows are shifted by half a
//! column and the rows lie √3/2 apart, so that all six neighbours are at distance 1 (Kohonen 2001, §3.4.1). A toroidal
//! lattice has no border: displacements take the shorter way round.

use crate::error::{Error, Result};

/// √3/2, the height of an equilateral triangle of side 1.
const ROW_HEIGHT: f64 = 0.866_025_403_784_438_6;

/// Shape of the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Topology {
    /// Squares; a node has eight neighbours, diagonal ones included.
    #[default]
    Rectangular,
    /// Hexagons; a node has six neighbours.
    Hexagonal,
}

/// A grid of `rows` × `cols` nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lattice {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Shape of the cells.
    pub topology: Topology,
    /// Whether opposite borders are joined.
    pub toroidal: bool,
}

/// From one node to another, in units of the distance of neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Displacement {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

impl Displacement {
    pub(crate) fn squared(self) -> f64 {
        self.x * self.x + self.y * self.y
    }

    /// Chebyshev length: 1 for all eight neighbours on squares.
    pub(crate) fn largest(self) -> f64 {
        self.x.abs().max(self.y.abs())
    }
}

impl Lattice {
    /// A rectangular lattice with borders.
    pub fn rectangular(rows: usize, cols: usize) -> Self {
        Self { rows, cols, topology: Topology::Rectangular, toroidal: false }
    }

    /// A hexagonal lattice with borders.
    pub fn hexagonal(rows: usize, cols: usize) -> Self {
        Self { topology: Topology::Hexagonal, ..Self::rectangular(rows, cols) }
    }

    /// Joins opposite borders.
    pub fn toroidal(mut self) -> Self {
        self.toroidal = true;
        self
    }

    /// Checks the sizes.
    pub fn validate(&self) -> Result<()> {
        let value = || format!("{} × {}", self.rows, self.cols);
        match self.rows.checked_mul(self.cols) {
            // Node numbers are kept in 32 bits.
            Some(nodes) if nodes > 0 && nodes <= u32::MAX as usize => {}
            _ => {
                return Err(Error::BadArgument {
                    what: "lattice",
                    value: value(),
                    expected: "between 1 and 2³² nodes",
                });
            }
        }
        if self.topology == Topology::Hexagonal && self.toroidal && self.rows % 2 == 1 {
            return Err(Error::BadArgument {
                what: "rows",
                value: value(),
                expected: "an even number on a hexagonal torus",
            });
        }
        Ok(())
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.rows * self.cols
    }

    /// Never true for a valid lattice.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Place of a node in the plane (x to the right, y downwards), for drawing.
    pub fn position(&self, node: usize) -> (f64, f64) {
        let (row, col) = (node / self.cols, node % self.cols);
        match self.topology {
            Topology::Rectangular => (col as f64, row as f64),
            Topology::Hexagonal => (col as f64 + 0.5 * (row % 2) as f64, row as f64 * ROW_HEIGHT),
        }
    }

    /// Displacement from `a` to `b`, the shorter way round on a torus.
    pub(crate) fn displacement(&self, a: usize, b: usize) -> Displacement {
        let ((ax, ay), (bx, by)) = (self.position(a), self.position(b));
        let (mut x, mut y) = (bx - ax, by - ay);
        if self.toroidal {
            let height = self.rows as f64 * if self.topology == Topology::Hexagonal { ROW_HEIGHT } else { 1.0 };
            x -= self.cols as f64 * (x / self.cols as f64).round();
            y -= height * (y / height).round();
        }
        Displacement { x, y }
    }

    /// Whether two different nodes touch.
    pub fn adjacent(&self, a: usize, b: usize) -> bool {
        let d = self.displacement(a, b);
        a != b
            && match self.topology {
                Topology::Rectangular => d.largest() < 1.5,
                Topology::Hexagonal => d.squared() < 1.5,
            }
    }

    /// The nodes that touch `node`, in increasing order.
    pub fn neighbours(&self, node: usize) -> Vec<usize> {
        let (row, col) = (node / self.cols, node % self.cols);
        let near = |x: usize, size: usize| -> Vec<usize> {
            let (before, after) = if self.toroidal {
                (Some((x + size - 1) % size), Some((x + 1) % size))
            } else {
                (x.checked_sub(1), (x + 1 < size).then_some(x + 1))
            };
            [before, Some(x), after].into_iter().flatten().collect()
        };
        let columns = near(col, self.cols);
        let all = near(row, self.rows).into_iter().flat_map(|r| columns.iter().map(move |c| r * self.cols + c));
        let mut out: Vec<usize> = all.filter(|&b| self.adjacent(node, b)).collect();
        out.sort_unstable();
        out.dedup();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_neighbours() {
        let square = Lattice::rectangular(4, 5);
        assert_eq!([0, 2, 6].map(|n| square.neighbours(n).len()), [3, 5, 8]);
        let hexagons = Lattice::hexagonal(4, 5);
        // Corners of a shifted grid have 2 or 3 neighbours, inner nodes 6.
        assert_eq!([0, 4, 6].map(|n| hexagons.neighbours(n).len()), [2, 3, 6]);
        for torus in [square.toroidal(), hexagons.toroidal()] {
            let want = if torus.topology == Topology::Hexagonal { 6 } else { 8 };
            assert!((0..20).all(|n| torus.neighbours(n).len() == want), "{torus:?}");
        }
    }

    #[test]
    fn neighbourhood_is_mutual() {
        for lattice in [Lattice::hexagonal(5, 3), Lattice::hexagonal(4, 6).toroidal(), Lattice::rectangular(1, 4)] {
            for a in 0..lattice.len() {
                for b in lattice.neighbours(a) {
                    assert!(lattice.neighbours(b).contains(&a), "{lattice:?}: {a} {b}");
                    if lattice.topology == Topology::Hexagonal {
                        assert!((lattice.displacement(a, b).squared() - 1.0).abs() < 1e-12);
                    }
                }
            }
        }
    }

    #[test]
    fn a_torus_has_no_far_side() {
        let torus = Lattice::rectangular(10, 10).toroidal();
        assert_eq!(torus.displacement(0, 99), Displacement { x: -1.0, y: -1.0 });
        assert!(torus.adjacent(0, 9) && !Lattice::rectangular(10, 10).adjacent(0, 9));
    }

    #[test]
    fn sizes_are_checked() {
        assert!(Lattice::rectangular(0, 3).validate().is_err());
        assert!(Lattice::rectangular(usize::MAX, 2).validate().is_err());
        assert!(Lattice::hexagonal(3, 4).toroidal().validate().is_err());
        assert!(Lattice::hexagonal(3, 4).validate().is_ok());
    }
}
