//! Drawing a class from logits: what every generating model shares.

use etude_kernels::rng::Rng;

use crate::config::ConfigError;

/// How the next id is drawn from the logits of a language model.
///
/// The most likely ids are kept, by number (`top_k`: Fan et al. 2018, arXiv:1805.04833, §5) or by the share of probability
/// that they hold together (`top_p`: Holtzman et al. 2020, arXiv:1904.09751, §3.1), and one of them is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: usize,
    top_p: f64,
}

impl Sampler {
    /// Always the most likely id; the first of equal ones.
    pub fn greedy() -> Self {
        Sampler { temperature: 0.0, top_k: usize::MAX, top_p: 1.0 }
    }

    /// Draws from softmax(logits / temperature); 1 is the model's own distribution, 0 is [`Sampler::greedy`].
    ///
    /// # Errors
    /// If the temperature is negative or not finite.
    pub fn temperature(temperature: f64) -> Result<Self, ConfigError> {
        let good = temperature >= 0.0 && temperature.is_finite();
        ConfigError::check(good, "Sampler", "temperature", temperature, "a finite number from 0")?;
        Ok(Sampler { temperature, ..Self::greedy() })
    }

    /// Only the `k` most likely ids.
    ///
    /// # Errors
    /// If `k` is 0.
    pub fn top_k(self, k: usize) -> Result<Self, ConfigError> {
        ConfigError::check(k > 0, "Sampler", "top_k", k, "at least 1")?;
        Ok(Sampler { top_k: k, ..self })
    }

    /// Only the most likely ids that together hold the share `p`.
    ///
    /// # Errors
    /// If `p` is not in (0, 1].
    pub fn top_p(self, p: f64) -> Result<Self, ConfigError> {
        ConfigError::check(p > 0.0 && p <= 1.0, "Sampler", "top_p", p, "above 0, at most 1")?;
        Ok(Sampler { top_p: p, ..self })
    }

    /// An index into `logits`. NaN counts as −∞.
    ///
    /// # Panics
    /// If there are none.
    #[track_caller]
    pub fn draw(&self, logits: &[f32], rng: &mut impl AsMut<Rng>) -> usize {
        assert!(!logits.is_empty(), "Sampler::draw: no logits");
        let mut order: Vec<usize> = (0..logits.len()).collect();
        let value = |i: usize| if logits[i].is_nan() { f32::NEG_INFINITY } else { logits[i] };
        // Stable, so that the first of equal ones comes first.
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        if self.temperature == 0.0 {
            return order[0];
        }
        order.truncate(self.top_k);
        let top = f64::from(value(order[0]));
        let weigh = |&i: &usize| ((f64::from(value(i)) - top) / self.temperature).exp();
        let mut weights: Vec<f64> = order.iter().map(weigh).collect();
        let total: f64 = weights.iter().sum();
        let mut held = 0.0;
        let kept = weights.iter().position(|w| {
            held += w / total;
            held >= self.top_p
        });
        weights.truncate(kept.map_or(weights.len(), |last| last + 1));
        let mut at = rng.as_mut().f64() * weights.iter().sum::<f64>();
        let hit = weights.iter().position(|w| {
            at -= w;
            at < 0.0
        });
        // Rounding can leave a sliver behind the last one.
        order[hit.unwrap_or(weights.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, f32::NAN];

    #[test]
    fn shares_follow_the_softmax() {
        let sampler = Sampler::temperature(2.0).expect("valid");
        let mut rng = Rng::new(0);
        let mut counts = [0f64; 4];
        (0..100_000).for_each(|_| counts[sampler.draw(&LOGITS, &mut rng)] += 1e-5);
        let total = 1.0 + 1f64.exp() + 0.5f64.exp();
        // Standard error at most 0.0016; five of them are allowed.
        for (count, want) in counts.iter().zip([1.0, 1f64.exp(), 0.5f64.exp(), 0.0]) {
            assert!((count - want / total).abs() < 0.008, "{counts:?}");
        }
    }

    #[test]
    fn limits_hold() {
        let mut rng = Rng::new(0);
        let mut draws =
            |s: Sampler| (0..200).map(|_| s.draw(&LOGITS, &mut rng)).collect::<std::collections::BTreeSet<_>>();
        let warm = Sampler::temperature(1.0).expect("valid");
        assert_eq!(draws(Sampler::greedy()).into_iter().collect::<Vec<_>>(), [1]);
        assert_eq!(draws(warm.top_k(2).expect("valid")).into_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(draws(warm.top_p(0.6).expect("valid")).into_iter().collect::<Vec<_>>(), [1]);
        assert!(warm.top_k(0).is_err() && warm.top_p(0.0).is_err() && Sampler::temperature(-1.0).is_err());
    }
}
