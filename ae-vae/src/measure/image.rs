//! How like two pictures are.

use etude_autograd::{Conv2dArgs, Tensor, no_grad};

/// The peak signal-to-noise ratio of pixels in [0, 1], in decibels: 10·lg(1/MSE) over all pixels of both; ∞ if they are equal.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn psnr(a: &Tensor, b: &Tensor) -> f64 {
    assert!(a.shape() == b.shape(), "psnr: shapes differ: {:?} and {:?}", a.shape(), b.shape());
    -10.0 * f64::from((a - b).square().mean().item()).log10()
}

/// Side of the window of [`ssim`].
const WINDOW: usize = 11;

/// The mean structural similarity of pictures with pixels in [0, 1], of `image` = channels, height and width a row: 1 for equal
/// ones.
///
/// Wang, Bovik, Sheikh & Simoncelli 2004, *Image Quality Assessment: From Error Visibility to Structural Similarity*, eqs.
/// (13) and (17): windows of 11 × 11 with a Gaussian of deviation 1.5, K₁ = 0.01, K₂ = 0.03, those that lie within the picture.
///
/// # Panics
/// If the shapes differ or do not hold such pictures, or a side is shorter than the window.
#[track_caller]
pub fn ssim(a: &Tensor, b: &Tensor, image: [usize; 3]) -> f64 {
    let [channels, height, width] = image;
    let fits = a.shape() == b.shape() && a.rank() == 2 && a.dim(1) == channels * height * width;
    assert!(fits, "ssim: {:?} and {:?} are not rows of pictures of {image:?}", a.shape(), b.shape());
    let fits = height.min(width) >= WINDOW && !a.is_empty();
    assert!(fits, "ssim: {} pictures of {height} × {width}, expected sides from {WINDOW}", a.dim(0));
    let (c1, c2) = (0.01f64.powi(2), 0.03f64.powi(2));
    let means = |x: &Tensor| windowed(&x.reshape([a.dim(0) * channels, 1, height, width]));
    no_grad(|| {
        let (mean_a, mean_b) = (means(a), means(b));
        let var_a = means(&a.square()) - mean_a.square();
        let var_b = means(&b.square()) - mean_b.square();
        let covariance = means(&(a * b)) - &mean_a * &mean_b;
        let above = (&mean_a * &mean_b).affine(2.0, c1) * covariance.affine(2.0, c2);
        let below = (mean_a.square() + mean_b.square()).affine(1.0, c1) * (var_a + var_b).affine(1.0, c2);
        f64::from((above / below).mean().item())
    })
}

/// The weighted mean of every window.
fn windowed(x: &Tensor) -> Tensor {
    let at = |i: usize| (i as f64 - (WINDOW / 2) as f64) / 1.5;
    let weights: Vec<f64> = (0..WINDOW).map(|i| (-0.5 * at(i) * at(i)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|w| (w / total) as f32).collect();
    let rows = Tensor::from_vec(weights.clone(), [1, 1, WINDOW, 1]);
    let columns = Tensor::from_vec(weights, [1, 1, 1, WINDOW]);
    x.conv2d(&rows, None, Conv2dArgs::default()).conv2d(&columns, None, Conv2dArgs::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn a_known_error_has_a_known_ratio() {
        let a: Tensor = Tensor::full([2, 8], 0.5);
        assert!((psnr(&a, &(&a + 0.1)) - 20.0).abs() < 1e-4);
        assert_eq!(psnr(&a, &a), f64::INFINITY);
    }

    #[test]
    fn a_picture_is_like_itself_and_likeness_has_no_direction() {
        let mut rng = Rng::new(0);
        let image = [2, 13, 15];
        let [a, b] = [(); 2].map(|()| Tensor::rand([3, 390], &mut rng));
        assert!((ssim(&a, &a, image) - 1.0).abs() < 1e-5);
        assert!((ssim(&a, &b, image) - ssim(&b, &a, image)).abs() < 1e-6);
        // Independent noise has no structure in common, a little noise leaves it.
        let near = ssim(&a, &(&a + (&b - 0.5) * 0.1), image);
        assert!(ssim(&a, &b, image).abs() < 0.2 && near > 0.9, "{near}");
    }

    #[test]
    fn flat_pictures_have_the_closed_form() {
        // Without variance eq. (13) is (2ab + C₁)/(a² + b² + C₁).
        let (a, b) = (0.3f64, 0.6f64);
        let of = |v: f64| Tensor::full([1, 121], v as f32);
        let want = (2.0 * a * b + 1e-4) / (a * a + b * b + 1e-4);
        assert!((ssim(&of(a), &of(b), [1, 11, 11]) - want).abs() < 1e-3);
    }
}
