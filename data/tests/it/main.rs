//! What the crate promises to a user, held against independent facts and properties.

mod augmentation;
mod batches;
mod charts;
mod hostile;
mod pictures;
mod readers;
mod report;
mod sets;

use std::io::Write;

/// The bytes as one gzip member.
fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("a Vec takes every byte");
    encoder.finish().expect("a Vec takes every byte")
}

/// A quick tier: tables of 64 cases, no files of regressions.
fn cases(n: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases: n, failure_persistence: None, ..Default::default() }
}
