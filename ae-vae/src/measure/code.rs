//! What codes are good for: how many of their variables are used, and what they tell of what is known of the images.

use etude_autograd::{Tensor, no_grad};
use etude_nn::{Adam, ConfigError, Ctx, Layer, Linear, Optimizer, loss, metrics};

use crate::autoencoder::check_codes;
use crate::error::Error;

/// The variance of each element of the codes over the images, `[n, code]`.
fn variances(codes: &Tensor) -> Vec<f64> {
    let n = codes.dim(0) as f64;
    let means = codes.mean_keep([0]);
    (codes - means).square().sum_dims([0]).to_vec().into_iter().map(|v| f64::from(v) / n).collect()
}

/// How many latent variables say something of the image: those whose posterior mean has a variance above 0.01 over the images.
/// `codes` are the means, `[n, latent]`, of [`crate::Autoencoder::encode`].
///
/// Burda et al. 2016, arXiv:1509.00519, section 5.
///
/// # Panics
/// If the codes are not `[n, latent]` with n at least 1.
#[track_caller]
pub fn active_units(codes: &Tensor) -> usize {
    let shape = codes.shape();
    assert!(shape.len() == 2 && shape[0] > 0, "active_units: codes {shape:?}, expected [n, latent]");
    variances(codes).into_iter().filter(|&v| v > 0.01).count()
}

/// The warning that a posterior has collapsed to the prior, in words by `to_string`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "posterior collapse: {active} of {latent} latent variables are active; warm the divergence up or give free bits"
)]
pub struct Collapse {
    /// Variables that say something of the image: [`active_units`].
    pub active: usize,
    /// All variables.
    pub latent: usize,
}

/// A warning if less than a tenth of the latent variables are active.
///
/// # Panics
/// As [`active_units`].
#[track_caller]
pub fn collapse(codes: &Tensor) -> Option<Collapse> {
    let (active, latent) = (active_units(codes), codes.dim(1));
    (10 * active < latent).then_some(Collapse { active, latent })
}

/// How many of `words` words a codebook really uses: e to the entropy of their shares, from 1 (one for everything) to `words`
/// (all equally often). Van den Oord et al. 2017, arXiv:1711.00937, report it as perplexity.
///
/// # Panics
/// If there are no words, or one is not in the codebook.
#[track_caller]
pub fn perplexity(ids: &Tensor<i64>, words: usize) -> f64 {
    assert!(!ids.is_empty(), "perplexity: no words");
    let mut counts = vec![0usize; words];
    for id in ids.to_vec() {
        match usize::try_from(id).ok().and_then(|id| counts.get_mut(id)) {
            Some(count) => *count += 1,
            None => panic!("perplexity: word {id} of {words}"),
        }
    }
    entropy(counts.iter().copied()).exp()
}

/// Nats of a distribution that is known by counts.
pub(super) fn entropy(counts: impl Iterator<Item = usize> + Clone) -> f64 {
    let total: usize = counts.clone().sum();
    let share = |count: usize| count as f64 / total as f64;
    -counts.filter(|&count| count > 0).map(|count| share(count) * share(count).ln()).sum::<f64>()
}

/// The area under the receiver operating characteristic: the chance that an image of the class has a higher score than one that
/// is not, equal scores counting half. ½ for scores that say nothing.
///
/// # Errors
/// If the numbers differ, a score is NaN, or one side is empty.
pub fn auroc(scores: &[f32], of_class: &[bool]) -> Result<f64, Error> {
    let (n, positives) = (scores.len(), of_class.iter().filter(|&&p| p).count());
    ConfigError::check(of_class.len() == n, "auroc", "of_class", of_class.len(), "one for each score")?;
    ConfigError::check(!scores.iter().any(|s| s.is_nan()), "auroc", "scores", "NaN", "numbers")?;
    let both = positives > 0 && positives < n;
    ConfigError::check(both, "auroc", "of_class", format!("{positives} of {n}"), "some of the class and some not")?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Mann & Whitney 1947: the sum of the ranks of the class, equal scores sharing the mean of theirs.
    let mut ranks = 0.0;
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]).scan(0, |before, tied| {
        let mean = *before as f64 + (tied.len() + 1) as f64 / 2.0;
        *before += tied.len();
        Some((tied, mean))
    }) {
        ranks += tied.1 * tied.0.iter().filter(|&&i| of_class[i]).count() as f64;
    }
    let (p, q) = (positives as f64, (n - positives) as f64);
    Ok((ranks - p * (p + 1.0) / 2.0) / (p * q))
}

/// The accuracy on unseen codes of a linear classifier of codes: how plainly they tell the class.
///
/// Codes are standardised; the classifier is trained on all `train` codes at once by Adam, which is convex, with a small
/// decay, from the weights of seed 0: equal codes give equal figures. Alain & Bengio 2017, arXiv:1610.01644.
///
/// # Errors
/// If there is no code, one is not finite, sizes differ, or a label is not one of `classes`.
pub fn linear_probe(
    train: (&Tensor, &Tensor<i64>),
    test: (&Tensor, &Tensor<i64>),
    classes: usize,
) -> Result<f64, Error> {
    const STEPS: usize = 300;
    for (codes, labels) in [train, test] {
        let fits = codes.rank() == 2 && codes.dim(0) > 0 && codes.dim(1) > 0 && labels.shape() == &codes.shape()[..1];
        let found = format!("codes {:?}, labels {:?}", codes.shape(), labels.shape());
        ConfigError::check(fits, "linear_probe", "codes", found, "[n, code] and [n]")?;
        let good = labels.to_vec().iter().all(|label| (0..classes as i64).contains(label));
        ConfigError::check(good, "linear_probe", "labels", "another class", &format!("0 to {classes}, exclusive"))?;
        check_codes(codes)?;
    }
    let [width, tested] = [train, test].map(|(codes, _)| codes.dim(1));
    ConfigError::check(
        width == tested,
        "linear_probe",
        "test",
        tested,
        &format!("codes of size {width}, as in training"),
    )?;
    let mean = train.0.mean_keep([0]).detach();
    let spread: Vec<f32> = variances(train.0).into_iter().map(|v| (v.sqrt().max(1e-6)) as f32).collect();
    let spread = Tensor::from_vec(spread, [1, train.0.dim(1)]);
    let standardised = |codes: &Tensor| ((codes - &mean) / &spread).detach();
    let mut cx = Ctx::train(0);
    let probe = Linear::new(train.0.dim(1), classes, &mut cx);
    let mut opt = Adam::new(&probe, 0.05);
    let x = standardised(train.0);
    for _ in 0..STEPS {
        let decay = cx.get(&probe.weight).square().sum().affine(1e-4, 0.0);
        let loss = loss::cross_entropy(&probe.forward(&x, &mut cx), train.1) + decay;
        opt.step(&loss.backward());
    }
    Ok(no_grad(|| metrics::accuracy(&probe.forward(&standardised(test.0), &mut cx), test.1)))
}

/// Bins of an element's range in [`factor_information`].
const BINS: usize = 20;

/// The mutual information gap of codes `[n, code]` and the factors that made the images, each `n` values, equal or not
/// (their size means nothing): how much more the element that knows most of a factor knows of it than the second, as a
/// share of the factor's entropy, mean over factors. 1 if every factor has an element of its own.
///
/// Chen et al. 2018, arXiv:1802.04942, section 4, of the information that [`factor_information`] finds.
///
/// # Errors
/// As [`factor_information`], and if a code has fewer than two elements.
pub fn mutual_information_gap(codes: &Tensor, factors: &[Vec<usize>]) -> Result<f64, Error> {
    let fits = codes.rank() == 2 && codes.dim(1) > 1;
    let found = format!("{:?}", codes.shape());
    ConfigError::check(fits, "mutual_information_gap", "codes", found, "[n, code] with code at least 2")?;
    let gap = |mut known: Vec<f64>| {
        known.sort_by(|a, b| b.total_cmp(a));
        known[0] - known[1]
    };
    Ok(factor_information(codes, factors)?.into_iter().map(gap).sum::<f64>() / factors.len() as f64)
}

/// How much each element of codes `[n, code]` knows of each of the factors that made the images, `n` values each: the
/// mutual information as a share of the factor's entropy, from 0 to 1, a row a factor and in it a number for each
/// element.
///
/// The information is that of 20 equal bins of an element's range, as in Locatello et al. 2019, arXiv:1811.12359. Few
/// codes give some even to an element that knows nothing: about (bins − 1)(values − 1) / 2n nats.
///
/// # Errors
/// If there is no code or factor, a code is not finite, or a factor has another number of values or only one value.
pub fn factor_information(codes: &Tensor, factors: &[Vec<usize>]) -> Result<Vec<Vec<f64>>, Error> {
    let fits = codes.rank() == 2 && !codes.is_empty();
    let found = format!("{:?}", codes.shape());
    ConfigError::check(fits, "factor_information", "codes", found, "[n, code] with both at least 1")?;
    let n = codes.dim(0);
    let good = !factors.is_empty() && factors.iter().all(|f| f.len() == n && f.iter().any(|v| *v != f[0]));
    let expected = "at least one, each with a value for every code and not always the same";
    ConfigError::check(good, "factor_information", "factors", factors.len(), expected)?;
    check_codes(codes)?;
    let binned: Vec<Vec<usize>> = (0..codes.dim(1)).map(|j| bins(&codes.select(1, j).to_vec())).collect();
    let row = |factor: &Vec<usize>| {
        let factor = ranks(factor);
        let whole = entropy(counts(factor.iter().copied()).into_iter());
        // Rounding must not make a share negative, or more than all.
        binned.iter().map(|bins| (information(bins, &factor) / whole).clamp(0.0, 1.0)).collect()
    };
    Ok(factors.iter().map(row).collect())
}

/// Which of the bins between the least and the largest value each lies in.
fn bins(values: &[f32]) -> Vec<usize> {
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    // In f64, where the range of finite f32 is finite.
    let [low, high] = [low, high].map(f64::from);
    let width = (high - low).max(f64::MIN_POSITIVE);
    values.iter().map(|&v| (((f64::from(v) - low) / width * BINS as f64) as usize).min(BINS - 1)).collect()
}

/// Each value as its place among the different ones, so that counts of them need no more room than there are values.
pub(super) fn ranks<T: Ord + Copy>(values: &[T]) -> Vec<usize> {
    let mut different = values.to_vec();
    different.sort_unstable();
    different.dedup();
    values.iter().map(|v| different.partition_point(|d| d < v)).collect()
}

fn counts(values: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut counts = Vec::new();
    for value in values {
        if counts.len() <= value {
            counts.resize(value + 1, 0);
        }
        counts[value] += 1;
    }
    counts
}

/// H(a) + H(b) − H(a, b), in nats.
fn information(a: &[usize], b: &[usize]) -> f64 {
    let most = b.iter().max().map_or(1, |m| m + 1);
    let entropy_of = |values: Vec<usize>| entropy(counts(values.into_iter()).into_iter());
    let both = a.iter().zip(b).map(|(a, b)| a * most + b).collect();
    entropy_of(a.to_vec()) + entropy_of(b.to_vec()) - entropy_of(both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    #[test]
    fn units_that_say_nothing_are_not_active_and_a_code_of_them_has_collapsed() {
        let mut rng = Rng::new(0);
        let quiet = Tensor::randn([500, 11], &mut rng) * 0.01f32;
        assert_eq!(active_units(&quiet), 0);
        let found = collapse(&quiet).expect("nothing is active");
        assert_eq!(found, Collapse { active: 0, latent: 11 });
        assert!(found.to_string().contains("0 of 11"), "{found}");
        let loud = Tensor::concat(&[&quiet.narrow(1, 0, 9), &Tensor::randn([500, 2], &mut rng)], 1);
        assert_eq!((active_units(&loud), collapse(&loud)), (2, None));
    }

    #[test]
    fn perplexity_counts_words() {
        let ids = |v: &[i64]| Tensor::from_slice(v, [v.len()]);
        assert!((perplexity(&ids(&[0, 1, 2, 3]), 8) - 4.0).abs() < 1e-9);
        assert!((perplexity(&ids(&[5, 5, 5]), 8) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        // Pairs (class, not): 3 > 1, 3 = 3, 2 > 1, 2 < 3: (1 + ½ + 1 + 0)/4.
        let found = auroc(&[3.0, 1.0, 2.0, 3.0], &[true, false, true, false]).expect("both sides");
        assert!((found - 0.625).abs() < 1e-12, "{found}");
        let mut rng = Rng::new(0);
        let (scores, class): (Vec<f32>, Vec<bool>) =
            (0..300).map(|_| ((rng.f32() * 20.0).round(), rng.below(2) == 1)).unzip();
        let mut pairs = 0.0;
        for (a, _) in scores.iter().zip(&class).filter(|(_, c)| **c) {
            for (b, _) in scores.iter().zip(&class).filter(|(_, c)| !**c) {
                pairs += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
            }
        }
        let of = class.iter().filter(|&&c| c).count();
        let want = pairs / (of * (300 - of)) as f64;
        assert!((auroc(&scores, &class).expect("both sides") - want).abs() < 1e-12);
        assert!(auroc(&[1.0], &[true]).is_err() && auroc(&[f32::NAN, 1.0], &[true, false]).is_err());
    }

    #[test]
    fn a_probe_finds_what_is_linear_and_not_what_is_not_there() {
        let mut rng = Rng::new(1);
        let codes = Tensor::randn([600, 3], &mut rng);
        let linear = codes.to_vec().chunks(3).map(|c| i64::from(c[0] + 2.0 * c[1] > 0.3)).collect();
        let blind = (0..600).map(|_| i64::from(rng.below(2) == 1)).collect();
        let accuracy = |labels: Vec<i64>| {
            let labels = Tensor::from_vec(labels, [600]);
            let ids = |from: i64| Tensor::from_vec((from..from + 300).collect(), [300]);
            let half = |from: i64| (codes.narrow(0, from as usize, 300), labels.take_rows(&ids(from)));
            let ((a, la), (b, lb)) = (half(0), half(300));
            linear_probe((&a, &la), (&b, &lb), 2).expect("fits")
        };
        let (found, chance) = (accuracy(linear), accuracy(blind));
        // Standard error of a coin at 300: 0.03.
        assert!(found > 0.96 && (chance - 0.5).abs() < 0.15, "{found}, {chance}");
    }

    #[test]
    fn an_element_for_each_factor_has_a_gap_of_one_and_a_rotation_none() {
        let factors = vec![(0..400).map(|i| i % 20).collect::<Vec<usize>>(), (0..400).map(|i| i / 20).collect()];
        let gap = |f: &dyn Fn(f32, f32) -> [f32; 2]| {
            let values = (0..400).flat_map(|i| f(factors[0][i] as f32, factors[1][i] as f32)).collect();
            mutual_information_gap(&Tensor::from_vec(values, [400, 2]), &factors).expect("fits")
        };
        assert!((gap(&|a, b| [a, b]) - 1.0).abs() < 1e-9);
        assert!(gap(&|a, b| [a + b, a - b]).abs() < 0.05);
        assert!(mutual_information_gap(&Tensor::zeros([400, 1]), &factors).is_err());
    }

    #[test]
    fn an_element_knows_all_of_the_factor_it_is_and_nothing_of_another() {
        let factors = vec![(0..400).map(|i| i % 20).collect::<Vec<usize>>(), (0..400).map(|i| i / 20).collect()];
        let values = (0..400).map(|i| factors[1][i] as f32).collect();
        // One element is enough here, where the gap needs two.
        let known = factor_information(&Tensor::from_vec(values, [400, 1]), &factors).expect("fits");
        assert!(known[0][0].abs() < 1e-9 && (known[1][0] - 1.0).abs() < 1e-9, "{known:?}");
        assert!(factor_information(&Tensor::zeros([400, 1]), &[vec![3; 400]]).is_err(), "a factor that never varies");
        assert!(factor_information(&Tensor::zeros([400, 0]), &factors).is_err());
    }

    #[test]
    fn what_is_known_of_a_factor_is_a_share_in_spite_of_rounding() {
        for (first, second) in (2..20).flat_map(|a| (2..20).map(move |b| (a, b))) {
            let (a, b): (Vec<usize>, Vec<usize>) = (0..first * second).map(|i| (i / second, i % second)).unzip();
            let codes = Tensor::from_vec(a.iter().map(|&v| v as f32).collect(), [first * second, 1]);
            let known = factor_information(&codes, &[a, b]).expect("fits");
            let [own, other] = [known[0][0], known[1][0]];
            assert!((1.0 - 1e-12..=1.0).contains(&own), "{first} by {second}: {own}");
            assert!((0.0..1e-12).contains(&other), "{first} by {second}: {other}");
        }
    }

    #[test]
    fn the_size_of_a_factors_values_means_nothing_and_codes_must_be_finite() {
        let codes = Tensor::randn([200, 2], &mut Rng::new(3));
        let small: Vec<usize> = (0..200).map(|i| i % 3).collect();
        let large = small.iter().map(|v| [usize::MAX, 7, usize::MAX - 1][*v]).collect();
        let gap = |factor| mutual_information_gap(&codes, &[factor]).expect("fits");
        assert!((gap(small) - gap(large)).abs() < 1e-12);
        let huge = Tensor::from_slice(&[f32::MAX, 0.0, -f32::MAX, 1.0], [2, 2]);
        assert!(mutual_information_gap(&huge, &[vec![0, 1]]).expect("fits").abs() < 1e-12, "both elements know all");
        let nan = Tensor::from_slice(&[0.0, f32::NAN, 1.0, 2.0], [2, 2]);
        let found = mutual_information_gap(&nan, &[vec![0, 1]]);
        assert!(matches!(found, Err(Error::Code { code: 0, element: 1, .. })), "{found:?}");
    }

    #[test]
    fn a_probe_names_codes_that_do_not_fit() {
        let labels = Tensor::from_slice(&[0, 1], [2]);
        let (good, wide) = (Tensor::<f32>::ones([2, 2]), Tensor::<f32>::ones([2, 3]));
        let nan = Tensor::from_slice(&[0.0, 1.0, f32::INFINITY, 2.0], [2, 2]);
        let probe = |train, test| linear_probe((train, &labels), (test, &labels), 2);
        let error = probe(&good, &wide).expect_err("another size");
        assert!(matches!(&error, Error::Config(e) if e.field == "test"), "{error}");
        for (train, test) in [(&good, &nan), (&nan, &good)] {
            assert!(matches!(probe(train, test), Err(Error::Code { code: 1, element: 0, .. })));
        }
    }
}
