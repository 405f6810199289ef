//! Names of the parts of a program that runs: the path under which an anomaly is reported.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use etude_kernels::scoped;

use super::watched;

thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// Every path that was entered while somebody watched; 0 is the empty one.
struct Paths {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

static PATHS: Mutex<Option<Paths>> = Mutex::new(None);

fn with_paths<R>(f: impl FnOnce(&mut Paths) -> R) -> R {
    let mut paths = PATHS.lock().unwrap_or_else(PoisonError::into_inner);
    f(paths.get_or_insert_with(|| Paths { names: vec![String::new()], numbers: HashMap::new() }))
}

/// Runs `f` as the part `name` of what runs now: a NaN born in it is reported under that name, nested names joined by dots.
/// Nodes remember the path, so that the backward pass can name it too.
///
/// Costs next to nothing while nobody watches ([`detect_anomaly`](crate::detect_anomaly)); `name` is not even formatted.
pub fn scope<R>(name: impl fmt::Display, f: impl FnOnce() -> R) -> R {
    if watched() == 0 {
        return f();
    }
    within(enter(CURRENT.get(), &name.to_string()), f)
}

/// Runs `f` under the path with this number.
pub(crate) fn within<R>(number: u32, f: impl FnOnce() -> R) -> R {
    scoped::with(&CURRENT, number, f)
}

fn enter(parent: u32, name: &str) -> u32 {
    with_paths(|paths| {
        let parent = &paths.names[parent as usize];
        let path = if parent.is_empty() { name.to_string() } else { format!("{parent}.{name}") };
        if let Some(&number) = paths.numbers.get(&path) {
            return number;
        }
        let number = paths.names.len() as u32;
        paths.names.push(path.clone());
        paths.numbers.insert(path, number);
        number
    })
}

/// The number of the path that runs now; 0 while nobody watches.
#[inline]
pub(crate) fn current() -> u32 {
    CURRENT.get()
}

/// The path with this number.
pub(super) fn path(number: u32) -> String {
    with_paths(|paths| paths.names.get(number as usize).cloned().unwrap_or_default())
}
