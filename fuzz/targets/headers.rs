//! The target `headers` for libFuzzer; what it does is `estab_fuzz::headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| estab_fuzz::headers::run(data));
