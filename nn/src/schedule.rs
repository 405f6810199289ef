//! Learning-rate schedules: plain functions of the step.
//!
//! A schedule holds no optimiser and no counter, so there is nothing to save in a checkpoint but the step:
//! `opt.set_lr(schedule.at(step))` before each update, steps counted from 0. The formulas are the closed forms of
//! PyTorch's schedulers. A [`Plateau`] alone has a memory, since it goes by what the model achieves.
//!
//! ```
//! use etude_nn::schedule::Schedule;
//!
//! let lr = Schedule::cosine(3e-4, 3e-5, 10_000).warm_up(100);
//! assert_eq!(lr.at(0), 3e-4 / 100.0);
//! assert!((lr.at(10_100) - 3e-5).abs() < 1e-12);
//! ```

mod plateau;

use serde::{Deserialize, Serialize};

pub use plateau::{Goal, Plateau, PlateauConfig, Threshold};

/// The learning rate as a function of the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rate at the start of the curve.
    pub lr: f64,
    /// What happens after the warm-up.
    pub curve: Curve,
    /// Steps of linear warm-up before the curve begins; 0 for none.
    #[serde(default)]
    pub warm_up: u64,
}

/// The course of a [`Schedule`] over its own steps t = 0, 1, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Curve {
    /// lr.
    Constant,
    /// A straight line to `last` at step `steps`, then `last` (`LinearLR`).
    Linear {
        /// The rate at the end.
        last: f64,
        /// How long it takes.
        steps: u64,
    },
    /// Half a cosine to `last` at step `steps`, then `last` (`CosineAnnealingLR`; Loshchilov & Hutter 2017, *SGDR*,
    /// arXiv 1608.03983, eq. 5): last + (lr − last)·(1 + cos(π·t/steps))/2.
    Cosine {
        /// The rate at the end.
        last: f64,
        /// How long it takes.
        steps: u64,
    },
    /// lr·γ^⌊t/every⌋ (`StepLR`).
    Step {
        /// Steps between two drops.
        every: u64,
        /// The factor γ of each drop.
        gamma: f64,
    },
    /// lr·γⁿ after n of the milestones (`MultiStepLR`).
    MultiStep {
        /// The steps at which the rate drops.
        milestones: Vec<u64>,
        /// The factor γ of each drop.
        gamma: f64,
    },
    /// lr·(1 − t/steps)^power, then 0 (`PolynomialLR`).
    Polynomial {
        /// How long it takes.
        steps: u64,
        /// The power; 1 for a straight line.
        power: f64,
    },
    /// Half a cosine to `last` again and again (`CosineAnnealingWarmRestarts`; Loshchilov & Hutter 2017, eq. 5), each
    /// `factor` times as long as the one before.
    WarmRestarts {
        /// The rate at the end of each.
        last: f64,
        /// The steps of the first.
        first: u64,
        /// How much longer the next one is.
        factor: u64,
    },
    /// From lr/`rise` to lr by half a cosine in a share `peak` of the steps, then by another to lr/`rise`/`fall`, which stays
    /// (`OneCycleLR`; Smith & Topin 2018, *Super-convergence*, arXiv 1708.07120).
    OneCycle {
        /// All steps of the cycle.
        steps: u64,
        /// The share of the steps before the largest rate; PyTorch's default is 0.3.
        peak: f64,
        /// The largest rate over the first; PyTorch's default is 25.
        rise: f64,
        /// The first rate over the last; PyTorch's default is 10⁴.
        fall: f64,
    },
    /// lr·γᵗ (`ExponentialLR`).
    Exponential {
        /// The factor γ of each step.
        gamma: f64,
    },
}

impl Schedule {
    fn new(lr: f64, curve: Curve) -> Self {
        Schedule { lr, curve, warm_up: 0 }
    }

    /// Always `lr`.
    pub fn constant(lr: f64) -> Self {
        Self::new(lr, Curve::Constant)
    }

    /// See [`Curve::Linear`].
    pub fn linear(lr: f64, last: f64, steps: u64) -> Self {
        Self::new(lr, Curve::Linear { last, steps })
    }

    /// See [`Curve::Cosine`].
    pub fn cosine(lr: f64, last: f64, steps: u64) -> Self {
        Self::new(lr, Curve::Cosine { last, steps })
    }

    /// See [`Curve::Step`].
    ///
    /// # Panics
    /// If `every` is 0.
    #[track_caller]
    pub fn step(lr: f64, every: u64, gamma: f64) -> Self {
        assert!(every > 0, "Schedule::step: 0 steps between two drops");
        Self::new(lr, Curve::Step { every, gamma })
    }

    /// See [`Curve::MultiStep`].
    pub fn multi_step(lr: f64, milestones: impl Into<Vec<u64>>, gamma: f64) -> Self {
        Self::new(lr, Curve::MultiStep { milestones: milestones.into(), gamma })
    }

    /// See [`Curve::Polynomial`].
    pub fn polynomial(lr: f64, steps: u64, power: f64) -> Self {
        Self::new(lr, Curve::Polynomial { steps, power })
    }

    /// See [`Curve::WarmRestarts`].
    ///
    /// # Panics
    /// If `first` or `factor` is 0.
    #[track_caller]
    pub fn warm_restarts(lr: f64, last: f64, first: u64, factor: u64) -> Self {
        assert!(first > 0 && factor > 0, "Schedule::warm_restarts: {first} steps, each time {factor} times as many");
        Self::new(lr, Curve::WarmRestarts { last, first, factor })
    }

    /// See [`Curve::OneCycle`]; the other settings are PyTorch's defaults.
    pub fn one_cycle(lr: f64, steps: u64) -> Self {
        Self::new(lr, Curve::OneCycle { steps, peak: 0.3, rise: 25.0, fall: 1e4 })
    }

    /// See [`Curve::Exponential`].
    pub fn exponential(lr: f64, gamma: f64) -> Self {
        Self::new(lr, Curve::Exponential { gamma })
    }

    /// Puts `steps` of linear warm-up in front: lr/steps, 2·lr/steps, …, lr; the curve begins after them
    /// (Goyal et al. 2017, arXiv 1706.02677, section 2.2).
    pub fn warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// The rate of step `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let Schedule { lr, curve, warm_up } = self;
        if step < *warm_up {
            return lr * (step + 1) as f64 / *warm_up as f64;
        }
        let t = step - warm_up;
        // How far along a curve of `steps` is; one of no steps is at its end.
        let share = |steps: u64| if t >= steps { 1.0 } else { t as f64 / steps as f64 };
        match *curve {
            Curve::Constant => *lr,
            Curve::Linear { last, steps } => lr + (last - lr) * share(steps),
            Curve::Cosine { last, steps } => half_cosine(*lr, last, share(steps)),
            Curve::Step { every, gamma } => lr * gamma.powf((t / every.max(1)) as f64),
            Curve::MultiStep { ref milestones, gamma } => {
                lr * gamma.powf(milestones.iter().filter(|&&milestone| milestone <= t).count() as f64)
            }
            Curve::Polynomial { steps, power } => lr * (1.0 - share(steps)).powf(power),
            Curve::WarmRestarts { last, first, factor } => {
                let (since, length) = restart(t, first.max(1), factor);
                half_cosine(*lr, last, since as f64 / length as f64)
            }
            Curve::OneCycle { steps, peak, rise, fall } => {
                let first = lr / rise;
                // The last of the steps has the last rate, and the peak may lie between two.
                let (end, t) = (steps.saturating_sub(1) as f64, t as f64);
                let top = peak * steps as f64 - 1.0;
                if t <= top && top > 0.0 {
                    half_cosine(first, *lr, t / top)
                } else {
                    half_cosine(*lr, first / fall, if t < end { (t - top) / (end - top) } else { 1.0 })
                }
            }
            Curve::Exponential { gamma } => lr * gamma.powf(t as f64),
        }
    }
}

/// From `from` to `to` by half a cosine, of which a share is done.
fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
}

/// The steps since the last restart, and how many there are to the next.
fn restart(t: u64, first: u64, factor: u64) -> (u64, u64) {
    if factor <= 1 {
        return (t % first, first);
    }
    let (mut since, mut length) = (t, first);
    while since >= length {
        since -= length;
        length = length.saturating_mul(factor);
    }
    (since, length)
}
