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
#[ignore = "2,000 cases an operation: most of an hour; with ETUDE_TEST_PART=K/N every Nth operation from the Kth on"]
fn every_check_at_length() {
    let part = std::env::var("ETUDE_TEST_PART").unwrap_or_else(|_| "1/1".into());
    let numbers = part.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let Some((first @ 1.., every)) = numbers.filter(|(k, n): &(usize, usize)| k <= n) else {
        panic!("ETUDE_TEST_PART is {part:?}, expected K/N with 1 ≤ K ≤ N")
    };
    let entries: Vec<_> = entries().into_iter().skip(first - 1).step_by(every).collect();
    for check in testing::ALL {
        testing::run(check, &entries, 2000);
    }
    println!("{} operations, {} checks", entries.len(), testing::ALL.len());
}
