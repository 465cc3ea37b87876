//! The target `capture` for libFuzzer; what it does is `estab_fuzz::capture`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| estab_fuzz::capture::run(data));
