//! First and second derivatives of every entry of the op table, by property.
//!
//! `cargo test -p etude-autograd gradients` runs these; `-- --ignored` adds 2,000 cases an operation.

use etude_autograd::table::entries;
use etude_autograd::testing::{self, FIRST, FUSED_EQUALS_COMPOSITE, SECOND, SINGLE_EQUALS_DOUBLE};

const CASES: u32 = 32;

#[test]
fn first_derivatives_equal_central_differences() {
    testing::run(&FIRST, &entries(), CASES);
}

#[test]
fn second_derivatives_equal_central_differences() {
    testing::run(&SECOND, &entries(), CASES);
}

#[test]
fn fused_rules_equal_composite_rules() {
    testing::run(&FUSED_EQUALS_COMPOSITE, &entries(), CASES);
}

#[test]
fn single_precision_equals_double_on_every_instruction_set() {
    testing::run(&SINGLE_EQUALS_DOUBLE, &entries(), CASES);
}

#[test]
#[ignore = "2,000 cases an operation: minutes"]
fn every_check_at_length() {
    for check in testing::ALL {
        testing::run(check, &entries(), 2000);
    }
}
