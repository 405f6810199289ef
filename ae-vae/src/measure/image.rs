//! How like two pictures are, and how sharp one is.

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

/// How sharp each picture is, `[n]`, of rows of pictures of `image` = channels, height and width: the variance of the Laplacian
/// over the pixels that have four neighbours, mean over channels. 0 for what is flat or rises evenly; half the contrast makes it
/// a quarter, and noise counts as sharp: it means something beside that of real pictures.
///
/// Pech-Pacheco et al. 2000, *Diatom autofocusing in brightfield microscopy: a comparative study*; of generated pictures,
/// Tolstikhin et al. 2018, arXiv:1711.01558, in the experiments.
///
/// # Panics
/// If the rows do not hold such pictures, or a side is shorter than 3.
#[track_caller]
pub fn sharpness(x: &Tensor, image: [usize; 3]) -> Tensor {
    let [channels, height, width] = image;
    let fits = x.rank() == 2 && x.dim(1) == channels * height * width && channels > 0 && height.min(width) >= 3;
    assert!(fits, "sharpness: {:?} are not rows of pictures of {image:?} with sides from 3", x.shape());
    let laplacian = Tensor::from_slice(&[0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0], [1, 1, 3, 3]);
    no_grad(|| {
        let planes = x.reshape([x.dim(0) * channels, 1, height, width]);
        let edges = planes.conv2d(&laplacian, None, Conv2dArgs::default()).flatten_from(1);
        edges.var_dims([1]).reshape([x.dim(0), channels]).mean_dims([1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn a_chequerboard_has_the_closed_form_and_an_even_slope_is_not_sharp() {
        // Each neighbour of 0 is a and of a is 0: the Laplacian is ±4a in turn, its variance 16a².
        let (height, width, a) = (6, 8, 0.5f32);
        let picture = |f: &dyn Fn(usize, usize) -> f32| (0..height * width).map(|i| f(i / width, i % width)).collect();
        let board: Vec<f32> = picture(&|y, x| if (x + y) % 2 == 0 { a } else { 0.0 });
        let slope: Vec<f32> = picture(&|y, x| 0.1 + 0.02 * x as f32 + 0.05 * y as f32);
        // Two pictures of two channels: the second has one that is flat.
        let all = [board.clone(), board.clone(), slope, board].concat();
        let found = sharpness(&Tensor::from_vec(all, [2, 2 * height * width]), [2, height, width]).to_vec();
        assert!((found[0] - 16.0 * a * a).abs() < 1e-5, "{found:?}");
        assert!((found[1] - 8.0 * a * a).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn contrast_counts_by_its_square_and_means_of_neighbours_are_less_sharp() {
        let noise: Tensor = Tensor::rand([4, 15 * 15], &mut Rng::new(2));
        let blurred =
            noise.reshape([4, 1, 15, 15]).conv2d(&Tensor::full([1, 1, 3, 3], 1.0 / 9.0), None, Conv2dArgs::new(1, 1));
        let of = |x: &Tensor| sharpness(&x.reshape([4, 225]), [1, 15, 15]).to_vec();
        let (sharp, half, soft) = (of(&noise), of(&(&noise * 0.5f32 + 0.3f32)), of(&blurred));
        for ((sharp, half), soft) in sharp.iter().zip(half).zip(soft) {
            assert!((half - sharp / 4.0).abs() < 1e-4 * sharp && soft < 0.5 * sharp, "{sharp}, {half}, {soft}");
        }
    }

    #[test]
    #[should_panic(expected = "sharpness: [2, 10] are not rows of pictures of [1, 3, 3]")]
    fn rows_of_another_size_are_named() {
        sharpness(&Tensor::zeros([2, 10]), [1, 3, 3]);
    }

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
