//! The team: worker threads that take blocks of one job beside the thread that brings it.
//!
//! Why not a general pool: between the kernels of a training step lie microseconds, and waking a sleeping thread costs
//! 40–120 µs. A worker of the team stays awake for [`SPIN`] after a job, then sleeps; and the caller never waits for a
//! worker that has not come, because it takes blocks itself until none is left.
//!
//! Invariant: a worker reads [`Team::job`] only between a `fetch_add` on [`Team::state`] that found [`OPEN`] set and its
//! `fetch_sub`; the caller writes it only while it owns the team and the state was closed and empty. So what a job
//! borrows from the caller's stack outlives every reader.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::cores::Cores;

/// How long a worker looks for the next job before it sleeps: longer than the pauses inside a training step, short enough
/// not to burn a core while a program loads data.
const SPIN: Duration = Duration::from_micros(100);

/// The job may be joined; the lower bits of the state count the workers inside.
const OPEN: u32 = 1 << 31;

/// What every worker runs: all blocks that it can get.
type Job<'a> = dyn Fn(usize) + Sync + 'a;

/// A worker, seen by the callers.
struct Worker {
    thread: Thread,
    bed: Arc<Bed>,
}

/// Whether a worker sleeps, and where it may be woken.
#[derive(Default)]
struct Bed {
    sleeping: AtomicBool,
    /// Set by the worker before it first sleeps.
    cores: OnceLock<Cores>,
}

struct Team {
    /// [`OPEN`], and how many workers are inside.
    state: AtomicU32,
    /// Number of the newest job.
    epoch: AtomicU32,
    /// How many workers the newest job asks for.
    wanted: AtomicUsize,
    /// The next block of the job.
    next: AtomicUsize,
    job: UnsafeCell<Option<(&'static Job<'static>, usize)>>,
    /// The first panic of the job, taken by its caller before it gives the team back.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Locked by the caller while its job runs.
    workers: Mutex<Vec<Worker>>,
}

// SAFETY: all fields but `job` are Sync by themselves; `job` is written by the owner of the lock alone, while no worker
// is inside, and read by workers inside (the invariant above), with the state's release and acquire between them.
unsafe impl Sync for Team {}

static TEAM: Team = Team {
    state: AtomicU32::new(0),
    epoch: AtomicU32::new(0),
    wanted: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    job: UnsafeCell::new(None),
    panic: Mutex::new(None),
    workers: Mutex::new(Vec::new()),
};

/// Whether a caller waits for a team that is at work for another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenBusy {
    /// It runs its blocks alone.
    Alone,
    /// It waits.
    Wait,
}

/// Calls `f(block)` for every block in `0..blocks`, on this thread and at most `threads − 1` workers.
pub(super) fn run(threads: usize, blocks: usize, when_busy: WhenBusy, f: &Job<'_>) {
    let workers = match (TEAM.workers.try_lock(), when_busy) {
        (Ok(workers), _) => workers,
        (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
        (Err(TryLockError::WouldBlock), WhenBusy::Wait) => {
            TEAM.workers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
        (Err(TryLockError::WouldBlock), WhenBusy::Alone) => return (0..blocks).for_each(f),
    };
    TEAM.lead(workers, threads - 1, blocks, f);
}

impl Team {
    /// The caller's part.
    fn lead(&self, mut workers: MutexGuard<'_, Vec<Worker>>, wanted: usize, blocks: usize, f: &Job<'_>) {
        while workers.len() < wanted {
            let index = workers.len();
            workers.push(start(index));
        }
        // SAFETY: the lifetime is erased for the static; readers are gone before this function returns or unwinds: from
        // the opening of the state to the closing and the wait below, nothing can panic (`take` catches).
        let f = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(f) };
        // SAFETY: this thread holds the lock and the state is closed and empty since the last `lead` (the invariant).
        unsafe { *self.job.get() = Some((f, blocks)) };
        self.next.store(0, Ordering::Relaxed);
        self.wanted.store(wanted, Ordering::Relaxed);
        self.state.fetch_or(OPEN, Ordering::Release);
        // SeqCst against the worker that marks itself as sleeping and then looks at the epoch: one of both sees the other.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        for worker in &workers[..wanted] {
            if worker.bed.sleeping.load(Ordering::SeqCst) {
                let cores = worker.bed.cores.get();
                cores.inspect(|cores| cores.avoid_current());
                worker.thread.unpark();
                // It may have seen the job by itself, before this core was forbidden: it has lifted the ban too early then.
                if !worker.bed.sleeping.load(Ordering::SeqCst) {
                    cores.inspect(|cores| cores.allow_all());
                }
            }
        }
        self.take(f, blocks);
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while self.state.load(Ordering::Acquire) != 0 {
            // A worker inside may have lost its core to another program: give it this one.
            if spins > 1 << 12 {
                std::thread::yield_now();
            } else {
                spins += 1;
                spin_loop();
            }
        }
        // While the team is still this caller's: the next one must not find this job's panic.
        let panic = self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        drop(workers);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Runs blocks until none is left. A panic is kept for the caller, and the other blocks still run.
    fn take(&self, f: &Job, blocks: usize) {
        let work = || {
            loop {
                let block = self.next.fetch_add(1, Ordering::Relaxed);
                if block >= blocks {
                    break;
                }
                f(block);
            }
        };
        while let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(panic);
        }
    }

    /// A worker's life.
    fn serve(&self, index: usize, bed: &Bed) {
        let mut seen = 0;
        loop {
            seen = self.wait(index, seen, bed);
            if index >= self.wanted.load(Ordering::Relaxed) {
                continue;
            }
            if self.state.fetch_add(1, Ordering::Acquire) & OPEN != 0 {
                // SAFETY: this worker is counted in a state that was open (the invariant).
                if let Some((f, blocks)) = unsafe { *self.job.get() } {
                    self.take(f, blocks);
                }
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// Returns the number of a job newer than `seen`: awake for [`SPIN`], asleep from then on.
    fn wait(&self, index: usize, seen: u32, bed: &Bed) -> u32 {
        let start = Instant::now();
        while index < self.wanted.load(Ordering::Relaxed) && start.elapsed() < SPIN {
            for _ in 0..64 {
                let epoch = self.epoch.load(Ordering::Acquire);
                if epoch != seen {
                    return epoch;
                }
                spin_loop();
            }
        }
        let cores = bed.cores.get_or_init(Cores::own);
        bed.sleeping.store(true, Ordering::SeqCst);
        let mut epoch = self.epoch.load(Ordering::SeqCst);
        while epoch == seen {
            std::thread::park();
            epoch = self.epoch.load(Ordering::SeqCst);
        }
        bed.sleeping.store(false, Ordering::SeqCst);
        cores.allow_all();
        epoch
    }
}

fn start(index: usize) -> Worker {
    let bed = Arc::new(Bed::default());
    let own = bed.clone();
    let serve = move || {
        super::INSIDE.set(true);
        TEAM.serve(index, &own);
    };
    let handle = std::thread::Builder::new().name(format!("etude-{}", index + 1)).spawn(serve);
    let handle = handle.expect("the system refused to start a worker thread");
    Worker { thread: handle.thread().clone(), bed }
}
