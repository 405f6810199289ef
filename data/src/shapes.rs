//! Drawn shapes whose factors are known: for measures of what a code has found out by itself.
//!
//! In the manner of dSprites (Matthey et al. 2017), which no registry ships: a square, an ellipse or a heart of several sizes and
//! positions, each combination once. Nothing is embedded: the pictures are drawn here.

use etude_autograd::Tensor;

/// Pictures of every combination of factors.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// `[n, 1, side, side]`: 0 outside, 1 inside, between on the edge.
    pub images: Tensor,
    /// The values of each factor, `n` each: which shape (0 to 2), which size, which column, which row.
    pub factors: Vec<Vec<usize>>,
}

/// The names of the factors, in order.
pub const FACTORS: [&str; 4] = ["shape", "size", "column", "row"];

/// Subdivisions of a pixel's side that its grey is the mean of.
const FINE: usize = 4;

/// Every combination of the three shapes with `sizes` sizes and `places` columns and rows, in pictures of `side` pixels.
///
/// # Panics
/// If a number is 0.
#[track_caller]
pub fn shapes(side: usize, sizes: usize, places: usize) -> Shapes {
    assert!(side > 0 && sizes > 0 && places > 0, "shapes: {side} pixels, {sizes} sizes, {places} places");
    let (mut pixels, mut factors) = (Vec::new(), vec![Vec::new(); FACTORS.len()]);
    let between = |low: f64, high: f64, i: usize, of: usize| low + (high - low) * (i as f64 + 0.5) / of as f64;
    for shape in 0..3 {
        for size in 0..sizes {
            for column in 0..places {
                for row in 0..places {
                    // The largest, of half width 0.2, still lies within the picture at the outermost place.
                    let centre = [column, row].map(|i| between(0.2, 0.8, i, places));
                    draw(shape, between(0.08, 0.2, size, sizes), centre, side, &mut pixels);
                    factors.iter_mut().zip([shape, size, column, row]).for_each(|(all, value)| all.push(value));
                }
            }
        }
    }
    let n = factors[0].len();
    Shapes { images: Tensor::from_vec(pixels, [n, 1, side, side]), factors }
}

/// One picture, row by row; lengths are shares of its side.
fn draw(shape: usize, radius: f64, [cx, cy]: [f64; 2], side: usize, pixels: &mut Vec<f32>) {
    let fine = (side * FINE) as f64;
    for y in 0..side {
        for x in 0..side {
            let inside = |i: usize| {
                let at = |pixel: usize, part: usize| ((pixel * FINE + part) as f64 + 0.5) / fine;
                let (u, v) = ((at(x, i % FINE) - cx) / radius, (at(y, i / FINE) - cy) / radius);
                contains(shape, u, v)
            };
            let count = (0..FINE * FINE).filter(|&i| inside(i)).count();
            pixels.push(count as f32 / (FINE * FINE) as f32);
        }
    }
}

/// Whether a point lies in a shape that reaches from −1 to 1, downwards positive.
fn contains(shape: usize, u: f64, v: f64) -> bool {
    match shape {
        0 => u.abs().max(v.abs()) <= 0.8,
        1 => u * u + (v / 0.6) * (v / 0.6) <= 1.0,
        // The sextic curve (x² + y² − 1)³ = x²y³, upright and scaled to fit.
        _ => {
            let (x, y) = (1.15 * u, -1.15 * v + 0.1);
            let r = x * x + y * y - 1.0;
            r * r * r - x * x * y * y * y <= 0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_there_once_and_no_picture_twice() {
        let set = shapes(16, 3, 4);
        assert_eq!(set.images.shape(), [3 * 3 * 16, 1, 16, 16]);
        assert_eq!(set.factors.iter().map(|f| *f.iter().max().expect("some")).collect::<Vec<_>>(), [2, 2, 3, 3]);
        let all = set.images.to_vec();
        let pictures: std::collections::HashSet<Vec<u32>> =
            all.chunks(256).map(|p| p.iter().map(|v| v.to_bits()).collect()).collect();
        assert_eq!(pictures.len(), 144);
        assert!(all.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn larger_shapes_have_more_ink_and_the_centre_follows_the_place() {
        let side = 32;
        let set = shapes(side, 3, 4);
        let all = set.images.to_vec();
        for (i, picture) in all.chunks(side * side).enumerate() {
            let ink: f64 = picture.iter().map(|&v| f64::from(v)).sum();
            let at = |axis: fn(usize, usize) -> usize| {
                let sum: f64 = (0..).zip(picture).map(|(p, &v)| f64::from(v) * (axis(p, 32) as f64 + 0.5)).sum();
                sum / ink / side as f64
            };
            let want = [set.factors[2][i], set.factors[3][i]].map(|place| 0.2 + 0.6 * (place as f64 + 0.5) / 4.0);
            // A heart's centre of mass lies a little off its origin.
            assert!((at(|p, n| p % n) - want[0]).abs() < 0.01 && (at(|p, n| p / n) - want[1]).abs() < 0.05, "{i}");
            if set.factors[1][i] > 0 {
                let smaller: f32 = all[(i - 16) * side * side..][..side * side].iter().sum();
                assert!(ink > 1.2 * f64::from(smaller), "picture {i}");
            }
        }
    }
}
