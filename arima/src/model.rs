//! The model a user names: orders, period, constant.

use crate::error::{Error, Result};
use crate::polynomial::{Arma, difference_terms};

/// The seasonal orders (P, D, Q) and the period s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Seasonal {
    /// Order of Φ(Bˢ).
    pub p: usize,
    /// How often the seasonal difference 1 − Bˢ is taken.
    pub d: usize,
    /// Order of Θ(Bˢ).
    pub q: usize,
    /// Observations a season; 0 or 1 for a model without seasonal part.
    pub period: usize,
}

/// SARIMA(p,d,q)(P,D,Q)ₛ: φ(B)Φ(Bˢ)(1−B)ᵈ(1−Bˢ)ᴰ(y_t − βᵀx_t) = θ(B)Θ(Bˢ)ε_t.
///
/// With φ(B) = 1 − φ₁B − …, θ(B) = 1 + θ₁B + … (Box, Jenkins, Reinsel & Ljung, eq. (9.2.4), with the opposite sign of θ).
/// The constant is the mean of the differenced series, as in R's `include.mean` / `include.drift`; the intercept of the
/// recursion, which statsmodels calls `trend="c"`, is [`crate::Fit::intercept`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Sarima {
    /// Order of φ(B).
    pub p: usize,
    /// How often the difference 1 − B is taken.
    pub d: usize,
    /// Order of θ(B).
    pub q: usize,
    /// Seasonal part.
    pub seasonal: Seasonal,
    /// Whether the differenced series has a mean to estimate.
    pub constant: bool,
}

/// The ARMA coefficients by part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coefficients {
    /// φ_1 … φ_p.
    pub ar: Vec<f64>,
    /// θ_1 … θ_q.
    pub ma: Vec<f64>,
    /// Φ_1 … Φ_P.
    pub seasonal_ar: Vec<f64>,
    /// Θ_1 … Θ_Q.
    pub seasonal_ma: Vec<f64>,
}

/// Longest state a model may have; beyond it a configuration is taken for a mistake.
const MAX_STATE: usize = 10_000;

impl Sarima {
    /// ARIMA(p, d, q) without constant.
    pub fn new(p: usize, d: usize, q: usize) -> Self {
        Self { p, d, q, ..Self::default() }
    }

    /// Adds the seasonal part (P, D, Q)ₛ.
    pub fn seasonal(mut self, p: usize, d: usize, q: usize, period: usize) -> Self {
        self.seasonal = Seasonal { p, d, q, period };
        self
    }

    /// Adds a mean of the differenced series: a level for d = D = 0, a drift for d + D = 1.
    pub fn with_constant(mut self) -> Self {
        self.constant = true;
        self
    }

    /// Checks the orders.
    pub fn validate(&self) -> Result<()> {
        let s = &self.seasonal;
        if s.p + s.d + s.q > 0 && s.period < 2 {
            return Err(Error::BadArgument {
                what: "seasonal.period",
                value: s.period.to_string(),
                expected: "at least 2 when a seasonal order is not zero",
            });
        }
        let lags = [self.p, self.d, self.q].iter().max().copied().unwrap_or(0);
        let seasonal = [s.p, s.d, s.q].iter().max().copied().unwrap_or(0).saturating_mul(s.period);
        if lags.saturating_add(seasonal) > MAX_STATE {
            return Err(Error::BadArgument {
                what: "orders",
                value: self.to_string(),
                expected: "at most 10,000 lags in all",
            });
        }
        Ok(())
    }

    /// d + sD: observations that differencing uses up.
    pub fn lost(&self) -> usize {
        self.d + self.seasonal.d * self.seasonal.period
    }

    /// p + q + P + Q.
    pub fn arma_parameters(&self) -> usize {
        self.p + self.q + self.seasonal.p + self.seasonal.q
    }

    pub(crate) fn delta(&self) -> Vec<f64> {
        difference_terms(self.d, self.seasonal.d, self.seasonal.period)
    }

    pub(crate) fn arma(&self, c: &Coefficients) -> Arma {
        Arma::seasonal(&c.ar, &c.ma, &c.seasonal_ar, &c.seasonal_ma, self.seasonal.period)
    }

    /// Cuts a list ordered φ, θ, Φ, Θ into its parts, each passed through `map`.
    pub(crate) fn split(&self, list: &[f64], map: impl Fn(&[f64], bool) -> Vec<f64>) -> Coefficients {
        let (ar, rest) = list.split_at(self.p);
        let (ma, rest) = rest.split_at(self.q);
        let (seasonal_ar, rest) = rest.split_at(self.seasonal.p);
        let seasonal_ma = &rest[..self.seasonal.q];
        Coefficients {
            ar: map(ar, false),
            ma: map(ma, true),
            seasonal_ar: map(seasonal_ar, false),
            seasonal_ma: map(seasonal_ma, true),
        }
    }
}

impl Coefficients {
    /// φ, θ, Φ, Θ one after the other.
    pub fn to_vec(&self) -> Vec<f64> {
        [&self.ar[..], &self.ma, &self.seasonal_ar, &self.seasonal_ma].concat()
    }
}

impl std::fmt::Display for Sarima {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = &self.seasonal;
        write!(f, "ARIMA({},{},{})", self.p, self.d, self.q)?;
        if s.p + s.d + s.q > 0 {
            write!(f, "({},{},{})[{}]", s.p, s.d, s.q, s.period)?;
        }
        if self.constant { f.write_str(" with constant") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_season_of_one_is_refused() {
        let error = Sarima::new(0, 1, 1).seasonal(0, 1, 1, 1).validate().expect_err("period 1");
        assert_eq!(error.to_string(), "seasonal.period is 1, expected at least 2 when a seasonal order is not zero");
        assert!(Sarima::new(1, 0, 0).seasonal(0, 0, 0, 1).validate().is_ok());
    }

    #[test]
    fn absurd_orders_are_refused_without_overflow() {
        assert!(Sarima::new(usize::MAX, 0, 0).validate().is_err());
        assert!(Sarima::new(0, 0, 0).seasonal(2, 0, 0, usize::MAX).validate().is_err());
    }

    #[test]
    fn names() {
        assert_eq!(Sarima::new(0, 1, 1).seasonal(0, 1, 1, 12).to_string(), "ARIMA(0,1,1)(0,1,1)[12]");
        assert_eq!(Sarima::new(2, 0, 0).with_constant().to_string(), "ARIMA(2,0,0) with constant");
    }
}
