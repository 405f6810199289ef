//! PNG pictures: grids of images as a tensor holds them, and single pictures read from files.
//!
//! Tensors are `[n, channels, height, width]` (or `[channels, height, width]`) with values in [0, 1]: 1 channel is grey, 3 are RGB.
//! Values outside are clamped and NaN becomes 0, because samples of a half-trained model must still be visible.
//! Small images are enlarged by a whole factor without smoothing, so that a digit of 28 × 28 stays crisp.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use etude_autograd::Tensor;

use crate::colour;
use crate::error::{DataError, Result};
use crate::file::{self, DEFLATE_RATIO};

/// Pixels of 8 bits, grey or RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    /// Row-major, channels fastest.
    pixels: Vec<u8>,
    /// Corner of the cells that a grid leaves empty: pixels at least that far right and down are transparent in a PNG.
    empty: Option<[usize; 2]>,
}

/// How a grid of images is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Images a row.
    pub columns: usize,
    /// Pixels between images and around them, after enlarging.
    pub padding: usize,
    /// Pixels a side for each pixel of an image; 0 chooses the factor that makes an image about 64 pixels wide.
    pub upscale: usize,
    /// Grey level of the padding, 0 to 1. Cells without an image are white, and transparent in a PNG.
    pub background: f32,
}

impl Grid {
    /// Light lines of 2 pixels, factor chosen by size.
    pub fn new(columns: usize) -> Self {
        Self { columns, padding: 2, upscale: 0, background: 0.85 }
    }
}

/// Writes images `[n, channels, height, width]` as a PNG grid. Panics if the tensor is not a batch of grey or RGB images.
#[track_caller]
pub fn save_grid(path: impl AsRef<Path>, images: &Tensor, columns: usize) -> Result<()> {
    Picture::grid(images, &Grid::new(columns)).save(path)
}

/// Colours one-channel images `[n, 1, height, width]` in the viridis scale, each from its own minimum to its maximum.
///
/// For saliency and attention maps. Panics on any other shape, and on maps without a pixel.
#[track_caller]
pub fn heat(maps: &Tensor) -> Tensor {
    let [n, channels, height, width] = batch_shape(maps);
    assert_eq!(channels, 1, "heat: one channel is coloured, found {:?}", maps.shape());
    assert!(height * width > 0, "heat: maps {:?} have no pixel", maps.shape());
    let values = maps.to_vec();
    let mut out = vec![0.0; 3 * values.len()];
    for (map, rgb) in values.chunks(height * width).zip(out.chunks_mut(3 * height * width)) {
        let finite = || map.iter().copied().filter(|v| v.is_finite());
        let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
        let span = if high > low { high - low } else { 1.0 };
        for (i, v) in map.iter().enumerate() {
            for (c, level) in colour::viridis(f64::from((v - low) / span)).into_iter().enumerate() {
                rgb[c * height * width + i] = f32::from(level) / 255.0;
            }
        }
    }
    Tensor::from_vec(out, [n, 3, height, width])
}

#[track_caller]
fn batch_shape(images: &Tensor) -> [usize; 4] {
    match *images.shape() {
        [n, c @ (1 | 3), h, w] => [n, c, h, w],
        ref other => panic!("picture: expected images [n, 1 or 3, height, width], found {other:?}"),
    }
}

impl Picture {
    /// One image `[channels, height, width]`, unscaled. Panics on any other shape.
    #[track_caller]
    pub fn of(image: &Tensor) -> Self {
        let &[channels @ (1 | 3), height, width] = image.shape() else {
            panic!("picture: expected an image [1 or 3, height, width], found {:?}", image.shape());
        };
        let values = image.to_vec();
        let mut pixels = vec![0; values.len()];
        for c in 0..channels {
            for i in 0..height * width {
                pixels[i * channels + c] = level(values[c * height * width + i]);
            }
        }
        Self { width, height, channels, pixels, empty: None }
    }

    /// Images `[n, channels, height, width]` side by side. Panics if the tensor is not a batch of grey or RGB images or the grid has no column.
    #[track_caller]
    pub fn grid(images: &Tensor, grid: &Grid) -> Self {
        let [n, channels, h, w] = batch_shape(images);
        assert!(grid.columns > 0, "picture: a grid has at least one column");
        let factor = if grid.upscale > 0 { grid.upscale } else { (64 / w.max(1)).clamp(1, 8) };
        let (columns, pad) = (grid.columns.min(n.max(1)), grid.padding);
        let rows = n.div_ceil(columns);
        let (cell_w, cell_h) = (w * factor + pad, h * factor + pad);
        let (width, height) = (columns * cell_w + pad, rows * cell_h + pad);
        let empty = (n % columns > 0).then(|| [pad + n % columns * cell_w, pad + n / columns * cell_h]);
        let mut pixels = vec![level(grid.background); width * height * channels];
        if let Some([left, top]) = empty {
            pixels.chunks_exact_mut(width * channels).skip(top).for_each(|row| row[left * channels..].fill(255));
        }
        let values = images.to_vec();
        for (i, image) in values.chunks_exact((channels * h * w).max(1)).enumerate() {
            let (left, top) = (pad + (i % columns) * cell_w, pad + (i / columns) * cell_h);
            for y in 0..h * factor {
                for x in 0..w * factor {
                    let at = ((top + y) * width + left + x) * channels;
                    for c in 0..channels {
                        pixels[at + c] = level(image[(c * h + y / factor) * w + x / factor]);
                    }
                }
            }
        }
        Self { width, height, channels, pixels, empty }
    }

    /// Pixels a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// 1 for grey, 3 for RGB.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The bytes, row-major with the channels fastest.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The picture as `[channels, height, width]` with values in [0, 1].
    pub fn to_tensor(&self) -> Tensor {
        let mut out = Vec::with_capacity(self.pixels.len());
        for c in 0..self.channels {
            out.extend(self.pixels.iter().skip(c).step_by(self.channels).map(|&p| f32::from(p) / 255.0));
        }
        Tensor::from_vec(out, [self.channels, self.height, self.width])
    }

    /// The bytes of a PNG file. An empty picture is an error, since PNG has none.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let size = |n: usize| u32::try_from(n).ok().filter(|&n| n > 0);
        let (Some(width), Some(height)) = (size(self.width), size(self.height)) else {
            return Err(DataError::argument(
                "picture",
                "1 to 2³² − 1 pixels a side",
                format!("{} × {}", self.width, self.height),
            ));
        };
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(match (self.channels, self.empty) {
            (1, None) => png::ColorType::Grayscale,
            (1, Some(_)) => png::ColorType::GrayscaleAlpha,
            (_, None) => png::ColorType::Rgb,
            (_, Some(_)) => png::ColorType::Rgba,
        });
        encoder.set_depth(png::BitDepth::Eight);
        let pixels = self.empty.map_or(Cow::Borrowed(&self.pixels), |corner| Cow::Owned(self.with_alpha(corner)));
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        written.map_err(|e| DataError::argument("picture", "pixels that PNG can hold", e))?;
        Ok(out)
    }

    /// The pixels with their opacity: none at `left`, `top` and beyond, all elsewhere.
    fn with_alpha(&self, [left, top]: [usize; 2]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.pixels.len() / self.channels * (self.channels + 1));
        for (i, pixel) in self.pixels.chunks_exact(self.channels).enumerate() {
            out.extend(pixel);
            out.push(if i % self.width >= left && i / self.width >= top { 0 } else { 255 });
        }
        out
    }

    /// Writes a PNG file, whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::write_atomic(path.as_ref(), &self.encode()?)
    }

    /// Reads a PNG file; transparency is laid on white.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::decode(&file::read(path)?, &path.display().to_string())
    }

    /// Reads PNG bytes of any colour type and depth (16 bits are cut to 8); `file` names them in messages.
    pub fn decode(bytes: &[u8], file: &str) -> Result<Self> {
        let wrong = |e: png::DecodingError| DataError::malformed(file, "PNG", "a whole PNG picture", e);
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(wrong)?;
        // Bytes of the picture as it is stored; EXPAND makes at most 32 of one packed byte (1-bit palette to RGBA).
        let (info, size) = (reader.info(), reader.output_buffer_size());
        let stored = (info.raw_row_length() as u64).saturating_mul(u64::from(info.height));
        if stored > (bytes.len() as u64).saturating_mul(DEFLATE_RATIO) {
            let found = (bytes.len() as u64).saturating_mul(DEFLATE_RATIO);
            return Err(DataError::Truncated { file: file.to_owned(), what: "pixels", expected: stored, found });
        }
        // No limit by growth as for text: an even picture, which `encode` writes, shrinks to a thousandth.
        let Some(size) = size.filter(|&n| n as u64 <= file::LIMIT) else {
            return Err(DataError::TooLarge { file: file.to_owned(), limit: file::LIMIT });
        };
        let mut pixels = vec![0; size];
        let frame = reader.next_frame(&mut pixels).map_err(wrong)?;
        pixels.truncate(frame.buffer_size());
        let (channels, pixels) = match frame.color_type {
            png::ColorType::Grayscale => (1, pixels),
            png::ColorType::Rgb => (3, pixels),
            png::ColorType::GrayscaleAlpha => (1, on_white::<2>(&pixels)),
            png::ColorType::Rgba => (3, on_white::<4>(&pixels)),
            png::ColorType::Indexed => return Err(DataError::malformed(file, "PNG", "a palette", "none")),
        };
        Ok(Self { width: frame.width as usize, height: frame.height as usize, channels, pixels, empty: None })
    }
}

/// The byte of a value in [0, 1].
fn level(value: f32) -> u8 {
    // `as` clamps, and takes NaN to 0.
    (value * 255.0).round() as u8
}

/// Drops the last of N channels, alpha, by laying the others over white.
fn on_white<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let blend = |pixel: &[u8]| -> Vec<u8> {
        let alpha = u32::from(pixel[N - 1]);
        pixel[..N - 1].iter().map(|&p| ((u32::from(p) * alpha + 255 * (255 - alpha) + 127) / 255) as u8).collect()
    };
    pixels.chunks_exact(N).flat_map(blend).collect()
}
