//! See `xuejika_fuzz::case_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::case_file(bytes));
