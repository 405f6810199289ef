//! The map: a lattice of nodes with a prototype each.

use crate::error::{Error, Result, check_rows};
use crate::lattice::Lattice;
use crate::neighbourhood::Neighbourhood;
use crate::pca::principal_plane;
use crate::search::{Match, matches};
use etude_kernels::rng::Rng;

/// A self-organising map (Kohonen 2001; 2013, *Essentials of the self-organizing map*).
#[derive(Clone, Debug, PartialEq)]
pub struct Som {
    pub(crate) lattice: Lattice,
    pub(crate) neighbourhood: Neighbourhood,
    pub(crate) width: usize,
    pub(crate) prototypes: Vec<f32>,
}

impl Som {
    /// A map with given prototypes, `width` values a node, row by row of the lattice.
    pub fn from_prototypes(lattice: Lattice, width: usize, prototypes: Vec<f32>) -> Result<Self> {
        lattice.validate()?;
        if lattice.len().checked_mul(width) != Some(prototypes.len()) {
            let expected = format!("{} nodes × {width} features", lattice.len());
            return Err(Error::Length { what: "prototypes", found: prototypes.len(), expected });
        }
        check_rows("prototypes", &prototypes, width)?;
        Ok(Self { lattice, neighbourhood: Neighbourhood::default(), width, prototypes })
    }

    /// Prototypes spread over the plane of the two principal components, one standard unit either way of the mean: columns
    /// along the first, rows along the second (as `pca_weights_init` of minisom). Without randomness, and ordered from the
    /// start, so that training may begin with a small σ. The sign of an axis is chosen so that its largest entry is
    /// positive.
    pub fn from_principal_plane(lattice: Lattice, samples: &[f32], width: usize) -> Result<Self> {
        lattice.validate()?;
        check_rows("samples", samples, width)?;
        let plane = principal_plane(samples, width)?;
        // A single row or column stays in the middle.
        let along = |i: usize, n: usize| if n == 1 { 0.0 } else { 2.0 * i as f64 / (n - 1) as f64 - 1.0 };
        let node = |n: usize| {
            let (u, v) = (along(n % lattice.cols, lattice.cols), along(n / lattice.cols, lattice.rows));
            let (mean, [first, second]) = (&plane.mean, &plane.axes);
            (0..width).map(move |k| (mean[k] + u * first[k] + v * second[k]) as f32)
        };
        let prototypes = (0..lattice.len()).flat_map(node).collect();
        Self::from_prototypes(lattice, width, prototypes)
    }

    /// Prototypes drawn from the samples, with repetition.
    pub fn from_random_samples(
        lattice: Lattice,
        samples: &[f32],
        width: usize,
        rng: &mut impl AsMut<Rng>,
    ) -> Result<Self> {
        lattice.validate()?;
        let rows = check_rows("samples", samples, width)?;
        let mut draw = || rng.as_mut().below(rows) * width;
        let picks: Vec<usize> = (0..lattice.len()).map(|_| draw()).collect();
        let prototypes = picks.iter().flat_map(|&start| &samples[start..start + width]).copied().collect();
        Self::from_prototypes(lattice, width, prototypes)
    }

    /// Sets the shape of the neighbourhood; Gaussian unless set.
    pub fn with_neighbourhood(mut self, neighbourhood: Neighbourhood) -> Self {
        self.neighbourhood = neighbourhood;
        self
    }

    /// The grid of nodes.
    pub fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// Values a sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All prototypes, node after node.
    pub fn prototypes(&self) -> &[f32] {
        &self.prototypes
    }

    /// The prototype of a node. Panics if there is no such node.
    #[track_caller]
    pub fn prototype(&self, node: usize) -> &[f32] {
        assert!(node < self.lattice.len(), "prototype: node {node} of a map of {} nodes", self.lattice.len());
        &self.prototypes[node * self.width..(node + 1) * self.width]
    }

    /// The two nearest nodes of every sample.
    pub fn matches(&self, samples: &[f32]) -> Result<Vec<Match>> {
        check_rows("samples", samples, self.width)?;
        Ok(matches(samples, &self.prototypes, self.width))
    }

    /// One feature of all prototypes, node after node: a component plane (Kohonen 2001, §3.15).
    pub fn component_plane(&self, feature: usize) -> Result<Vec<f32>> {
        if feature >= self.width {
            return Err(Error::BadArgument {
                what: "feature",
                value: feature.to_string(),
                expected: "less than the number of features",
            });
        }
        Ok(self.prototypes.iter().skip(feature).step_by(self.width).copied().collect())
    }
}
