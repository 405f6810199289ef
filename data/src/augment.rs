//! Random affine changes of images: shift, rotation, scale and horizontal flip in one bilinear resampling.
//!
//! Each image draws the same five numbers whatever the settings are, so that changing one setting leaves the others' draws alone.
//! Invariant: settings that change nothing return the pixels bit for bit.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;

use crate::error::{DataError, Result};

/// The largest changes; every image gets its own, uniform within them.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Augment {
    /// Shift along each axis in pixels, at most.
    pub shift: f32,
    /// Rotation about the centre in degrees, at most, either way.
    pub rotate: f32,
    /// Enlargement or reduction: the factor lies in `1 - scale ..= 1 + scale`; below 1.
    pub scale: f32,
    /// Probability of a left-right flip.
    pub flip: f32,
    /// Value of what comes in from outside: 0 for white on black, 1 for pictures on white.
    pub fill: f32,
}

impl Default for Augment {
    /// No change.
    fn default() -> Self {
        Self { shift: 0.0, rotate: 0.0, scale: 0.0, flip: 0.0, fill: 0.0 }
    }
}

/// One image's change, as the map from a place in the result to its place in the source.
#[derive(Clone, Copy, Debug)]
struct Inverse {
    cos: f32,
    sin: f32,
    dx: f32,
    dy: f32,
    flip: bool,
}

impl Augment {
    /// Checks every field.
    pub fn validate(&self) -> Result<()> {
        let check = |name, ok: bool, expected: &str, value: f32| {
            if ok { Ok(()) } else { Err(DataError::argument(name, expected, value)) }
        };
        check("augment.shift", self.shift.is_finite() && self.shift >= 0.0, "at least 0 pixels", self.shift)?;
        check("augment.rotate", self.rotate.is_finite() && self.rotate >= 0.0, "at least 0 degrees", self.rotate)?;
        check("augment.scale", (0.0..1.0).contains(&self.scale), "in 0..1", self.scale)?;
        check("augment.flip", (0.0..=1.0).contains(&self.flip), "a probability in 0..=1", self.flip)?;
        check("augment.fill", self.fill.is_finite(), "a finite value", self.fill)
    }

    /// Changed copies of images `[n, channels, height, width]`. Panics on any other shape and on settings that `validate` refuses.
    #[track_caller]
    pub fn apply(&self, images: &Tensor, rng: &mut impl AsMut<Rng>) -> Tensor {
        if let Err(error) = self.validate() {
            panic!("augment: {error}");
        }
        let &[n, channels, height, width] = images.shape() else {
            panic!("augment: expected images [n, channels, height, width], found {:?}", images.shape());
        };
        let rng = rng.as_mut();
        let source = images.to_vec();
        let mut out = vec![0.0; source.len()];
        let (plane, image) = (height * width, channels * height * width);
        for i in 0..n {
            let change = self.draw(rng);
            for c in 0..channels {
                let range = i * image + c * plane..i * image + (c + 1) * plane;
                self.resample(&source[range.clone()], &mut out[range], width, change);
            }
        }
        Tensor::from_vec(out, [n, channels, height, width])
    }

    fn draw(&self, rng: &mut Rng) -> Inverse {
        let mut within = |most: f32| (2.0 * rng.f32() - 1.0) * most;
        let (dx, dy) = (within(self.shift), within(self.shift));
        let angle = within(self.rotate).to_radians();
        let factor = 1.0 + within(self.scale);
        let flip = rng.f32() < self.flip;
        Inverse { cos: angle.cos() / factor, sin: angle.sin() / factor, dx, dy, flip }
    }

    /// source(x) = R⁻¹ (x − centre − shift) / factor + centre, flipped last, between the four nearest pixels.
    fn resample(&self, source: &[f32], out: &mut [f32], width: usize, change: Inverse) {
        let height = source.len() / width.max(1);
        let (centre_x, centre_y) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
        let pixel = |x: f32, y: f32| {
            // Whatever lies outside, NaN included, is the fill value.
            let inside = x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32;
            if inside { source[y as usize * width + x as usize] } else { self.fill }
        };
        for (i, value) in out.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let (u, v) = (x - centre_x - change.dx, y - centre_y - change.dy);
            let from_x = change.cos * u + change.sin * v;
            let from_x = if change.flip { -from_x } else { from_x } + centre_x;
            let from_y = change.cos * v - change.sin * u + centre_y;
            let (left, top) = (from_x.floor(), from_y.floor());
            let (right_part, low_part) = (from_x - left, from_y - top);
            let blend = |a: f32, b: f32, part: f32| if part == 0.0 { a } else { a + part * (b - a) };
            let row =
                |y: f32| blend(pixel(left, y), if right_part == 0.0 { 0.0 } else { pixel(left + 1.0, y) }, right_part);
            *value = blend(row(top), if low_part == 0.0 { 0.0 } else { row(top + 1.0) }, low_part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resample(source: &[f32], width: usize, change: Inverse) -> Vec<f32> {
        let mut out = vec![f32::NAN; source.len()];
        Augment { fill: -1.0, ..Augment::default() }.resample(source, &mut out, width, change);
        out
    }

    #[test]
    fn a_whole_shift_moves_pixels_and_fills_the_rest() {
        let source: Vec<f32> = (1..=6).map(|i| i as f32).collect();
        let right_and_down = Inverse { cos: 1.0, sin: 0.0, dx: 1.0, dy: 1.0, flip: false };
        assert_eq!(resample(&source, 3, right_and_down), [-1.0, -1.0, -1.0, -1.0, 1.0, 2.0]);
    }

    #[test]
    fn a_quarter_turn_permutes_a_square() {
        let source: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let turned = resample(&source, 3, Inverse { cos: 0.0, sin: 1.0, dx: 0.0, dy: 0.0, flip: false });
        // (x, y) takes from (y, 2 − x): the left column, read upwards, becomes the top row from right to left.
        let expected: Vec<f32> = (0..9).map(|i| source[(2 - i % 3) * 3 + i / 3]).collect();
        assert_eq!(turned, expected);
    }

    #[test]
    fn a_plane_is_resampled_exactly() {
        // Bilinear interpolation reproduces linear functions: f(x, y) = 3x − 2y + 5 on 9 × 9 about its centre (4, 4).
        let plane = |x: f32, y: f32| 3.0 * x - 2.0 * y + 5.0;
        let source: Vec<f32> = (0..81).map(|i| plane((i % 9) as f32, (i / 9) as f32)).collect();
        let (angle, factor) = (0.3f32, 1.25f32);
        let change = Inverse { cos: angle.cos() / factor, sin: angle.sin() / factor, dx: 0.4, dy: -0.7, flip: false };
        let out = resample(&source, 9, change);
        for (x, y) in (2..7).flat_map(|y| (2..7).map(move |x| (x, y))) {
            let (u, v) = ((x as f32 - 4.0 - 0.4) / factor, (y as f32 - 4.0 + 0.7) / factor);
            let from = (angle.cos() * u + angle.sin() * v + 4.0, angle.cos() * v - angle.sin() * u + 4.0);
            assert!((out[y * 9 + x] - plane(from.0, from.1)).abs() < 1e-4, "at {x}, {y}");
        }
    }
}
