//! MNIST: a tenth of it embedded, the whole of it from a folder, through the same code.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Result};
use crate::idx;
use crate::images::ImageSet;

const CLASSES: usize = 10;

/// Training and test images.
#[derive(Clone, Debug)]
pub struct Mnist {
    /// For training and for every choice.
    pub train: ImageSet,
    /// For the final figure only.
    pub test: ImageSet,
}

/// The embedded 10,000 training images, 1,000 per class: images `[10000, 1, 28, 28]` in [0, 1].
pub fn train() -> ImageSet {
    embedded(
        include_bytes!("../assets/mnist-12k/train-images-idx3-ubyte.gz"),
        include_bytes!("../assets/mnist-12k/train-labels-idx1-ubyte.gz"),
    )
}

/// The embedded 2,000 test images, 200 per class: images `[2000, 1, 28, 28]` in [0, 1].
pub fn test() -> ImageSet {
    embedded(
        include_bytes!("../assets/mnist-12k/t10k-images-idx3-ubyte.gz"),
        include_bytes!("../assets/mnist-12k/t10k-labels-idx1-ubyte.gz"),
    )
}

/// Opens a folder with the four files of MNIST (or Fashion-MNIST, KMNIST), each plain or `.gz`.
///
/// The names are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`; a dot before `idx`, as some
/// mirrors have it, is accepted.
pub fn open(dir: impl AsRef<Path>) -> Result<Mnist> {
    let dir = dir.as_ref();
    let half = |prefix: &str| {
        let images = idx::open(find(dir, &format!("{prefix}-images"), "idx3-ubyte")?)?;
        let labels = idx::open(find(dir, &format!("{prefix}-labels"), "idx1-ubyte")?)?;
        ImageSet::from_idx(&images, &labels, CLASSES)
    };
    Ok(Mnist { train: half("train")?, test: half("t10k")? })
}

fn find(dir: &Path, stem: &str, ending: &str) -> Result<PathBuf> {
    let names = ["-", "."].map(|dot| ["", ".gz"].map(|gz| dir.join(format!("{stem}{dot}{ending}{gz}"))));
    let path = names.iter().flatten().find(|path| path.is_file());
    path.cloned().ok_or_else(|| {
        let expected = format!("a file {stem}-{ending} or {stem}-{ending}.gz");
        DataError::malformed(&dir.display().to_string(), "folder", expected, "none")
    })
}

fn embedded(images: &[u8], labels: &[u8]) -> ImageSet {
    let set =
        || ImageSet::from_idx(&idx::parse(images, "mnist images")?, &idx::parse(labels, "mnist labels")?, CLASSES);
    set().expect("the embedded images are whole, as the tests show")
}
