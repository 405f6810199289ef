//! Runs `etude_fuzz::nn::safetensors` on what libFuzzer finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etude_fuzz::nn::safetensors(bytes));
