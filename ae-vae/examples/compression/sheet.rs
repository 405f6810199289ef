//! All pictures of a set on one sheet, so that PNG and JPEG pay for one header, and can learn from one picture for the next.

use anyhow::{Result, anyhow};
use etude_ae_vae::measure::psnr;
use etude_autograd::Tensor;
use etude_data::picture::{Grid, Picture};
use jpeg_encoder::{ColorType, Encoder};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

pub const SIDE: usize = 28;
const COLUMNS: usize = 50;

/// Grey pictures side by side without a gap, `[n, 784]`; n must be a multiple of 50.
pub fn sheet(images: &Tensor) -> Picture {
    let grid = Grid { columns: COLUMNS, padding: 0, upscale: 1, background: 0.0 };
    Picture::grid(&images.reshape([images.dim(0), 1, SIDE, SIDE]), &grid)
}

/// The way back, of the bytes of a sheet.
fn images(pixels: &[u8], n: usize) -> Tensor {
    let sheet =
        Tensor::from_vec(pixels.iter().map(|&p| f32::from(p) / 255.0).collect(), [n / COLUMNS, SIDE, COLUMNS, SIDE]);
    sheet.permute([0, 2, 1, 3]).reshape([n, SIDE * SIDE])
}

/// Bytes of the smallest PNG of a sheet: at the best compression, over all filters.
pub fn png_bytes(sheet: &Picture) -> Result<usize> {
    use png::Filter::{Adaptive, Avg, NoFilter, Paeth, Sub, Up};
    let mut least = usize::MAX;
    for filter in [NoFilter, Sub, Up, Avg, Paeth, Adaptive] {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, sheet.width() as u32, sheet.height() as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_compression(png::Compression::High);
        encoder.set_filter(filter);
        encoder.write_header()?.write_image_data(sheet.pixels())?;
        least = least.min(out.len());
    }
    Ok(least)
}

/// What a codec makes of a set.
pub struct Coded {
    pub bits_per_pixel: f64,
    pub psnr: f64,
    /// `[n, 784]`.
    pub images: Tensor,
}

impl Coded {
    pub fn new(bytes: usize, images: Tensor, originals: &Tensor) -> Self {
        let psnr = psnr(&images, originals);
        Coded { bits_per_pixel: 8.0 * bytes as f64 / originals.len() as f64, psnr, images }
    }
}

/// A JPEG of a sheet at a quality from 1 to 100 and back: progressive or not, whichever is smaller, with Huffman tables of its
/// own.
pub fn jpeg(sheet: &Picture, originals: &Tensor, quality: u8) -> Result<Coded> {
    let mut best: Option<Vec<u8>> = None;
    for progressive in [false, true] {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, quality);
        encoder.set_progressive(progressive);
        encoder.set_optimized_huffman_tables(true);
        encoder.encode(sheet.pixels(), sheet.width() as u16, sheet.height() as u16, ColorType::Luma)?;
        if best.as_ref().is_none_or(|best| out.len() < best.len()) {
            best = Some(out);
        }
    }
    let bytes = best.unwrap_or_default();
    let grey = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let pixels = JpegDecoder::new_with_options(ZCursor::new(&bytes), grey).decode().map_err(|e| anyhow!("{e:?}"))?;
    Ok(Coded::new(bytes.len(), images(&pixels, originals.dim(0)), originals))
}

/// The bits a pixel at which a curve reaches a ratio, linear between its points; at a ratio that its first point already has,
/// those of that point.
pub fn bits_at(curve: &[Coded], psnr: f64) -> f64 {
    let reached = |pair: &&[Coded]| pair[1].psnr >= psnr;
    let between = |pair: &[Coded]| {
        let part = ((psnr - pair[0].psnr) / (pair[1].psnr - pair[0].psnr)).max(0.0);
        pair[0].bits_per_pixel + part * (pair[1].bits_per_pixel - pair[0].bits_per_pixel)
    };
    curve.windows(2).find(reached).map_or(f64::INFINITY, between)
}
