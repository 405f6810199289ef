//! Embedded data sets, readers for the standard file formats, loaders, augmentation, pictures and charts for Étude.
//!
//! * **Sets**: [`mnist`], [`digits`], [`emoji`], [`text::shakespeare`], [`series`]; real data, compiled in, no download; and
//!   [`mod@shapes`] and [`molecules`], drawn, of which everything is known.
//! * **Readers**: [`idx`], [`table`], [`text`] and its [`words`], [`series`], [`picture`], each for a file of the user's too, plain
//!   or gzip. A bad file is a [`DataError`] that names the file, the place in it, what was expected and what was found; it is
//!   never a panic, and memory grows only with the bytes that are really there.
//! * **Batches**: [`loader`] over tensors, [`windows`] over text, [`augment`] for images; all from a seed, all resumable.
//! * **Results**: [`picture`] writes PNG grids, [`plot`] SVG charts, [`example`] the report that each example program leaves.
//! * **Fetched data**: [`cache`] knows the folder, [`mnist::fetched`] opens what lies there.
//!
//! ```
//! use etude_data::{Samples, mnist};
//! use etude_kernels::rng::Rng;
//!
//! let mut rng = Rng::new(0);
//! for (images, labels) in mnist::test().batches(128).shuffled(&mut rng) {
//!     assert_eq!(images.shape(), [labels.len(), 1, 28, 28]);
//! }
//! ```
#![forbid(unsafe_code)]

pub mod augment;
pub mod cache;
mod colour;
mod error;
pub mod example;
mod file;
pub mod idx;
mod images;
pub mod loader;
pub mod mnist;
pub mod molecules;
pub mod picture;
pub mod plot;
pub mod series;
pub mod shapes;
pub mod table;
pub mod text;
mod vocab_file;
pub mod windows;
pub mod words;

pub use augment::Augment;
pub use error::{DataError, Result};
/// What the sets, batches and pictures are made of, for programs that use no other part of `etude-autograd`.
pub use etude_autograd::Tensor;
pub use images::{Digits, Emoji, ImageSet, digits, emoji};
pub use loader::{Batches, Samples};
pub use text::Text;
