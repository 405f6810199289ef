//! Values of every entry of the op table, by property.

use std::collections::HashSet;

use etude_autograd::table::entries;
use etude_autograd::testing::{self, EMPTY, LAYOUTS, NAN, ONES, REFERENCE, THREADS};

use super::sources::functions;

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
fn axes_of_length_1_and_no_axes_work() {
    testing::run(&ONES, &entries(), CASES / 2);
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

/// Public functions without an entry of their own, and why.
const WITHOUT_ENTRY: &[(&str, &str)] = &[
    ("new", "arguments of a convolution"),
    ("causal", "a mask"),
    ("padding", "a mask"),
    ("pairs", "a mask"),
    ("bias", "a mask"),
    ("max_pool1d_with_indices", "max_pool1d, and the places that `ties` compares with its values"),
    ("max_pool2d_with_indices", "max_pool2d, and the places that `ties` compares with its values"),
    ("max_pool3d_with_indices", "max_pool3d, and the places that `ties` compares with its values"),
    ("pad_mode", "what the entries pad1d_reflect, pad1d_replicate, … do to one axis"),
    ("pad1d_mode", "the entries pad1d_reflect, pad1d_replicate, …"),
    ("pad2d_mode", "the entries pad2d_reflect, pad2d_replicate, …"),
    ("pad3d_mode", "the entries pad3d_reflect, pad3d_replicate, …"),
    ("pack", "makes weights for inference: no tensor comes out"),
    ("linear_packed", "inference in f32 alone: checked against linear in the kernels and in nn"),
    ("embedding_packed", "inference in f32 alone: checked against embedding in nn"),
    ("power_iteration", "finds two vectors, without gradient: `edges` states what it converges to"),
];

#[test]
fn every_operation_stands_in_the_table() {
    let names: HashSet<&str> = entries().iter().map(|entry| entry.name).collect();
    let functions: HashSet<String> = functions().into_iter().map(|f| f.name).collect();
    let is_excused = |name: &str| WITHOUT_ENTRY.iter().any(|(excused, _)| *excused == name);
    let missing: Vec<&String> = functions.iter().filter(|f| !names.contains(f.as_str()) && !is_excused(f)).collect();
    assert!(missing.is_empty(), "without an entry: {missing:?}");
    for (name, _) in WITHOUT_ENTRY {
        assert!(functions.contains(*name) && !names.contains(name), "{name} needs no excuse");
    }
    // Operators and comparisons are stamped by macros.
    for name in ["add", "sub", "mul", "div", "neg", "lt", "le", "gt", "ge", "eq", "ne"] {
        assert!(names.contains(name), "without an entry: {name}");
    }
}
