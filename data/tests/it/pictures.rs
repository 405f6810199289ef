//! PNG: what was encoded is what another decoder reads, and bad files are errors.

use std::io::Cursor;

use etude_autograd::Tensor;
use etude_data::DataError;
use etude_data::picture::{self, Grid, Picture};
use proptest::prelude::*;

use crate::cases;

/// Images of `channels` whose values are exact bytes.
fn images() -> impl Strategy<Value = Tensor> {
    (0usize..5, prop_oneof![Just(1usize), Just(3)], 1usize..6, 1usize..6).prop_flat_map(|(n, c, h, w)| {
        let pixels = proptest::collection::vec(any::<u8>(), n * c * h * w);
        pixels.prop_map(move |p| Tensor::from_vec(p.iter().map(|&p| f32::from(p) / 255.0).collect(), [n, c, h, w]))
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_grid_read_by_the_png_crate_holds_every_pixel(x in images(), columns in 1usize..6, padding in 1usize..4, upscale in 1usize..4) {
        let picture = Picture::grid(&x, &Grid { columns, padding, upscale, background: 1.0 });
        let mut reader = png::Decoder::new(Cursor::new(picture.encode().expect("not empty"))).read_info().expect("PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut bytes).expect("PNG");
        let [n, c, h, w] = *x.shape() else { unreachable!("images have four axes") };
        let used = columns.min(n.max(1));
        prop_assert_eq!(info.width as usize, used * (w * upscale + padding) + padding);
        let values = x.to_vec();
        // Cells without an image bring an opacity, which the next test looks at.
        let stored = info.color_type.samples();
        let mut inside = 0;
        for i in 0..n {
            for (y, x) in (0..h * upscale).flat_map(|y| (0..w * upscale).map(move |x| (y, x))) {
                let (row, column) = (padding + i / used * (h * upscale + padding) + y, padding + i % used * (w * upscale + padding) + x);
                for channel in 0..c {
                    let found = bytes[(row * info.width as usize + column) * stored + channel];
                    let value = values[((i * c + channel) * h + y / upscale) * w + x / upscale];
                    prop_assert_eq!(f32::from(found) / 255.0, value);
                    inside += 1;
                }
            }
        }
        let white = picture.pixels().len() - inside;
        prop_assert!(picture.pixels().iter().filter(|&&b| b == 255).count() >= white, "the rest is background");
    }

    #[test]
    fn only_cells_without_an_image_are_transparent(x in images(), columns in 1usize..6, padding in 0usize..4) {
        let picture = Picture::grid(&x, &Grid { columns, padding, upscale: 1, background: 0.5 });
        prop_assume!(picture.width() * picture.height() > 0);
        let mut decoder = png::Decoder::new(Cursor::new(picture.encode().expect("not empty")));
        decoder.set_transformations(png::Transformations::ALPHA);
        let mut reader = decoder.read_info().expect("PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut bytes).expect("PNG");
        let [n, c, h, w] = *x.shape() else { unreachable!("images have four axes") };
        for (i, pixel) in bytes.chunks_exact(c + 1).enumerate() {
            let (at_x, at_y) = (i % info.width as usize, i / info.width as usize);
            // The cell that the pixel lies in, with the lines right of and below an image; the lines before the first have none.
            let cell = at_x.checked_sub(padding).zip(at_y.checked_sub(padding));
            let number = cell.map_or(0, |(x, y)| y / (h + padding) * columns.min(n.max(1)) + x / (w + padding));
            prop_assert_eq!(pixel[c], if n > 0 && number >= n { 0 } else { 255 }, "{} {}", at_x, at_y);
        }
        // On white, as any viewer or our own reader lays it, the picture is the one in memory.
        let back = Picture::decode(&picture.encode().expect("not empty"), "p.png").expect("just encoded");
        prop_assert_eq!(back.pixels(), picture.pixels());
    }

    #[test]
    fn a_picture_comes_back_equal(x in images()) {
        let n = x.dim(0);
        for i in 0..n {
            let image = x.narrow(0, i, 1).reshape(&x.shape()[1..]);
            let picture = Picture::of(&image);
            let back = Picture::decode(&picture.encode().expect("not empty"), "p.png").expect("just encoded");
            prop_assert_eq!(&back, &picture);
            prop_assert_eq!(back.to_tensor().to_vec(), image.to_vec());
        }
    }
}

#[test]
fn every_truncation_of_a_png_is_an_error() {
    let picture = Picture::of(&Tensor::from_vec((0..12).map(|i| i as f32 / 12.0).collect(), [3, 2, 2]));
    let bytes = picture.encode().expect("not empty");
    // The last 12 bytes are the end marker, without which the picture is whole.
    for cut in 0..bytes.len() - 12 {
        assert!(Picture::decode(&bytes[..cut], "cut.png").is_err(), "cut at {cut}");
    }
}

#[test]
fn a_png_that_claims_more_than_it_can_hold_is_refused() {
    let tiny = Picture::of(&Tensor::from_vec(vec![0.5], [1, 1, 1])).encode().expect("not empty");
    // Width and height stand at bytes 16..24; their checksum over the chunk must be made right again.
    let mut greedy = tiny;
    greedy[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let mut crc = flate2::Crc::new();
    crc.update(&greedy[12..29]);
    greedy[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let error = Picture::decode(&greedy, "greedy.png").expect_err("4 GiB from 67 bytes");
    assert!(matches!(error, DataError::Truncated { what: "pixels", .. }), "{error}");
}

#[test]
fn transparency_is_laid_on_white() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 1);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().expect("a Vec takes every byte");
    writer.write_image_data(&[200, 0, 0, 255, 200, 0, 0, 0, 0, 0, 0, 128, 1, 1, 1, 128]).expect("four pixels");
    writer.finish().expect("a Vec takes every byte");
    // Opaque stays, transparent is white, half-transparent black is 255 · (1 − 128/255) = 127, and 1 is 127.502, rounded to 128.
    assert_eq!(
        Picture::decode(&bytes, "a.png").expect("PNG").pixels(),
        [200, 0, 0, 255, 255, 255, 127, 127, 127, 128, 128, 128]
    );
}

#[test]
fn values_outside_are_clamped_and_nan_is_black() {
    let picture = Picture::of(&Tensor::from_vec(vec![-1.0, 2.0, f32::NAN, 0.5], [1, 2, 2]));
    assert_eq!(picture.pixels(), [0, 255, 0, 128]);
}

#[test]
fn heat_spans_the_whole_scale_in_each_map() {
    let maps = Tensor::from_vec(vec![0.0, 1.0, 5.0, 9.0, 9.0, 9.0], [2, 1, 1, 3]);
    let colours = picture::heat(&maps);
    assert_eq!(colours.shape(), [2, 3, 1, 3]);
    // viridis ends in #440154 and #fde725; a constant map shows its low end.
    let bytes: Vec<u8> = colours.to_vec().iter().map(|v| (v * 255.0).round() as u8).collect();
    assert_eq!((bytes[0], bytes[3], bytes[6]), (0x44, 0x01, 0x54));
    assert_eq!((bytes[2], bytes[5], bytes[8]), (0xfd, 0xe7, 0x25));
    assert_eq!((bytes[9], bytes[12], bytes[15]), (0x44, 0x01, 0x54));
}

#[test]
fn saving_writes_a_whole_file_and_an_empty_grid_is_an_error() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("grid.png");
    picture::save_grid(&path, &Tensor::from_vec(vec![0.5; 3 * 28 * 28], [3, 1, 28, 28]), 2).expect("a writable folder");
    let picture = Picture::open(&path).expect("just written");
    // Two columns and two rows of 28 × 2 pixels, padding 2.
    assert_eq!((picture.width(), picture.height(), picture.channels()), (2 * 58 + 2, 2 * 58 + 2, 1));
    let none = Picture::grid(&Tensor::from_vec(vec![], [0, 1, 4, 4]), &Grid { padding: 0, ..Grid::new(4) });
    assert!(none.encode().is_err());
    assert!(Picture::open(dir.path().join("absent.png")).expect_err("no file").to_string().contains("absent.png"));
}

#[test]
#[should_panic(expected = "picture: expected images [n, 1 or 3, height, width], found [2, 2, 4, 4]")]
fn two_channels_are_refused() {
    Picture::grid(&Tensor::from_vec(vec![0.0; 64], [2, 2, 4, 4]), &Grid::new(2));
}

#[test]
fn a_large_even_picture_comes_back() {
    let one = Tensor::from_vec(vec![0.2, 0.4, 0.6], [1, 3, 1, 1]);
    let picture = Picture::grid(&one, &Grid { columns: 1, padding: 0, upscale: 4800, background: 1.0 });
    let bytes = picture.encode().expect("not empty");
    // More than any other compressed file of this length may grow to.
    assert!(picture.pixels().len() > 64 << 20 && picture.pixels().len() > 100 * bytes.len(), "{} bytes", bytes.len());
    assert!(Picture::decode(&bytes, "p.png").expect("just encoded") == picture);
}
