//! MNIST: a tenth of it embedded, the whole of it from a folder, through the same code.

use std::path::{Path, PathBuf};

use crate::cache;
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

/// The 60,000 and 10,000 images that `cargo xtask fetch mnist` brought into the user's cache folder.
///
/// # Errors
/// If they were not fetched, which names the folder and the command, or as [`open`].
pub fn fetched() -> Result<Mnist> {
    in_folder(cache::folder("mnist"))
}

fn in_folder(folder: Option<PathBuf>) -> Result<Mnist> {
    match folder {
        Some(folder) if folder.is_dir() => open(folder),
        folder => Err(DataError::NotFetched { set: "mnist", folder }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_fetched_is_named_with_the_command_that_brings_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let absent = folder.path().join("mnist");
        let error = in_folder(Some(absent.clone())).expect_err("it is not there").to_string();
        assert_eq!(error, format!("{} is not there: run `cargo xtask fetch mnist`", absent.display()));
        let error = in_folder(None).expect_err("there is no cache").to_string();
        assert!(error.contains("HOME") && error.contains("cargo xtask fetch mnist"), "{error}");
        std::fs::create_dir(&absent).expect("it is writable");
        let error = in_folder(Some(absent)).expect_err("it is empty").to_string();
        assert!(error.contains("train-images"), "{error}");
    }
}
