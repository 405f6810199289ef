//! What can go wrong with configurations and data.

use etude_nn::ConfigError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data has no images.
    #[error("{what}: no images were given")]
    Empty {
        /// Who asked for them.
        what: &'static str,
    },
    /// The images have another number of pixels than the model.
    #[error("{what}: images of shape {found:?}, expected [batch, {pixels}]")]
    Width {
        /// Who asked for them.
        what: &'static str,
        /// What came.
        found: Vec<usize>,
        /// What the model was built for.
        pixels: usize,
    },
    /// A class that the model does not have.
    #[error("image {image} has class {class}, expected 0 to {}", classes - 1)]
    Class {
        /// Which image.
        image: usize,
        /// Its class.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// A word that is not in the vocabulary or codebook.
    #[error("word {word} at position {at}, expected 0 to {}", words - 1)]
    Word {
        /// Where it stands.
        at: usize,
        /// The word.
        word: i64,
        /// How many there are.
        words: usize,
    },
    /// A code that is not finite.
    #[error("element {element} of code {code} is {value}, expected a finite number")]
    Code {
        /// Which code.
        code: usize,
        /// Which element.
        element: usize,
        /// What it holds.
        value: f64,
    },
    /// A pixel that is no probability.
    #[error("{what}: pixel {pixel} of image {image} is {value}, expected 0 to 1")]
    Pixel {
        /// Who asked for it.
        what: &'static str,
        /// Which image.
        image: usize,
        /// Which pixel.
        pixel: usize,
        /// What it holds.
        value: f32,
    },
}
