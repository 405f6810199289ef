//! What can go wrong with images, labels and configurations, always with the place and the numbers.

use etude_nn::ConfigError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Images of another shape than expected.
    #[error("images have shape {found:?}, expected {expected}")]
    Images {
        /// Their shape.
        found: Vec<usize>,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A pixel that is NaN or infinite.
    #[error("pixel {position} of image {image} is {value}, expected a finite number")]
    Pixel {
        /// Number of the image.
        image: usize,
        /// Position in the image, row-major, channels outermost.
        position: usize,
        /// The value.
        value: f32,
    },
    /// Another number of labels than of images.
    #[error("{labels:?} labels for {images} images, expected [{images}]")]
    LabelCount {
        /// Shape of the labels.
        labels: Vec<usize>,
        /// Number of images.
        images: usize,
    },
    /// A label without a class score.
    #[error("label {label} of image {image} is not one of the model's {classes} classes")]
    Label {
        /// Number of the image.
        image: usize,
        /// The label.
        label: i64,
        /// Number of class scores.
        classes: usize,
    },
    /// The batches ended before the training did.
    #[error("the batches ended after {found} steps, the configuration asks for {expected}")]
    Batches {
        /// Steps taken.
        found: u64,
        /// Steps asked for.
        expected: u64,
    },
    /// The loss or a gradient became NaN or infinite.
    #[error(transparent)]
    Training(#[from] etude_nn::Error),
}
