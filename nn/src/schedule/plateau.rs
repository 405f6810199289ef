//! The learning rate that falls when a metric stops getting better.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::optim::Optimizer;

/// Which way is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// A loss.
    #[default]
    Min,
    /// An accuracy, a reward.
    Max,
}

/// What counts as better than the best so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Threshold {
    /// By this share of the best: best·(1 ∓ share).
    Relative(f64),
    /// By this much: best ∓ amount.
    Absolute(f64),
}

/// The settings of a [`Plateau`]. Names and defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauConfig {
    /// Which way is better.
    pub goal: Goal,
    /// What the learning rate is multiplied by; 0 to below 1.
    pub factor: f64,
    /// Metrics without improvement that are borne in a row.
    pub patience: u64,
    /// What counts as an improvement.
    pub threshold: Threshold,
    /// Metrics after a reduction that do not count.
    pub cooldown: u64,
    /// The learning rate falls no further: the optimiser's, see [`Plateau`].
    pub min_lr: f64,
    /// A reduction of the optimiser's learning rate by no more than this is left out.
    pub eps: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        PlateauConfig {
            goal: Goal::Min,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
        }
    }
}

impl PlateauConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let PlateauConfig { factor, threshold: Threshold::Relative(by) | Threshold::Absolute(by), min_lr, eps, .. } =
            *self;
        let check = |good, field, value, expected| ConfigError::check(good, "PlateauConfig", field, value, expected);
        let at_least_0 = |x: f64| x.is_finite() && x >= 0.0;
        check((0.0..1.0).contains(&factor), "factor", factor, "0 ≤ factor < 1")?;
        check(at_least_0(by), "threshold", by, "a finite number, at least 0")?;
        check(at_least_0(min_lr), "min_lr", min_lr, "a finite number, at least 0")?;
        check(at_least_0(eps), "eps", eps, "a finite number, at least 0")
    }
}

/// Lowers the learning rate when a metric, of each epoch for instance, has not become better for a while: PyTorch's
/// `ReduceLROnPlateau`.
///
/// With groups, [`PlateauConfig::min_lr`] and [`PlateauConfig::eps`] are for [`Optimizer::lr`], and the groups keep their
/// proportion to it; PyTorch holds every group to them by itself.
///
/// It remembers, so it is a part of a checkpoint: `checkpoint.data("plateau", &mut plateau)`. The settings are, too: those of
/// the file replace those of the program on resume, as in PyTorch. [`Plateau::config`] tells which hold.
///
/// ```
/// # use etude_autograd::Tensor;
/// use etude_nn::schedule::{Plateau, PlateauConfig};
/// use etude_nn::{Optimizer, Param, Sgd};
///
/// let mut opt = Sgd::new(&Param::new(Tensor::ones([1])), 0.1);
/// let mut plateau = Plateau::new(PlateauConfig { patience: 1, ..Default::default() })?;
/// let reduced = [1.0, 0.9, 0.9, 0.9].map(|loss| plateau.step(loss, &mut opt));
/// assert_eq!(reduced, [false, false, false, true]);
/// assert!((opt.lr() - 0.01).abs() < 1e-12);
/// # Ok::<(), etude_nn::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Plateau {
    config: PlateauConfig,
    best: Option<f64>,
    bad: u64,
    cooling: u64,
}

/// What a file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    config: PlateauConfig,
    best: Option<f64>,
    bad: u64,
    cooling: u64,
}

impl TryFrom<Unchecked> for Plateau {
    type Error = ConfigError;
    fn try_from(Unchecked { config, best, bad, cooling }: Unchecked) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Plateau { config, best, bad, cooling })
    }
}

impl Plateau {
    /// Before the first metric.
    ///
    /// # Errors
    /// Names a setting that makes no sense.
    pub fn new(config: PlateauConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Plateau { config, best: None, bad: 0, cooling: 0 })
    }

    /// The settings.
    pub fn config(&self) -> &PlateauConfig {
        &self.config
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Takes the next metric, and lowers the optimiser's learning rate if it is time; says whether it did. Groups with a
    /// rate of their own follow as in [`Optimizer::set_lr`]. A metric that is no finite number is no improvement.
    pub fn step(&mut self, metric: f64, opt: &mut dyn Optimizer) -> bool {
        let PlateauConfig { factor, patience, cooldown, min_lr, eps, .. } = self.config;
        if metric.is_finite() && self.best.is_none_or(|best| self.is_better(metric, best)) {
            (self.best, self.bad) = (Some(metric), 0);
        } else {
            self.bad = self.bad.saturating_add(1);
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad <= patience {
            return false;
        }
        (self.cooling, self.bad) = (cooldown, 0);
        let (old, new) = (opt.lr(), (opt.lr() * factor).max(min_lr));
        let reduces = old - new > eps;
        if reduces {
            opt.set_lr(new);
        }
        reduces
    }

    fn is_better(&self, metric: f64, best: f64) -> bool {
        match (self.config.goal, self.config.threshold) {
            (Goal::Min, Threshold::Relative(share)) => metric < best * (1.0 - share),
            (Goal::Min, Threshold::Absolute(amount)) => metric < best - amount,
            (Goal::Max, Threshold::Relative(share)) => metric > best * (1.0 + share),
            (Goal::Max, Threshold::Absolute(amount)) => metric > best + amount,
        }
    }
}
