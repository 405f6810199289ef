//! Simulation from the exact model: the innovations form run the other way.
//!
//! Feeding the filter with errors drawn from N(0, σ²F_t) gives a stationary start without a burn-in
//! (Brockwell & Davis 1991, §8.6).

use crate::chandrasekhar::{Gains, transition};
use crate::error::{Error, Result, check_series};
use crate::model::{Coefficients, Sarima};
use crate::polynomial::integrate;
use etude_kernels::rng::Rng;

impl Sarima {
    /// Draws a series of length `n` with innovation variance `sigma2` and mean of the differenced series `mean` (ignored
    /// without a constant); integration starts from zeros.
    pub fn simulate(
        &self,
        coefficients: &Coefficients,
        mean: f64,
        sigma2: f64,
        n: usize,
        rng: &mut impl AsMut<Rng>,
    ) -> Result<Vec<f64>> {
        self.validate()?;
        check_series("coefficients", &coefficients.to_vec(), false)?;
        check_series("mean", &[mean], false)?;
        if !(sigma2 >= 0.0 && sigma2.is_finite()) {
            return Err(Error::BadArgument {
                what: "sigma2",
                value: sigma2.to_string(),
                expected: "a number that is not negative",
            });
        }
        let arma = self.arma(coefficients);
        let not_stationary = || Error::BadArgument {
            what: "coefficients",
            value: format!("{:?}", coefficients.to_vec()),
            expected: "a stationary autoregressive part",
        };
        let mut gains = Gains::new(&arma).ok_or_else(not_stationary)?;
        let mut state = vec![0.0; arma.state_len()];
        let level = if self.constant { mean } else { 0.0 };
        let mut differences = Vec::with_capacity(n);
        for t in 0..n {
            if t > 0 && !gains.advance() {
                return Err(not_stationary());
            }
            let v = (sigma2 * gains.variance).sqrt() * rng.as_mut().normal();
            differences.push(level + state[0] + v);
            transition(&arma, &mut state);
            let scaled = v / gains.variance;
            state.iter_mut().zip(&gains.gain).for_each(|(a, k)| *a += k * scaled);
        }
        Ok(integrate(&differences, &self.delta()))
    }
}
