//! Pictures of what a classifier looks at, from gradients of its class scores.
//!
//! All of them look at scores before the softmax: its probabilities also rise when other classes fall (Simonyan et al.
//! 2013, arXiv:1312.6034, section 2).

use etude_autograd::{CreateGraph, Tensor, grad};
use etude_nn::{Ctx, Layer, LeNet};

use crate::check;
use crate::error::Error;

/// |∂ score of the image's class / ∂ pixel|, the largest over channels: `[n, 1, height, width]`.
///
/// Simonyan et al. 2013, arXiv:1312.6034, section 3.1: how much the score moves with each pixel.
///
/// # Errors
/// If the images are not `[n, channels, height, width]` of finite numbers, or the classes do not fit them and the model.
pub fn saliency(model: &dyn Layer, images: &Tensor, classes: &Tensor<i64>, cx: &Ctx) -> Result<Tensor, Error> {
    check::images(images)?;
    check::label_count(classes, images.dim(0))?;
    let x = images.detach().requires_grad();
    let scores = model.forward(&x, &mut cx.eval());
    let [dx] = grad(&chosen(&scores, classes)?, [&x], CreateGraph::No);
    let [n, height, width] = [images.dim(0), images.dim(2), images.dim(3)];
    Ok(dx.abs().max(1).reshape([n, 1, height, width]))
}

/// The mean of [`saliency`] over `samples` copies of the images with normal noise of standard deviation `sigma`: the
/// gradient itself jumps from pixel to pixel, its mean over a neighbourhood does not.
///
/// Smilkov et al. 2017, arXiv:1706.03825, eq. (2), with magnitudes averaged.
///
/// # Errors
/// As [`saliency`], and if there is no sample or `sigma` is not a number of at least 0.
pub fn smooth_saliency(
    model: &dyn Layer,
    images: &Tensor,
    classes: &Tensor<i64>,
    samples: usize,
    sigma: f64,
    cx: &Ctx,
) -> Result<Tensor, Error> {
    use etude_nn::ConfigError;
    ConfigError::check(samples > 0, "smooth_saliency", "samples", samples, "at least 1")?;
    let good = sigma.is_finite() && sigma >= 0.0;
    ConfigError::check(good, "smooth_saliency", "sigma", sigma, "a number of at least 0")?;
    check::images(images)?;
    let mut noise = cx.eval();
    let mut sum: Option<Tensor> = None;
    for _ in 0..samples {
        let noisy = images.detach() + Tensor::randn(images.shape(), &mut noise).affine(sigma, 0.0);
        let one = saliency(model, &noisy, classes, cx)?;
        sum = Some(sum.map_or_else(|| one.clone(), |sum| sum + &one));
    }
    Ok(sum.expect("at least one sample").affine(1.0 / samples as f64, 0.0))
}

/// Where in the last feature maps the evidence for a class lies: `[n, 1, side, side]`, coarser than the image.
///
/// Selvaraju et al. 2017, arXiv:1610.02391: the maps A weighted by αₖ, the mean of ∂ score / ∂ Aₖ over positions
/// (eq. (1)), then max(0, Σ αₖ Aₖ) (eq. (2)).
///
/// # Errors
/// As [`saliency`].
pub fn grad_cam(model: &LeNet, images: &Tensor, classes: &Tensor<i64>, cx: &Ctx) -> Result<Tensor, Error> {
    check::images(images)?;
    check::label_count(classes, images.dim(0))?;
    let mut cx = cx.eval();
    let maps = model.maps(images, &mut cx).detach().requires_grad();
    let scores = model.head(&maps, &mut cx);
    let [dmaps] = grad(&chosen(&scores, classes)?, [&maps], CreateGraph::No);
    let weights = dmaps.mean_keep([2, 3]);
    Ok((weights * maps.detach()).sum_keep([1]).relu())
}

/// The sum of each image's score of its class: rows do not interact, so its gradient holds every row's own.
fn chosen(scores: &Tensor, classes: &Tensor<i64>) -> Result<Tensor, Error> {
    check::labels(classes, scores.dim(0), scores.dim(1))?;
    Ok(scores.gather(1, &classes.unsqueeze(1)).sum())
}
