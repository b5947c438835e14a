//! See `xuejika_fuzz::list`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::list(bytes));
