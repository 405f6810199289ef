//! What is measured of a trained model.

mod clusters;
mod code;
mod image;

use std::ops::Range;

use etude_autograd::{Tensor, no_grad};
use etude_nn::metrics::Mean;
use etude_nn::{ConfigError, Ctx};

use crate::autoencoder::{Autoencoder, Variational, check_pixels};
use crate::error::Error;
use crate::loss::Loss;
use crate::sentence::Sentence;

pub use clusters::{Matching, adjusted_rand_index, match_clusters, normalised_mutual_information};
pub use code::{
    Collapse, active_units, auroc, collapse, factor_information, linear_probe, mutual_information_gap, perplexity,
};
pub use image::{psnr, sharpness, ssim};

/// Images that are looked at together.
const BATCH: usize = 500;

/// Images times draws that are decoded together.
const DRAWS: usize = 2000;

/// Batches of at most `size` of `n` images.
fn batches(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(size).map(move |start| start..n.min(start + size))
}

/// Runs `f` with a context that evaluates, whatever the mode of `cx`, so that nothing is learnt from what is measured. Its
/// random numbers are those of `cx`, which go on behind the last that was drawn.
fn evaluating<R>(cx: &mut Ctx, f: impl FnOnce(&mut Ctx) -> R) -> R {
    let mut eval = cx.eval();
    eval.rng = cx.rng.clone();
    let found = no_grad(|| f(&mut eval));
    cx.rng = eval.rng;
    found
}

/// The mean of every part of the loss over all images, and their weighted sum under the name `total`, in batches. No graph
/// is recorded, and the model evaluates, also where `cx` trains: a [`crate::Vq`] keeps its codebook. Of a [`crate::Vae`] that
/// is the negative evidence lower bound with one draw of z an image.
///
/// # Errors
/// If the images are none, have another size, or hold anything but 0 to 1.
///
/// # Panics
/// If the model is a [`crate::Given`] of another number of images.
#[track_caller]
pub fn loss_parts<M: Autoencoder + ?Sized>(
    model: &M,
    x: &Tensor,
    cx: &mut Ctx,
) -> Result<Vec<(&'static str, f64)>, Error> {
    check_pixels("loss_parts", x, model.pixels())?;
    let losses = batches(x.dim(0), BATCH).map(|batch| {
        let n = batch.len();
        (n, evaluating(cx, |cx| model.forward_range(x, batch, cx).loss))
    });
    Ok(mean_parts(losses))
}

/// The means of the parts of losses, of so many images or sentences each, and of their totals.
fn mean_parts(losses: impl Iterator<Item = (usize, Loss)>) -> Vec<(&'static str, f64)> {
    let mut means: Vec<(&'static str, Mean)> = Vec::new();
    for (n, loss) in losses {
        let parts = loss.parts().iter().map(|part| (part.name, loss.part(part.name).expect("it has this part")));
        let parts = parts.chain([("total", f64::from(loss.total().item()))]);
        for (i, (name, value)) in parts.enumerate() {
            if means.len() == i {
                means.push((name, Mean::default()));
            }
            means[i].1.add_weighted(value, n as f64);
        }
    }
    means.into_iter().map(|(name, mean)| (name, mean.get())).collect()
}

/// As [`loss_parts`], of sentences: nats a sentence, every word told to the decoder. `total` is the negative evidence lower
/// bound with one draw of z a sentence, from which [`word_perplexity`] follows.
///
/// # Errors
/// As [`Sentence::batch`].
pub fn sentence_parts(
    model: &Sentence,
    sentences: &[Vec<u32>],
    cx: &mut Ctx,
) -> Result<Vec<(&'static str, f64)>, Error> {
    model.check(sentences)?;
    let losses = batches(sentences.len(), BATCH).map(|range| {
        let batch = model.batch(&sentences[range]).expect("checked above");
        (batch.len(), evaluating(cx, |cx| model.forward(&batch, cx).loss))
    });
    Ok(mean_parts(losses))
}

/// e to the nats of a word, where `nats` is the mean of these sentences; the end of each is a word too. Of a bound, such as
/// `total` of [`sentence_parts`], it is a bound from above (Bowman et al. 2016, arXiv:1511.06349, section 4). Infinite if that
/// is too large for f64.
///
/// # Errors
/// If there is no sentence, or `nats` is NaN.
pub fn word_perplexity(nats: f64, sentences: &[Vec<u32>]) -> Result<f64, Error> {
    if sentences.is_empty() {
        return Err(Error::Empty { what: "word_perplexity" });
    }
    ConfigError::check(!nats.is_nan(), "word_perplexity", "nats", nats, "a number")?;
    let words: usize = sentences.iter().map(|sentence| sentence.len() + 1).sum();
    Ok((nats * sentences.len() as f64 / words as f64).exp())
}

/// The mean of the whole loss over all images, as [`loss_parts`]: of a [`crate::Vae`] the negative evidence lower bound.
///
/// # Errors
/// As [`loss_parts`].
///
/// # Panics
/// As [`loss_parts`].
#[track_caller]
pub fn mean_loss<M: Autoencoder + ?Sized>(model: &M, x: &Tensor, cx: &mut Ctx) -> Result<f64, Error> {
    Ok(loss_parts(model, x, cx)?.last().expect("there is a total").1)
}

/// ln p(x) of each image by importance sampling with `k` draws of q, `[n]`: a bound that tightens with k.
///
/// Burda et al. 2016, arXiv:1509.00519, section 3: ln 1/k Σ p(x|zᵢ)p(zᵢ)/q(zᵢ|x), streamed as a log-sum-exp in f64, so that
/// memory does not grow with k.
///
/// # Errors
/// As [`loss_parts`], and if `k` is 0.
///
/// # Panics
/// As [`loss_parts`].
#[track_caller]
pub fn log_likelihood<M: Variational + ?Sized>(model: &M, x: &Tensor, k: usize, cx: &mut Ctx) -> Result<Tensor, Error> {
    check_pixels("log_likelihood", x, model.pixels())?;
    ConfigError::check(k > 0, "log_likelihood", "k", k, "at least 1")?;
    let mut found = Vec::with_capacity(x.dim(0));
    for batch in batches(x.dim(0), BATCH) {
        let n = batch.len();
        // The largest weight so far, and the sum of all in units of it.
        let mut sums = vec![(f64::NEG_INFINITY, 0.0); n];
        let together = (DRAWS / n).clamp(1, k);
        for start in (0..k).step_by(together) {
            let k = together.min(k - start);
            let weights = evaluating(cx, |cx| model.draws_range(x, batch.clone(), k, cx).log_weights);
            for (i, w) in weights.to_vec().into_iter().enumerate() {
                let (top, sum) = &mut sums[i % n];
                let w = f64::from(w);
                if w > *top {
                    (*top, *sum) = (w, *sum * (*top - w).exp() + 1.0);
                } else {
                    *sum += (w - *top).exp();
                }
            }
        }
        found.extend(sums.into_iter().map(|(top, sum)| (top + sum.ln() - (k as f64).ln()) as f32));
    }
    Ok(Tensor::from_vec(found, [x.dim(0)]))
}

/// Nats an image as bits a pixel: what a perfect entropy coder would spend.
pub fn bits_per_pixel(nats: f64, pixels: usize) -> f64 {
    nats / (pixels as f64 * std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_perplexity_of_a_word_counts_the_ends_and_nothing_has_none() {
        // Six words with the ends, ln 7 nats each.
        let two = [vec![0], vec![1, 2, 3]];
        let found = word_perplexity(6.0 * 7f64.ln() / 2.0, &two).expect("two sentences");
        assert!((found - 7.0).abs() < 1e-9, "{found}");
        assert!(matches!(word_perplexity(1.0, &[]), Err(Error::Empty { what: "word_perplexity" })));
        let error = word_perplexity(f64::NAN, &two).expect_err("no number");
        assert!(matches!(&error, Error::Config(e) if e.field == "nats"), "{error}");
    }
}
