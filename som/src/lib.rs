//! Self-organising maps: a grid of prototypes that keeps neighbours in the data neighbours on the grid.
//!
//! ```
//! use etude_som::{Lattice, Som, Training};
//!
//! # fn main() -> etude_som::Result<()> {
//! // Samples are rows of one flat slice; here 100 points of the plane.
//! let samples: Vec<f32> = (0..200).map(|i| ((i * 37) % 101) as f32 / 100.0).collect();
//! let mut som = Som::from_principal_plane(Lattice::hexagonal(4, 5), &samples, 2)?;
//! let before = som.quantisation_error(&samples)?;
//! som.train_batch(&samples, &Training::default())?;
//! assert!(som.quantisation_error(&samples)? < before);
//! # Ok(())
//! # }
//! ```
//!
//! Training is by batch epochs (deterministic, one matrix product each, memory bounded by tiles) or by single samples.
//!
//! | wanted | see |
//! |---|---|
//! | a grid, rectangular or hexagonal, with borders or toroidal | [`Lattice`] |
//! | a map from a principal plane, from samples, from given prototypes | [`Som`] |
//! | training, and what shrinks while it lasts | [`Som::train_batch`], [`Som::train_online`]; [`Training`], [`Decay`] |
//! | how a sample moves the nodes around its own | [`Neighbourhood`] |
//! | where a sample belongs | [`Som::matches`], [`Match`] |
//! | quantisation error, topographic error, distortion | [`Som::quantisation_error`] and its neighbours |
//! | U-matrix, hits, component planes | [`Som::u_matrix`], [`Som::hits`], [`Som::component_plane`] |
//! | labels of the nodes, with purity | [`Som::label_map`], [`LabelMap`] |

#![forbid(unsafe_code)]
// `!(x > 0)` is how this crate says "not positive, or NaN".
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod error;
mod lattice;
mod map;
mod neighbourhood;
mod pca;
mod quality;
mod search;
mod train;

pub use error::{Error, Result};
pub use lattice::{Lattice, Topology};
pub use map::Som;
pub use neighbourhood::Neighbourhood;
pub use quality::LabelMap;
pub use search::Match;
pub use train::{Decay, Training};
