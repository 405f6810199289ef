//! Watching a program run: where a NaN was born, and what each operation costs.
//!
//! The engine calls in here at four places: when an operation takes memory for its result, when it is recorded, when its
//! derivative rule runs, and when gradients are added. Nothing is watched as a rule, and each place then costs one look at
//! a thread-local byte.

mod anomaly;
mod profile;
mod scope;

use std::cell::Cell;

use etude_kernels::scoped;

use crate::dtype::Float;
use crate::node::{LeafId, Node, Op};
use crate::tensor::Tensor;

pub use anomaly::{Anomaly, Stage, Watch, detect_anomaly};
pub use profile::{Profile, ProfileRow, profile, profile_of_run};
pub use scope::scope;

pub(crate) use scope::{current as current_scope, within as in_scope};

/// Somebody looks for NaN.
const ANOMALY: u8 = 1;
/// Somebody measures.
const PROFILE: u8 = 2;
/// A derivative rule runs: what it computes belongs to it.
const RULE: u8 = 4;
/// The environment has not been asked yet.
const UNKNOWN: u8 = 128;

thread_local! {
    static WATCHED: Cell<u8> = const { Cell::new(UNKNOWN) };
}

/// What is watched on this thread.
#[inline]
fn watched() -> u8 {
    let flags = WATCHED.get();
    if flags & UNKNOWN == 0 { flags } else { first_look() }
}

#[cold]
fn first_look() -> u8 {
    let flags = if profile::whole_run() { PROFILE } else { 0 };
    WATCHED.set(flags);
    flags
}

/// Runs `f` with some flags set as well; a panic restores them too.
fn with_flags<R>(flags: u8, f: impl FnOnce() -> R) -> R {
    scoped::with(&WATCHED, watched() | flags, f)
}

/// An operation begins: it takes memory for its result.
#[inline]
pub(crate) fn begins() {
    if watched() & (PROFILE | RULE) == PROFILE {
        profile::begins();
    }
}

/// An operation has its result.
#[inline]
pub(crate) fn recorded<T: Float>(op: &dyn Op<T>, inputs: &[&Tensor<T>], value: &Tensor<T>) {
    let flags = watched();
    if flags != 0 && flags & RULE == 0 {
        watch_value(flags, op, inputs, value);
    }
}

#[cold]
fn watch_value<T: Float>(flags: u8, op: &dyn Op<T>, inputs: &[&Tensor<T>], value: &Tensor<T>) {
    if flags & PROFILE != 0 {
        profile::forward(op, inputs, value);
    }
    if flags & ANOMALY != 0 {
        anomaly::forward(op, inputs, value);
    }
}

/// An operation has a result that is no float, and that nobody records: indices, masks.
#[inline]
pub(crate) fn computed(name: &'static str, bytes: usize) {
    if watched() & (PROFILE | RULE) == PROFILE {
        profile::computed(name, bytes);
    }
}

/// The same for an operation that is recorded for floats alone: what began and was not recorded.
#[inline]
pub(crate) fn computed_unless_recorded(name: &'static str, bytes: usize) {
    if watched() & (PROFILE | RULE) == PROFILE && profile::is_running() {
        profile::computed(name, bytes);
    }
}

/// Runs the derivative rule of `node` for the gradient `g` of its output.
#[inline]
pub(crate) fn rule<T: Float>(
    node: &Node<T>,
    wanted: &[bool],
    g: &Tensor<T>,
    f: impl FnOnce() -> Vec<Option<Tensor<T>>>,
) -> Vec<Option<Tensor<T>>> {
    let flags = watched();
    if flags == 0 || flags & RULE != 0 {
        return f();
    }
    watch_rule(flags, node, wanted, g, f)
}

#[cold]
fn watch_rule<T: Float>(
    flags: u8,
    node: &Node<T>,
    wanted: &[bool],
    g: &Tensor<T>,
    f: impl FnOnce() -> Vec<Option<Tensor<T>>>,
) -> Vec<Option<Tensor<T>>> {
    let start = std::time::Instant::now();
    let grads = with_flags(RULE, f);
    if flags & PROFILE != 0 {
        profile::backward(node, wanted, g, &grads, start.elapsed());
    }
    if flags & ANOMALY != 0 {
        anomaly::backward(node, g, &grads);
    }
    grads
}

/// The gradients of a leaf are added up.
#[inline]
pub(crate) fn leaf<T: Float>(id: LeafId, g: &Tensor<T>) {
    if watched() & (ANOMALY | RULE) == ANOMALY {
        anomaly::leaf(id, g);
    }
}

/// Adds two gradients of one value of `len` elements.
#[inline]
pub(crate) fn sums<T: Float>(len: usize, f: impl FnOnce()) {
    let flags = watched();
    if flags == 0 || flags & RULE != 0 {
        return f();
    }
    let start = std::time::Instant::now();
    let bytes = 3 * len * size_of::<T>();
    with_flags(RULE, f);
    if flags & PROFILE != 0 {
        profile::sums(bytes, start.elapsed());
    }
}
