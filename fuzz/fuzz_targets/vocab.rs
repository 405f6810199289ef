//! Runs `etude_fuzz::data::vocab` on what libFuzzer finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etude_fuzz::data::vocab(bytes));
