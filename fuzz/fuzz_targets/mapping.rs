//! See `xuejika_fuzz::mapping`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::mapping(bytes));
