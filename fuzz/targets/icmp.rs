//! The target `icmp` for libFuzzer; what it does is `estab_fuzz::icmp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| estab_fuzz::icmp::run(data));
