//! Labelled images, and the embedded digits and emoji ([`crate::mnist`] is beside this).
//!
//! Invariant: `images` and `labels` have the same number of rows, and every label is below the number of classes.

use etude_autograd::Tensor;

use crate::error::{DataError, Result};
use crate::idx::Idx;
use crate::picture::Picture;
use crate::table::{Format, Table};

/// Images with one class each.
#[derive(Clone, Debug)]
pub struct ImageSet {
    /// `[n, channels, height, width]`, values in [0, 1].
    pub images: Tensor,
    /// `[n]`, classes from 0.
    pub labels: Tensor<i64>,
}

impl ImageSet {
    /// Pairs images `[n, height, width]` of bytes with labels `[n]`, both as IDX; labels must be below `classes`.
    pub fn from_idx(images: &Idx, labels: &Idx, classes: usize) -> Result<Self> {
        let (pixels, classes_of) = (images.bytes()?, labels.bytes()?);
        let &[n, height, width] = images.shape.as_slice() else {
            return Err(DataError::malformed(
                &images.file,
                "axes",
                "[images, height, width]",
                format!("{:?}", images.shape),
            ));
        };
        if labels.shape != [n] {
            let expected = format!("[{n}], a label for each image of {}", images.file);
            return Err(DataError::malformed(&labels.file, "axes", expected, format!("{:?}", labels.shape)));
        }
        if let Some(i) = classes_of.iter().position(|&label| usize::from(label) >= classes) {
            let expected = format!("a class in 0..{classes}");
            return Err(DataError::malformed(&labels.file, format!("label {i}"), expected, classes_of[i]));
        }
        Ok(Self {
            images: Tensor::from_vec(pixels.iter().map(|&p| f32::from(p) / 255.0).collect(), [n, 1, height, width]),
            labels: Tensor::from_vec(classes_of.iter().map(|&l| i64::from(l)).collect(), [n]),
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without an image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The first `n` images, or all if there are fewer.
    pub fn first(&self, n: usize) -> Self {
        let n = n.min(self.len());
        Self { images: self.images.narrow(0, 0, n), labels: self.labels.narrow(0, 0, n) }
    }
}

/// Digits of 8 × 8 (Alpaydin and Kaynak 1998).
#[derive(Clone, Debug)]
pub struct Digits {
    /// `[1797, 64]`, counts 0 to 16.
    pub pixels: Tensor,
    /// `[1797]`, classes 0 to 9.
    pub labels: Tensor<i64>,
}

/// The 1,797 digits of 8 × 8.
pub fn digits() -> Digits {
    const CSV: &[u8] = include_bytes!("../assets/digits-8x8.csv.gz");
    let whole = "the embedded digits are whole, as the tests show";
    let rows = Table::parse(CSV, "digits-8x8.csv.gz", &Format::default().without_header())
        .and_then(|t| t.matrix())
        .expect(whole);
    let rows = rows.as_chunks::<65>().0;
    Digits {
        pixels: Tensor::from_vec(rows.iter().flat_map(|r| &r[..64]).map(|&v| v as f32).collect(), [rows.len(), 64]),
        labels: Tensor::from_vec(rows.iter().map(|r| r[64] as i64).collect(), [rows.len()]),
    }
}

/// Colour emoji (Twemoji, CC BY 4.0: credit it wherever these pictures are shown).
#[derive(Clone, Debug)]
pub struct Emoji {
    /// `[1906, 3, 32, 32]`, on white.
    pub images: Tensor,
    /// `[1906]`, indices into `categories`.
    pub labels: Tensor<i64>,
    /// The 9 categories, sorted.
    pub categories: Vec<String>,
    /// Short name of each emoji.
    pub names: Vec<String>,
}

/// The 1,906 emoji of 32 × 32.
pub fn emoji() -> Emoji {
    const SHEET: &[u8] = include_bytes!("../assets/emoji-32/sheet.png");
    const LABELS: &[u8] = include_bytes!("../assets/emoji-32/labels.tsv");
    const SIDE: usize = 32;
    let whole = "the embedded emoji are whole, as the tests show";
    let sheet = Picture::decode(SHEET, "emoji-32/sheet.png").expect(whole);
    let table = Table::parse(LABELS, "emoji-32/labels.tsv", &Format::tsv()).expect(whole);
    let texts = |column| table.column(column).expect(whole).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let (names, kinds) = (texts("short_name"), texts("category"));
    let mut categories = kinds.clone();
    categories.sort_unstable();
    categories.dedup();
    let labels =
        kinds.iter().map(|k| categories.binary_search(k).expect("every kind is among the categories") as i64).collect();
    let tiles_a_row = sheet.width() / SIDE;
    let mut images = Vec::with_capacity(names.len() * 3 * SIDE * SIDE);
    for i in 0..names.len() {
        let (left, top) = (i % tiles_a_row * SIDE, i / tiles_a_row * SIDE);
        for c in 0..3 {
            for y in top..top + SIDE {
                let row = y * sheet.width() + left;
                images.extend((row..row + SIDE).map(|pixel| f32::from(sheet.pixels()[3 * pixel + c]) / 255.0));
            }
        }
    }
    let n = names.len();
    Emoji {
        images: Tensor::from_vec(images, [n, 3, SIDE, SIDE]),
        labels: Tensor::from_vec(labels, [n]),
        categories,
        names,
    }
}
