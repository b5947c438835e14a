//! See `xuejika_fuzz::fci`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::fci(bytes));
