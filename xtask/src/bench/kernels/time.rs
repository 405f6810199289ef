//! Interleaved timing.
//!
//! The engines take turns, round after round, so that a neighbour's load or a change of clock meets all of them alike.
//! A sample is a batch of calls long enough for the clock; a call that is slow by itself gets fewer rounds.

use std::time::Instant;

/// A batch lasts at least this long.
const BATCH: f64 = 4e-3;

/// An engine gets this much time for one shape, and at least one round.
const BUDGET: f64 = 0.6;

/// Rounds when the budget allows.
const ROUNDS: usize = 9;

/// Median and spread of one engine, in seconds a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The median of the rounds.
    pub median: f64,
    /// (largest − smallest) / median.
    pub spread: f64,
}

/// Times the calls against each other. Each is called once before, which also warms it.
pub fn interleaved(calls: &mut [Box<dyn FnMut() + '_>]) -> Vec<Timing> {
    let plans: Vec<(usize, usize)> = calls.iter_mut().map(|call| plan(seconds(1, call))).collect();
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); calls.len()];
    for round in 0..ROUNDS {
        for ((call, &(batch, rounds)), samples) in calls.iter_mut().zip(&plans).zip(&mut samples) {
            if round < rounds {
                samples.push(seconds(batch, call) / batch as f64);
            }
        }
    }
    samples.into_iter().map(summary).collect()
}

/// How many calls make a batch, and how many batches the budget allows.
fn plan(once: f64) -> (usize, usize) {
    let once = once.max(1e-9);
    let batch = ((BATCH / once).ceil() as usize).max(1);
    let rounds = (BUDGET / (once * batch as f64)) as usize;
    (batch, rounds.clamp(1, ROUNDS))
}

fn seconds(calls: usize, call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_secs_f64()
}

fn summary(mut samples: Vec<f64>) -> Timing {
    samples.sort_by(f64::total_cmp);
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let median = (samples[(samples.len() - 1) / 2] + samples[samples.len() / 2]) / 2.0;
    Timing { median, spread: (last - first) / median }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_median_and_the_relative_range() {
        assert_eq!(summary(vec![3.0, 1.0, 2.0]), Timing { median: 2.0, spread: 1.0 });
        assert_eq!(summary(vec![4.0, 1.0, 2.0, 2.0]), Timing { median: 2.0, spread: 1.5 });
    }

    #[test]
    fn slow_calls_get_fewer_rounds_and_fast_ones_longer_batches() {
        let (batch, rounds) = plan(1e-6);
        assert!(batch as f64 * 1e-6 >= BATCH && (batch - 2) as f64 * 1e-6 < BATCH, "{batch}");
        assert_eq!(rounds, ROUNDS);
        assert_eq!(plan(BUDGET / 2.5), (1, 2));
        assert_eq!(plan(10.0 * BUDGET), (1, 1));
    }

    #[test]
    fn every_call_is_timed() {
        let mut counts = [0usize; 2];
        let [first, second] = &mut counts;
        let timings = interleaved(&mut [Box::new(|| *first += 1), Box::new(|| *second += 1)]);
        assert_eq!(timings.len(), 2);
        assert!(counts.iter().all(|&count| count > ROUNDS));
    }
}
