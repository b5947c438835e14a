//! See `xuejika_fuzz::atr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::atr(bytes));
