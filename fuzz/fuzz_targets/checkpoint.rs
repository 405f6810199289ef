//! Runs `etude_fuzz::nn::checkpoint` on what libFuzzer finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etude_fuzz::nn::checkpoint(bytes));
