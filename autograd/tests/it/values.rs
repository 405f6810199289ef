//! Values of every entry of the op table, by property.

use etude_autograd::table::entries;
use etude_autograd::testing::{self, EMPTY, LAYOUTS, NAN, REFERENCE, THREADS};

const CASES: u32 = 32;

#[test]
fn values_equal_their_definitions_on_every_instruction_set() {
    testing::run(&REFERENCE, &entries(), CASES);
}

#[test]
fn strided_inputs_give_the_same() {
    testing::run(&LAYOUTS, &entries(), CASES);
}

#[test]
fn empty_inputs_work() {
    testing::run(&EMPTY, &entries(), CASES);
}

#[test]
fn nan_is_not_lost() {
    testing::run(&NAN, &entries(), CASES);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    testing::run(&THREADS, &entries(), CASES);
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<&str> = entries().iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|w| w[0] != w[1]), "{names:?}");
}
