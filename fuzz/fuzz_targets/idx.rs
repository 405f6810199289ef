//! Runs `etude_fuzz::data::idx` on what libFuzzer finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etude_fuzz::data::idx(bytes));
