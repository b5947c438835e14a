//! See `xuejika_fuzz::command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::command(bytes));
