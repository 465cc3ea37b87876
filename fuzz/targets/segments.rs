//! The target `segments` for libFuzzer; what it does is `estab_fuzz::segments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| estab_fuzz::segments::run(data));
