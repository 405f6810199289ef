//! What can go wrong with configurations and data.

use etude_nn::ConfigError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are no images, or classes, sentences or pictures of words.
    #[error("{what}: an empty batch was given")]
    Empty {
        /// Who asked for one.
        what: &'static str,
    },
    /// The images have another number of pixels than the model, or pictures of words another number of words.
    #[error("{what}: a batch of shape {found:?}, expected [batch, {width}]")]
    Width {
        /// Who asked for them.
        what: &'static str,
        /// What came.
        found: Vec<usize>,
        /// The pixels or words that the model was built for.
        width: usize,
    },
    /// A class that the model does not have.
    #[error("class {class} of image {image}, expected 0 to {}", classes - 1)]
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
