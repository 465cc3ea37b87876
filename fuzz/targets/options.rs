//! The target `options` for libFuzzer; what it does is `estab_fuzz::options`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| estab_fuzz::options::run(data));
