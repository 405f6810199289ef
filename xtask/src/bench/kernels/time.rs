//! Interleaved timing.
//!
//! The competitors take turns, round after round, so that a neighbour's load or a change of clock meets all of them
//! alike. A sample is a batch of calls long enough for the clock, after one call that nobody times: it wakes the threads
//! that slept while others had their turn. A call that is slow by itself gets fewer rounds.

use std::time::Instant;

use anyhow::Result;

/// A batch lasts at least this long.
const BATCH: f64 = 2e-3;

/// A competitor gets this much time for one shape.
const BUDGET: f64 = 0.25;

/// Rounds: at least, whatever the budget, so that there is a median; and at most.
const ROUNDS: [usize; 2] = [3, 31];

/// A call below this is repeated without being timed, at the start of each batch.
const SHORT: f64 = 20e-3;

/// Median and spread of one competitor, in seconds a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The median of the rounds.
    pub median: f64,
    /// (90th − 10th percentile) / median.
    pub spread: f64,
}

/// How one competitor is timed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    batch: usize,
    rounds: usize,
    warms: bool,
}

/// Times the competitors 0 … `count` against each other; `seconds(i, calls)` is how long so many calls of competitor i
/// take.
///
/// # Errors
/// The first of `seconds`.
pub fn interleaved(count: usize, mut seconds: impl FnMut(usize, usize) -> Result<f64>) -> Result<Vec<Timing>> {
    // The first call also touches memory for the first time; the second says how long a call takes.
    let mut first = |i: usize| -> Result<Plan> { Ok(plan(seconds(i, 1)?.min(seconds(i, 1)?))) };
    let plans = (0..count).map(&mut first).collect::<Result<Vec<Plan>>>()?;
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); count];
    for round in 0..ROUNDS[1] {
        for (i, (plan, samples)) in plans.iter().zip(&mut samples).enumerate() {
            if round < plan.rounds {
                if plan.warms {
                    seconds(i, 1)?;
                }
                samples.push(seconds(i, plan.batch)? / plan.batch as f64);
            }
        }
    }
    Ok(samples.into_iter().map(summary).collect())
}

fn plan(once: f64) -> Plan {
    let once = once.max(1e-9);
    let warms = once < SHORT;
    let batch = ((BATCH / once).ceil() as usize).max(1);
    let rounds = (BUDGET / (once * (batch + usize::from(warms)) as f64)) as usize;
    Plan { batch, rounds: rounds.clamp(ROUNDS[0], ROUNDS[1]), warms }
}

/// How long so many calls take.
pub fn seconds(calls: usize, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_secs_f64()
}

fn summary(mut samples: Vec<f64>) -> Timing {
    samples.sort_by(f64::total_cmp);
    // A percentile between two samples lies on the line between them.
    let percentile = |share: f64| {
        let at = share * (samples.len() - 1) as f64;
        let (low, high) = (samples[at.floor() as usize], samples[at.ceil() as usize]);
        low + (high - low) * at.fract()
    };
    let median = percentile(0.5);
    Timing { median, spread: (percentile(0.9) - percentile(0.1)) / median }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_median_and_the_range_without_its_ends() {
        let close = |timing: Timing, median: f64, spread: f64| {
            assert!((timing.median - median).abs() < 1e-12 && (timing.spread - spread).abs() < 1e-12, "{timing:?}");
        };
        close(summary(vec![2.0]), 2.0, 0.0);
        close(summary(vec![4.0, 2.0]), 3.0, 1.6 / 3.0);
        // 0 … 10 without its lowest and highest tenth, around 5; the order does not matter.
        close(summary((0..=10).rev().map(f64::from).collect()), 5.0, 8.0 / 5.0);
    }

    #[test]
    fn slow_calls_get_fewer_rounds_and_fast_ones_longer_batches() {
        let Plan { batch, rounds, warms } = plan(1e-6);
        assert!(batch as f64 * 1e-6 >= BATCH && (batch - 2) as f64 * 1e-6 < BATCH, "{batch}");
        assert_eq!((rounds, warms), (ROUNDS[1], true));
        assert_eq!(plan(BUDGET / 5.5), Plan { batch: 1, rounds: 5, warms: false });
        assert_eq!(plan(10.0 * BUDGET), Plan { batch: 1, rounds: ROUNDS[0], warms: false });
    }

    #[test]
    fn every_competitor_has_its_turns() {
        let mut counts = [0usize; 2];
        let timings = interleaved(2, |i, calls| Ok(seconds(calls, || counts[i] += 1)));
        assert_eq!(timings.expect("nothing fails").len(), 2);
        assert!(counts.iter().all(|&count| count > ROUNDS[1]));
        assert!(interleaved(1, |_, _| anyhow::bail!("expected")).is_err());
    }
}
