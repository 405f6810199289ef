//! The one door to threads.
//!
//! Work is cut at boundaries that the *caller* fixes from the problem's size alone; threads only decide who runs a block.
//! Hence results never depend on the number of threads. Nested calls run serially, and the caller takes blocks itself,
//! so nothing waits for a worker while there is work left.
//!
//! [`with_threads`] forces a count by scope; `ETUDE_THREADS=n` sets it for a whole run; otherwise it is the number of
//! cores that the process may use.

mod cores;
mod team;

use std::cell::Cell;
use std::sync::{Mutex, OnceLock};

use crate::scoped;
use team::WhenBusy;

thread_local! {
    static FORCED: Cell<usize> = const { Cell::new(0) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The number of threads that a kernel entered now may use; 1 inside a parallel block.
pub fn threads() -> usize {
    if INSIDE.get() {
        return 1;
    }
    match FORCED.get() {
        0 => default(),
        n => n,
    }
}

fn default() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    *DEFAULT.get_or_init(|| match std::env::var("ETUDE_THREADS") {
        Ok(text) => match text.parse() {
            Ok(n) if n > 0 => n,
            _ => panic!("ETUDE_THREADS={text}: expected a whole number above 0"),
        },
        Err(_) => std::thread::available_parallelism().map_or(1, |n| n.get()),
    })
}

/// Runs `f` with kernels using `n` threads, whatever the machine has.
///
/// # Panics
/// If `n` is 0.
pub fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    assert!(n > 0, "with_threads: 0 threads cannot run anything");
    scoped::with(&FORCED, n, f)
}

/// Calls `f(block)` once for every block in `0..blocks`, in any order and on any thread.
///
/// A panic in a block reaches the caller after the other blocks have ended, and leaves the workers usable.
pub fn for_each(blocks: usize, f: impl Fn(usize) + Sync) {
    run(blocks, &f);
}

/// `for_each` without its type parameter: the machinery of threads is compiled once, not once a kernel.
fn run(blocks: usize, f: &(dyn Fn(usize) + Sync)) {
    let threads = threads().min(blocks);
    if threads <= 1 {
        (0..blocks).for_each(f);
        return;
    }
    // A test or a bench that asks for a number of threads means it.
    let when_busy = if FORCED.get() == 0 { WhenBusy::Alone } else { WhenBusy::Wait };
    scoped::with(&INSIDE, true, || team::run(threads, blocks, when_busy, f));
}

/// Cuts `out` into chunks of `chunk` elements (the last may be shorter) and calls `f(index, chunk)` for each.
///
/// # Panics
/// If `chunk` is 0.
pub fn chunks_mut<T: Send>(out: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    run_chunks(out, chunk, &f);
}

/// `chunks_mut` without the type of `f`, so that the body of `f` is compiled once for both paths.
fn run_chunks<T: Send>(out: &mut [T], chunk: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    assert!(chunk > 0, "chunks_mut: chunks of 0 elements");
    if out.len() <= chunk || threads() == 1 {
        out.chunks_mut(chunk).enumerate().for_each(|(i, part)| f(i, part));
        return;
    }
    let parts: Vec<Mutex<&mut [T]>> = out.chunks_mut(chunk).map(Mutex::new).collect();
    for_each(parts.len(), |i| {
        // Each index is visited once, so the lock is never contended: it only proves exclusivity to the compiler.
        let mut part = parts[i].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        f(i, &mut part);
    });
}

/// The results of `f(block)` in the order of the blocks.
pub fn map<R: Send>(blocks: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    if threads().min(blocks) <= 1 {
        return (0..blocks).map(f).collect();
    }
    let mut out: Vec<Option<R>> = (0..blocks).map(|_| None).collect();
    chunks_mut(&mut out, 1, |i, slot| slot[0] = Some(f(i)));
    out.into_iter().map(|slot| slot.expect("every block ran")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_block_runs_once_on_any_number_of_threads() {
        for n in [1, 2, 3, 8] {
            with_threads(n, || {
                let counts: Vec<AtomicUsize> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
                for_each(counts.len(), |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                    assert_eq!(threads(), 1, "nested calls are serial");
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
                assert_eq!(map(100, |i| i * i), (0..100).map(|i| i * i).collect::<Vec<_>>());
            });
        }
    }

    #[test]
    fn chunks_cover_the_slice() {
        with_threads(3, || {
            let mut out = vec![0usize; 1003];
            chunks_mut(&mut out, 10, |i, part| part.iter_mut().enumerate().for_each(|(j, v)| *v = 10 * i + j));
            assert!(out.iter().enumerate().all(|(i, &v)| i == v));
        });
    }

    #[test]
    fn a_panic_in_a_worker_leaves_the_pool_usable() {
        with_threads(2, || {
            for _ in 0..3 {
                let result = std::panic::catch_unwind(|| for_each(8, |i| assert!(i != 5, "expected")));
                assert!(result.is_err());
                assert_eq!(map(8, |i| i), (0..8).collect::<Vec<_>>());
                assert_eq!(threads(), 2);
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_whose_block_it_was() {
        const ROUNDS: usize = 5000;
        let bad = || {
            // Without a message: the hook would print every one.
            let panics = || {
                for_each(4, |i| {
                    if i == 2 {
                        std::panic::resume_unwind(Box::new("expected"))
                    }
                })
            };
            with_threads(2, || (0..ROUNDS).filter(|_| std::panic::catch_unwind(panics).is_err()).count())
        };
        // Without a number of threads of its own: it takes the team the moment that it is free, and else works alone.
        let done = AtomicBool::new(false);
        let good = || {
            while !done.load(Ordering::Relaxed) {
                for_each(4, |i| assert!(i < 4));
            }
        };
        std::thread::scope(|scope| {
            let others = [scope.spawn(good), scope.spawn(good)];
            let found = bad();
            done.store(true, Ordering::Relaxed);
            assert_eq!(found, ROUNDS, "every panic comes back to its caller");
            others.into_iter().for_each(|other| other.join().expect("nobody else's panic comes here"));
        });
    }
}
