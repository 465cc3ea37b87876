//! The target `script` for libFuzzer; what it does is `estab_fuzz::script`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| estab_fuzz::script::run(data));
