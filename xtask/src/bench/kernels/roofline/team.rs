//! The same work on several threads at once, and memory for it.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Numbers that begin on a cache line: a register that crosses one takes two loads.
pub struct Line {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Line {
    /// `len` times `value`.
    pub fn of(len: usize, value: f32) -> Self {
        const LINE: usize = 64;
        let data = vec![value; len + LINE / size_of::<f32>()];
        let start = data.as_ptr().align_offset(LINE);
        Self { data, start, len }
    }

    /// The numbers.
    pub fn get(&self) -> &[f32] {
        &self.data[self.start..][..self.len]
    }

    /// The numbers.
    pub fn get_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..][..self.len]
    }
}

/// The best of several rounds counts: a limit is what the machine can do undisturbed.
const ROUNDS: usize = 5;

/// Seconds of the slowest thread in the best round. `prepare` makes each thread's state, `work` is timed on it.
pub fn seconds<S>(threads: usize, prepare: impl Fn() -> S + Sync, work: impl Fn(&mut S) -> f64 + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let one = || {
        let mut state = prepare();
        black_box(work(&mut state));
        let round = |_| {
            barrier.wait();
            let start = Instant::now();
            black_box(work(&mut state));
            start.elapsed().as_secs_f64()
        };
        (0..ROUNDS).map(round).collect::<Vec<f64>>()
    };
    let rounds: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        workers.into_iter().map(|worker| worker.join().expect("the work cannot panic")).collect()
    });
    let slowest = |round: usize| rounds.iter().map(|thread| thread[round]).fold(0.0, f64::max);
    (0..ROUNDS).map(slowest).fold(f64::INFINITY, f64::min)
}
