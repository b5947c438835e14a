//! See `xuejika_fuzz::vpcd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::vpcd(bytes));
