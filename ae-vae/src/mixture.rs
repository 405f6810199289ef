//! Mixtures of normal distributions, fitted to codes by expectation-maximisation: a prior for models that have none, or whose
//! codes do not follow it.
//!
//! Dempster, Laird & Rubin 1977; the updates for mixtures with full covariances are those of Bishop 2006, *Pattern Recognition
//! and Machine Learning*, eqs. (9.23) to (9.26). Ghosh et al. 2020, *From Variational to Deterministic Autoencoders*,
//! arXiv:1903.12436, fit one ex post to the codes of autoencoders without a prior. The start is k-means++ (Arthur &
//! Vassilvitskii 2007). Everything is computed in f64.

use std::fmt;

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::ConfigError;
use serde::{Deserialize, Serialize};

use crate::autoencoder::check_codes;
use crate::error::Error;

/// How a [`Mixture`] is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MixtureConfig {
    /// Number of components.
    pub components: usize,
    /// The most steps of expectation-maximisation.
    pub steps: usize,
    /// It ends when the mean log-likelihood of a code grows by less than this, in nats.
    pub tolerance: f64,
    /// What is added to the diagonal of every covariance, so that a component cannot shrink to a point.
    pub floor: f64,
}

impl Default for MixtureConfig {
    /// Ten components, as Ghosh et al.
    fn default() -> Self {
        MixtureConfig { components: 10, steps: 100, tolerance: 1e-4, floor: 1e-6 }
    }
}

impl MixtureConfig {
    /// There must be a component and a step, and numbers from 0, the floor above: at least 2.3e-308, whose inverse is finite.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("components", self.components), ("steps", self.steps)] {
            ConfigError::check(value > 0, "MixtureConfig", field, value, "at least 1")?;
        }
        let good = self.tolerance >= 0.0 && self.tolerance.is_finite();
        ConfigError::check(good, "MixtureConfig", "tolerance", self.tolerance, "a finite number from 0")?;
        let good = self.floor >= f64::MIN_POSITIVE && self.floor.is_finite();
        ConfigError::check(
            good,
            "MixtureConfig",
            "floor",
            self.floor,
            "a finite number above 0 whose inverse is finite",
        )
    }
}

/// One component: its weight, mean, and the lower Cholesky factor of its covariance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Component {
    weight: f64,
    mean: Vec<f64>,
    factor: Vec<f64>,
}

/// A fitted mixture of normal distributions with full covariances. It has no parameters to train: it is saved by serde, as
/// with [`etude_nn::Checkpoint::data`], and what is read is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Mixture {
    dim: usize,
    components: Vec<Component>,
    history: Vec<f64>,
}

/// A mixture as it was read, before anything is known of it.
#[derive(Deserialize)]
struct Stored {
    dim: usize,
    components: Vec<Component>,
    history: Vec<f64>,
}

impl TryFrom<Stored> for Mixture {
    type Error = ConfigError;

    fn try_from(Stored { dim, components, history }: Stored) -> Result<Self, ConfigError> {
        let check = |good, field, found: fmt::Arguments, expected: &str| {
            ConfigError::check(good, "Mixture", field, found, expected)
        };
        let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
        let good = dim > 0 && !components.is_empty();
        let found = format_args!("{} of {dim} variables", components.len());
        check(good, "components", found, "at least one, of at least one variable")?;
        for Component { mean, factor, .. } in &components {
            let good = mean.len() == dim && finite(mean);
            check(good, "mean", format_args!("{mean:?}"), "a finite number for each variable")?;
            let good = Some(factor.len()) == dim.checked_mul(dim)
                && finite(factor)
                // Variables are divided by the diagonal, and squared.
                && factor.iter().step_by(dim + 1).all(|&v| v > 0.0 && (v * v).recip().is_finite());
            let expected = "a finite number for each two variables, on the diagonal above 0 with 1/v² finite";
            check(good, "factor", format_args!("{factor:?}"), expected)?;
        }
        let weights: Vec<f64> = components.iter().map(|c| c.weight).collect();
        let good = weights.iter().all(|&w| w >= 0.0) && (weights.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        check(good, "weight", format_args!("{weights:?}"), "numbers from 0 that add up to 1")?;
        check(finite(&history), "history", format_args!("{history:?}"), "finite numbers")?;
        Ok(Mixture { dim, components, history })
    }
}

impl Mixture {
    /// Fits a mixture to `codes`, `[n, dim]`.
    ///
    /// # Errors
    /// If the configuration makes no sense, there are fewer codes than components, or one is not finite.
    pub fn fit(codes: &Tensor, config: &MixtureConfig, rng: &mut impl AsMut<Rng>) -> Result<Self, Error> {
        config.validate()?;
        let fits = codes.rank() == 2 && codes.dim(1) > 0;
        ConfigError::check(fits, "Mixture", "codes", format!("{:?}", codes.shape()), "[n, dim] with dim at least 1")?;
        let (n, dim) = (codes.dim(0), codes.dim(1));
        let k = config.components;
        ConfigError::check(n >= k, "Mixture", "codes", n, "at least as many as there are components")?;
        check_codes(codes)?;
        let data: Vec<f64> = codes.to_vec().into_iter().map(f64::from).collect();
        let mut shares = nearest_shares(&data, dim, &plus_plus(&data, dim, k, rng.as_mut()));
        let mut mixture = Mixture { dim, components: Vec::new(), history: Vec::new() };
        for _ in 0..config.steps {
            mixture.maximise(&data, &shares, k, config.floor);
            let mean = mixture.expect(&data, &mut shares, k);
            let before = mixture.history.last().copied();
            mixture.history.push(mean);
            if before.is_some_and(|before| mean - before < config.tolerance) {
                break;
            }
        }
        Ok(mixture)
    }

    /// The mean log-likelihood of a code after each step, in nats: it never falls, but for the floor and rounding.
    pub fn history(&self) -> &[f64] {
        &self.history
    }

    /// The weights of the components, which add up to 1.
    pub fn weights(&self) -> Vec<f64> {
        self.components.iter().map(|c| c.weight).collect()
    }

    /// The means of the components, `[components, dim]`.
    pub fn means(&self) -> Tensor {
        let values = self.components.iter().flat_map(|c| c.mean.iter().map(|&v| v as f32)).collect();
        Tensor::from_vec(values, [self.components.len(), self.dim])
    }

    /// ln p of each code, `[n, dim]` → `[n]`: NaN for a code that is not finite.
    ///
    /// # Panics
    /// If the codes have another size.
    #[track_caller]
    pub fn log_prob(&self, codes: &Tensor) -> Tensor {
        let shape = codes.shape();
        assert!(shape.len() == 2 && shape[1] == self.dim, "Mixture: codes {shape:?}, expected [n, {}]", self.dim);
        let data = codes.to_vec();
        let each = |x: &[f32]| {
            let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
            let logs: Vec<f64> = self.components.iter().map(|c| c.log_joint(&x)).collect();
            log_sum_exp(&logs) as f32
        };
        Tensor::from_vec(data.chunks_exact(self.dim).map(each).collect(), [shape[0]])
    }

    /// The probability that each code came from each component, `[n, dim]` → `[n, components]`: Bishop, eq. (9.23). Its largest
    /// says which cluster a code belongs to. All are NaN for a code that is not finite.
    ///
    /// # Panics
    /// If the codes have another size.
    #[track_caller]
    pub fn responsibilities(&self, codes: &Tensor) -> Tensor {
        let (shape, k) = (codes.shape(), self.components.len());
        assert!(shape.len() == 2 && shape[1] == self.dim, "Mixture: codes {shape:?}, expected [n, {}]", self.dim);
        let data: Vec<f64> = codes.to_vec().into_iter().map(f64::from).collect();
        let mut shares = vec![0.0; shape[0] * k];
        self.expect(&data, &mut shares, k);
        Tensor::from_vec(shares.into_iter().map(|v| v as f32).collect(), [shape[0], k])
    }

    /// `n` draws, `[n, dim]`.
    pub fn sample(&self, n: usize, rng: &mut impl AsMut<Rng>) -> Tensor {
        let (rng, dim) = (rng.as_mut(), self.dim);
        let mut out = Vec::with_capacity(n * dim);
        for _ in 0..n {
            let mut at = rng.f64();
            let hit = self.components.iter().find(|c| {
                at -= c.weight;
                at < 0.0
            });
            let c = hit.unwrap_or(&self.components[self.components.len() - 1]);
            let eps: Vec<f64> = (0..dim).map(|_| rng.normal()).collect();
            for i in 0..dim {
                let noise: f64 = c.factor[i * dim..=i * dim + i].iter().zip(&eps).map(|(l, e)| l * e).sum();
                out.push((c.mean[i] + noise) as f32);
            }
        }
        Tensor::from_vec(out, [n, dim])
    }

    /// Bishop, eqs. (9.24) to (9.26), from the share of every component in every code.
    fn maximise(&mut self, data: &[f64], shares: &[f64], k: usize, floor: f64) {
        let dim = self.dim;
        let component = |which: usize| {
            let share = |i: usize| shares[i * k + which];
            let total: f64 = (0..data.len() / dim).map(share).sum::<f64>().max(1e-10);
            let mut mean = vec![0.0; dim];
            for (i, x) in data.chunks_exact(dim).enumerate() {
                mean.iter_mut().zip(x).for_each(|(m, x)| *m += share(i) * x / total);
            }
            let mut covariance = vec![0.0; dim * dim];
            for (i, x) in data.chunks_exact(dim).enumerate() {
                for a in 0..dim {
                    for b in 0..=a {
                        covariance[a * dim + b] += share(i) * (x[a] - mean[a]) * (x[b] - mean[b]) / total;
                    }
                }
            }
            (0..dim).for_each(|a| covariance[a * dim + a] += floor);
            let weight = total / (data.len() / dim) as f64;
            Component { weight, mean, factor: cholesky(covariance, dim, floor) }
        };
        self.components = (0..k).map(component).collect();
    }

    /// The shares of eq. (9.23), and the mean log-likelihood of a code.
    fn expect(&self, data: &[f64], shares: &mut [f64], k: usize) -> f64 {
        let mut total = 0.0;
        for (x, shares) in data.chunks_exact(self.dim).zip(shares.chunks_exact_mut(k)) {
            shares.iter_mut().zip(&self.components).for_each(|(share, c)| *share = c.log_joint(x));
            let log_p = log_sum_exp(shares);
            shares.iter_mut().for_each(|share| *share = (*share - log_p).exp());
            total += log_p;
        }
        total / (data.len() / self.dim) as f64
    }
}

impl Component {
    /// ln weight + ln N(x; mean, factor·factorᵀ).
    fn log_joint(&self, x: &[f64]) -> f64 {
        let dim = x.len();
        let mut white = vec![0.0; dim];
        let (mut square, mut log_det) = (0.0, 0.0);
        for i in 0..dim {
            let row = &self.factor[i * dim..=i * dim + i];
            let known: f64 = row[..i].iter().zip(&white).map(|(l, w)| l * w).sum();
            white[i] = (x[i] - self.mean[i] - known) / row[i];
            square += white[i] * white[i];
            log_det += row[i].ln();
        }
        self.weight.ln() - log_det - 0.5 * (square + dim as f64 * std::f64::consts::TAU.ln())
    }
}

fn log_sum_exp(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logs.iter().map(|l| (l - top).exp()).sum::<f64>().ln()
}

/// The lower Cholesky factor of a symmetric matrix of which the lower half is given. A pivot that rounding made smaller than
/// the floor counts as that.
fn cholesky(mut a: Vec<f64>, n: usize, floor: f64) -> Vec<f64> {
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|m| a[i * n + m] * a[j * n + m]).sum();
            let rest = a[i * n + j] - known;
            a[i * n + j] = if i == j { rest.max(floor).sqrt() } else { rest / a[j * n + j] };
        }
        a[i * n + i + 1..(i + 1) * n].fill(0.0);
    }
    a
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// k codes to start from: each drawn with a chance that grows with the squared distance from those before it.
pub(crate) fn plus_plus(data: &[f64], dim: usize, k: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    let n = data.len() / dim;
    let code = |i: usize| data[i * dim..(i + 1) * dim].to_vec();
    let mut centres = vec![code(rng.below(n))];
    let mut near = vec![f64::INFINITY; n];
    while centres.len() < k {
        let last = &centres[centres.len() - 1];
        near.iter_mut().zip(data.chunks_exact(dim)).for_each(|(near, x)| *near = near.min(distance(x, last)));
        let mut at = rng.f64() * near.iter().sum::<f64>();
        let hit = near.iter().position(|d| {
            at -= d;
            at < 0.0
        });
        // Codes that are all equal have no distances.
        centres.push(code(hit.unwrap_or_else(|| rng.below(n))));
    }
    centres
}

/// Every code belongs to its nearest centre.
fn nearest_shares(data: &[f64], dim: usize, centres: &[Vec<f64>]) -> Vec<f64> {
    let mut shares = vec![0.0; data.len() / dim * centres.len()];
    for (x, shares) in data.chunks_exact(dim).zip(shares.chunks_exact_mut(centres.len())) {
        let near = |a: &usize, b: &usize| distance(x, &centres[*a]).total_cmp(&distance(x, &centres[*b]));
        shares[(0..centres.len()).min_by(near).expect("validated: there is a component")] = 1.0;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three components far apart, the second stretched along a diagonal.
    fn three(n: usize, rng: &mut Rng) -> Tensor {
        let mut out = Vec::new();
        for _ in 0..n {
            let (a, b) = (rng.normal(), rng.normal());
            let u = rng.f64();
            let (x, y) = match u {
                u if u < 0.2 => (-8.0 + 0.5 * a, 0.5 * b),
                u if u < 0.5 => (8.0 + a, 2.0 * a + 0.5 * b),
                _ => (0.3 * a, 10.0 + b),
            };
            out.extend([x as f32, y as f32]);
        }
        Tensor::from_vec(out, [n, 2])
    }

    #[test]
    fn a_known_mixture_is_found_and_the_likelihood_never_falls() {
        for seed in 0..5 {
            let mut rng = Rng::new(seed);
            let data = three(2000, &mut rng);
            let config = MixtureConfig { components: 3, tolerance: 0.0, ..Default::default() };
            let mixture = Mixture::fit(&data, &config, &mut rng).expect("finite");
            assert!(mixture.history().windows(2).all(|w| w[1] >= w[0] - 1e-9), "{:?}", mixture.history());
            let mut weights = mixture.weights();
            weights.sort_by(f64::total_cmp);
            // Standard error of a weight at most √(0.25/2000) = 0.011.
            for (found, want) in weights.iter().zip([0.2, 0.3, 0.5]) {
                assert!((found - want).abs() < 0.05, "seed {seed}: {weights:?}");
            }
            // The stretched one: covariance of (a, 2a + b/2) is [1, 2; 2, 4.25].
            let c = mixture.components.iter().find(|c| c.mean[0] > 4.0).expect("found above");
            let covariance = [c.factor[0].powi(2), c.factor[0] * c.factor[2]];
            assert!((covariance[0] - 1.0).abs() < 0.25 && (covariance[1] - 2.0).abs() < 0.5, "{covariance:?}");
        }
    }

    #[test]
    fn draws_are_as_likely_as_the_data() {
        let mut rng = Rng::new(1);
        let data = three(3000, &mut rng);
        let config = MixtureConfig { components: 3, ..Default::default() };
        let mixture = Mixture::fit(&data, &config, &mut rng).expect("finite");
        let mean = |x: &Tensor| f64::from(mixture.log_prob(x).mean().item());
        let drawn = mean(&mixture.sample(3000, &mut rng));
        assert!((drawn - mean(&data)).abs() < 0.1, "{drawn} against {}", mean(&data));
    }

    #[test]
    fn a_code_belongs_to_the_component_that_it_came_from() {
        let mut rng = Rng::new(2);
        let data = three(500, &mut rng);
        let config = MixtureConfig { components: 3, ..Default::default() };
        let mixture = Mixture::fit(&data, &config, &mut rng).expect("finite");
        let shares = mixture.responsibilities(&data);
        assert!(shares.sum_dims([1]).to_vec().iter().all(|s| (s - 1.0).abs() < 1e-5));
        let means = mixture.means().to_vec();
        for (x, own) in data.to_vec().chunks(2).zip(shares.argmax(1).to_vec()) {
            let [mx, my] = [means[2 * own as usize], means[2 * own as usize + 1]];
            // The components are 8 apart and more, across their spreads.
            let want = if x[1] > 6.0 && x[0].abs() < 3.0 { [0.0, 10.0] } else { [8.0 * x[0].signum(), 0.0] };
            assert!((mx - want[0]).abs() < 1.0 && (my - want[1]).abs() < 1.0, "{x:?} in the component of {mx}, {my}");
        }
    }

    #[test]
    fn a_mixture_is_the_same_when_it_was_saved_and_a_damaged_one_is_refused() {
        let mut rng = Rng::new(2);
        let config = MixtureConfig { components: 3, ..Default::default() };
        let mixture = Mixture::fit(&three(300, &mut rng), &config, &mut rng).expect("finite");
        let text = serde_json::to_string(&mixture).expect("numbers are always written");
        let back: Mixture = serde_json::from_str(&text).expect("as it was written");
        assert_eq!(back, mixture);
        let damaged = |edit: &dyn Fn(&mut serde_json::Value), named: &str| {
            let mut value = serde_json::to_value(&mixture).expect("numbers are always written");
            edit(&mut value);
            let error = serde_json::from_value::<Mixture>(value).expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        };
        damaged(&|v| v["dim"] = 3.into(), "mean");
        damaged(&|v| v["dim"] = 0.into(), "components");
        damaged(&|v| v["components"] = serde_json::json!([]), "components");
        damaged(&|v| v["components"][0]["mean"] = serde_json::json!([1.0]), "a finite number for each variable");
        damaged(&|v| v["components"][1]["factor"][3] = 0.into(), "factor");
        damaged(&|v| v["components"][1]["factor"][3] = 1e-160.into(), "1/v² finite");
        damaged(&|v| v["components"][0]["factor"] = serde_json::json!([1.0]), "factor");
        damaged(&|v| v["components"][2]["weight"] = (-1).into(), "weight");
    }

    #[test]
    fn equal_codes_and_single_ones_stay_finite_and_nonsense_is_refused() {
        let mut rng = Rng::new(0);
        let config = MixtureConfig { components: 2, ..Default::default() };
        let same = Mixture::fit(&Tensor::ones([5, 3]), &config, &mut rng).expect("finite");
        assert!(same.sample(4, &mut rng).to_vec().iter().all(|v| v.is_finite()));
        assert!(Mixture::fit(&Tensor::ones([1, 3]), &config, &mut rng).is_err());
        let nan = Tensor::from_slice(&[0.0, f32::NAN, 1.0, 1.0], [2, 2]);
        assert!(matches!(Mixture::fit(&nan, &config, &mut rng), Err(Error::Code { code: 0, element: 1, .. })));
        for floor in [0.0, -1.0, 1e-310, f64::NAN, f64::INFINITY] {
            assert!(MixtureConfig { floor, ..config.clone() }.validate().is_err(), "{floor}");
        }
    }

    #[test]
    fn a_code_that_is_not_finite_has_no_likelihood_and_leaves_the_others_theirs() {
        let mut rng = Rng::new(4);
        let config = MixtureConfig { components: 3, ..Default::default() };
        let mixture = Mixture::fit(&three(300, &mut rng), &config, &mut rng).expect("finite");
        let codes = Tensor::from_slice(&[0.0, 9.0, f32::NAN, 0.0, 0.0, f32::INFINITY, f32::MAX, 0.0], [4, 2]);
        let known = |values: &Tensor| values.to_vec().iter().map(|v| !v.is_nan()).collect::<Vec<_>>();
        assert_eq!(known(&mixture.log_prob(&codes)), [true, false, false, true]);
        assert_eq!(known(&mixture.responsibilities(&codes)), [[true; 3], [false; 3], [false; 3], [true; 3]].concat());
    }
}
