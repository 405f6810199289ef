//! The scale of an axis: its range, linear or logarithmic, a few round ticks and their labels.
//!
//! Ticks are 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", Graphics Gems 1990), few enough to be
//! read when the chart is as narrow as a phone.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// The most ticks of an axis.
const MOST: usize = 7;

/// An axis as plotters needs it.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// In logarithms if `log`.
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// Covers the finite values (on a logarithmic scale the positive ones) with a little room, or `fixed` exactly.
    pub(super) fn new(values: impl Iterator<Item = f64>, fixed: Option<&Range<f64>>, log: bool, room: f64) -> Self {
        let forward = |v: f64| if log { v.log10() } else { v };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.map(forward).filter(|v| v.is_finite()) {
            (low, high) = (low.min(v), high.max(v));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // A constant curve gets a range around it; the room also keeps 0 spans and rounding apart.
        let span =
            if high - low > 1e-12 * low.abs().max(high.abs()).max(1e-300) { high - low } else { low.abs().max(1.0) };
        (low, high) = (low - room * span, high + room * span);
        if high - low < 0.5 * span {
            (low, high) = (low - 0.5 * span, high + 0.5 * span);
        }
        if let Some((a, b)) =
            fixed.map(|r| (forward(r.start), forward(r.end))).filter(|(a, b)| a.is_finite() && b.is_finite() && a < b)
        {
            (low, high) = (a, b);
        }
        let mut scale = Self { low, high, log, ticks: Vec::new() };
        scale.ticks = if log { log_ticks(low, high) } else { linear_ticks(low, high) };
        scale
    }

    /// The range in the units of the data.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.back(self.low), self.back(self.high))
    }

    /// Position in the range, 0 to 1; NaN for what cannot be shown.
    pub(super) fn part(&self, value: f64) -> f64 {
        ((if self.log { value.log10() } else { value }) - self.low) / (self.high - self.low)
    }

    fn back(&self, v: f64) -> f64 {
        if self.log { 10f64.powf(v) } else { v }
    }

    fn step(&self) -> f64 {
        if self.ticks.len() > 1 { (self.ticks[1] - self.ticks[0]).abs() } else { 0.0 }
    }
}

fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / MOST as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|&s| s >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    // Multiples of the step, so that no error adds up; the bound only matters for ranges at the edge of f64.
    (0..=2 * MOST)
        .map(|i| (first + i as f64) * step)
        .take_while(|&t| t <= high * (1.0 + 1e-12) + 1e-300)
        .map(|t| t + 0.0)
        .collect()
}

/// The densest of 1-2-5, 1-3 and 1 times powers of ten that is few enough; linear ticks within less than half a decade.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    if high - low < 0.5 {
        return linear_ticks(10f64.powf(low), 10f64.powf(high));
    }
    let powers = low.floor() as i32..=high.ceil() as i32;
    let stride = ((high - low) as usize).div_ceil(MOST).max(1);
    let ticks = |factors: &[f64]| {
        // Divided by a whole power of ten, so that 3·10⁻¹ is 0.3 to the last bit and its label is short.
        let at = |f: f64, p: i32| if p < 0 { f / 10f64.powi(-p) } else { f * 10f64.powi(p) };
        let all = powers.clone().step_by(stride).flat_map(|p| factors.iter().map(move |&f| at(f, p)));
        all.filter(|t| (low - 1e-9..=high + 1e-9).contains(&t.log10())).collect::<Vec<_>>()
    };
    let few = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]].into_iter().map(ticks).find(|t| t.len() <= MOST);
    few.unwrap_or_else(|| ticks(&[1.0]))
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = self.part(*value).clamp(0.0, 1.0);
        limit.0 + (part * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        let (low, high) = self.ends();
        low..high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        label(*value, if self.log { 0.0 } else { self.step() })
    }
}

/// A tick's label: as many decimals as the step needs, `k` and `M` for thousands and millions. A step of 0 means shortest.
pub(super) fn label(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    let (scaled, unit) = match size {
        s if s >= 1e9 || (s > 0.0 && s < 1e-4) => return format!("{value:.0e}"),
        s if s >= 1e6 => (1e6, "M"),
        s if s >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if step == 0.0 {
        return format!("{}{unit}", value / scaled);
    }
    // The first number of decimals at which the step is a whole number of units in the last place.
    let decimals = (0..6)
        .find(|&d| (step / scaled * 10f64.powi(d)).fract().min(1.0 - (step / scaled * 10f64.powi(d)).fract()) < 1e-6);
    let text = format!("{:.*}{unit}", decimals.unwrap_or(6) as usize, value / scaled);
    if value == 0.0 { "0".to_owned() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_short_and_exact() {
        // Each right-hand side is the number as a person writes it.
        let cases = [
            (0.25, 0.05, "0.25"),
            (1950.0, 2.0, "1950"),
            (-4.0, 2.0, "−4"),
            (20_000.0, 5_000.0, "20k"),
            (0.0, 0.5, "0"),
        ];
        for (value, step, text) in cases {
            assert_eq!(label(value, step), text);
        }
        assert_eq!(label(2.5e6, 5e5), "2.5M");
        assert_eq!(label(0.001, 0.0), "0.001");
        let logarithmic: Vec<_> = log_ticks(-2.0, 0.5).into_iter().map(|tick| label(tick, 0.0)).collect();
        assert_eq!(logarithmic, ["0.01", "0.03", "0.1", "0.3", "1", "3"]);
    }

    proptest! {
        #[test]
        fn ticks_are_few_inside_and_evenly_spaced(low in -1e6..1e6f64, span in 1e-3..1e6f64) {
            let scale = Scale::new([low, low + span].into_iter(), None, false, 0.05);
            let (a, b) = scale.ends();
            prop_assert!(a < low && b > low + span);
            prop_assert!((2..=MOST + 1).contains(&scale.ticks.len()), "{:?}", scale);
            prop_assert!(scale.ticks.iter().all(|t| (a..=b).contains(t)), "{:?}", scale);
            let step = scale.step();
            prop_assert!(scale.ticks.windows(2).all(|w| ((w[1] - w[0]) / step - 1.0).abs() < 1e-6));
        }

        #[test]
        fn any_values_give_a_usable_scale(values in proptest::collection::vec(proptest::num::f64::ANY, 0..8), log: bool) {
            // Drawings of runaway losses must not fail; beyond 1e300 spans overflow and are not drawn by anyone.
            let bounded = values.iter().copied().filter(|v| v.is_nan() || v.abs() < 1e300);
            let scale = Scale::new(bounded.clone(), None, log, 0.05);
            for v in bounded {
                let at = scale.map(&v, (0, 1000));
                prop_assert!((0..=1000).contains(&at));
            }
            prop_assert!(scale.low < scale.high, "{:?}", scale);
        }
    }
}
