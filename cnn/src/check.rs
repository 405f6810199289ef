//! The door through which images and labels enter.

use etude_autograd::Tensor;

use crate::error::Error;

/// Images must be `[n ≥ 1, channels, height, width]` of finite numbers.
pub(crate) fn images(images: &Tensor) -> Result<(), Error> {
    if images.rank() != 4 || images.is_empty() {
        let expected = "[n, channels, height, width] with at least one image and pixel";
        return Err(Error::Images { found: images.shape().to_vec(), expected });
    }
    let size = images.len() / images.dim(0);
    match images.to_vec().iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((i, &value)) => Err(Error::Pixel { image: i / size, position: i % size, value }),
        None => Ok(()),
    }
}

/// One label an image.
pub(crate) fn label_count(labels: &Tensor<i64>, images: usize) -> Result<(), Error> {
    if labels.shape() == [images] {
        return Ok(());
    }
    Err(Error::LabelCount { labels: labels.shape().to_vec(), images })
}

/// Every label a class.
pub(crate) fn labels(labels: &Tensor<i64>, images: usize, classes: usize) -> Result<(), Error> {
    label_count(labels, images)?;
    match labels.to_vec().into_iter().enumerate().find(|&(_, l)| l < 0 || l >= classes as i64) {
        Some((image, label)) => Err(Error::Label { image, label, classes }),
        None => Ok(()),
    }
}
