//! What each operation costs: how often it ran, how long, how many bytes it touched, how many operations a second.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::{PROFILE, with_flags};
use crate::dtype::Float;
use crate::node::{Node, Op};
use crate::tensor::Tensor;

/// What one operation cost, forward or backward.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProfileRow {
    /// The operation, by [`Op::name`]; a method that is made of others shows as those.
    pub op: &'static str,
    /// Whether it is the operation's derivative rule.
    pub backward: bool,
    /// How often it ran.
    pub count: u64,
    /// How long, all runs together.
    pub time: Duration,
    /// Bytes of inputs and results. Views move none.
    pub bytes: u64,
    /// Multiplications and additions, where the operation counts them, else 0. A rule is counted as one forward pass for
    /// each gradient of a factor that it gives.
    pub flops: u64,
}

impl ProfileRow {
    /// 10⁹ multiplications and additions a second; `None` where they are not counted.
    pub fn gflops(&self) -> Option<f64> {
        (self.flops > 0).then(|| self.flops as f64 / self.time.as_secs_f64() / 1e9)
    }

    /// 10⁹ bytes a second; `None` for views.
    pub fn gbytes(&self) -> Option<f64> {
        (self.bytes > 0 && !self.time.is_zero()).then(|| self.bytes as f64 / self.time.as_secs_f64() / 1e9)
    }
}

/// What every operation of a program cost. Prints as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    rows: Vec<ProfileRow>,
}

impl Profile {
    /// One row for each operation and direction, the longest first.
    pub fn rows(&self) -> &[ProfileRow] {
        &self.rows
    }

    /// The time of all operations.
    pub fn total(&self) -> Duration {
        self.rows.iter().map(|row| row.time).sum()
    }

    fn of(table: &Table) -> Self {
        let mut rows: Vec<ProfileRow> = table.values().copied().collect();
        rows.sort_by(|a, b| b.time.cmp(&a.time).then(a.op.cmp(b.op)).then(a.backward.cmp(&b.backward)));
        Profile { rows }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total().as_secs_f64();
        writeln!(
            f,
            "{:<42} {:>9} {:>11} {:>6} {:>10} {:>9} {:>8} {:>8}",
            "op", "count", "time ms", "%", "µs each", "MB", "GB/s", "GFLOP/s"
        )?;
        let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.1}"));
        for row in &self.rows {
            let time = row.time.as_secs_f64();
            writeln!(
                f,
                "{:<42} {:>9} {:>11.3} {:>6.1} {:>10.2} {:>9.1} {:>8} {:>8}",
                format!("{}{}", row.op, if row.backward { " (backward)" } else { "" }),
                row.count,
                1e3 * time,
                if total > 0.0 { 100.0 * time / total } else { 0.0 },
                1e6 * time / row.count as f64,
                row.bytes as f64 / 1e6,
                number(row.gbytes()),
                number(row.gflops()),
            )?;
        }
        write!(
            f,
            "{:<42} {:>9} {:>11.3}",
            "all operations",
            self.rows.iter().map(|r| r.count).sum::<u64>(),
            1e3 * total
        )
    }
}

/// By name and direction.
type Table = HashMap<(&'static str, bool), ProfileRow>;

thread_local! {
    /// When the operation that runs now took memory for its result.
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Of the innermost [`profile`] on this thread.
    static TABLE: RefCell<Option<Table>> = const { RefCell::new(None) };
}

/// Of the whole run, all threads, with `ETUDE_PROFILE=1`.
static RUN: Mutex<Option<Table>> = Mutex::new(None);

/// Runs `f` and measures every operation and every derivative rule on this thread.
///
/// An operation's time runs from when it takes memory for its result to when it has it, so that the program's own work
/// between operations counts nowhere. Kernels that use several threads count the time that the caller waits.
///
/// ```
/// use etude_autograd::{profile, Tensor};
///
/// let (x, w) = (Tensor::<f32>::ones([64, 128]), Tensor::<f32>::ones([32, 128]).requires_grad());
/// let (_, profile) = profile(|| x.linear(&w, None).sum().backward());
/// let linear = profile.rows().iter().find(|row| row.op == "linear" && !row.backward).expect("it ran");
/// assert_eq!((linear.count, linear.flops), (1, 2 * 64 * 128 * 32));
/// println!("{profile}");
/// ```
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Profile) {
    /// Adds what was measured to whoever measures around it, after a panic too.
    struct Outer(Option<Table>);
    impl Drop for Outer {
        fn drop(&mut self) {
            let inner = TABLE.replace(self.0.take()).unwrap_or_default();
            inner.into_values().for_each(add);
        }
    }
    let outer = Outer(TABLE.replace(Some(Table::default())));
    let result = with_flags(PROFILE, f);
    START.set(None);
    let profile = TABLE.with_borrow(|table| Profile::of(table.as_ref().expect("it was put there above")));
    drop(outer);
    (result, profile)
}

/// What the operations of all threads have cost since the program started, if it runs with `ETUDE_PROFILE=1`. Programs
/// print it at their end.
pub fn profile_of_run() -> Option<Profile> {
    whole_run().then(|| {
        let run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
        Profile::of(run.as_ref().unwrap_or(&Table::default()))
    })
}

/// Whether the environment asks for a profile of the whole run.
pub(super) fn whole_run() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| match std::env::var("ETUDE_PROFILE").as_deref() {
        Ok("1") => true,
        Ok("" | "0") | Err(_) => false,
        Ok(other) => panic!("ETUDE_PROFILE={other}: it takes 1 or 0"),
    })
}

fn add(row: ProfileRow) {
    let sum = |table: &mut Table| {
        let all = table.entry((row.op, row.backward)).or_insert(ProfileRow {
            count: 0,
            time: Duration::ZERO,
            bytes: 0,
            flops: 0,
            ..row
        });
        all.count += row.count;
        all.time += row.time;
        all.bytes += row.bytes;
        all.flops += row.flops;
    };
    let local = TABLE.with_borrow_mut(|table| table.as_mut().map(sum).is_some());
    if !local && whole_run() {
        sum(RUN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
    }
}

pub(super) fn begins() {
    if START.get().is_none() {
        START.set(Some(Instant::now()));
    }
}

/// Whether an operation has begun and is neither recorded nor computed yet.
pub(super) fn is_running() -> bool {
    START.get().is_some()
}

fn bytes_of<T: Float>(x: &Tensor<T>) -> u64 {
    (x.len() * size_of::<T>()) as u64
}

#[cold]
pub(super) fn forward<T: Float>(op: &dyn Op<T>, inputs: &[&Tensor<T>], value: &Tensor<T>) {
    // An operation that took no memory is a view.
    let time = START.take().map(|start| start.elapsed());
    let shapes: SmallVec<[&[usize]; 4]> = inputs.iter().map(|x| x.shape()).collect();
    add(ProfileRow {
        op: op.name(),
        backward: false,
        count: 1,
        time: time.unwrap_or_default(),
        bytes: time.map_or(0, |_| inputs.iter().map(|x| bytes_of(x)).sum::<u64>() + bytes_of(value)),
        flops: op.flops(&shapes, value.shape()),
    });
}

#[cold]
pub(super) fn computed(op: &'static str, bytes: usize) {
    let time = START.take().map_or(Duration::ZERO, |start| start.elapsed());
    add(ProfileRow { op, backward: false, count: 1, time, bytes: bytes as u64, flops: 0 });
}

#[cold]
pub(super) fn backward<T: Float>(
    node: &Node<T>,
    wanted: &[bool],
    g: &Tensor<T>,
    grads: &[Option<Tensor<T>>],
    time: Duration,
) {
    START.set(None);
    let Some(op) = &node.op else { return };
    let shapes: SmallVec<[&[usize]; 4]> = node.edges.iter().map(|edge| &edge.shape[..]).collect();
    let factors = wanted.iter().take(2).filter(|&&wanted| wanted).count() as u64;
    add(ProfileRow {
        op: op.name(),
        backward: true,
        count: 1,
        time,
        bytes: bytes_of(g) + grads.iter().flatten().map(bytes_of).sum::<u64>(),
        flops: factors * op.flops(&shapes, g.shape()),
    });
}

#[cold]
pub(super) fn sums(bytes: usize, time: Duration) {
    START.set(None);
    add(ProfileRow { op: "sum of gradients", backward: true, count: 1, time, bytes: bytes as u64, flops: 0 });
}
