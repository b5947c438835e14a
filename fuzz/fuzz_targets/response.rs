//! See `xuejika_fuzz::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::response(bytes));
