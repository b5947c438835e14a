//! See `xuejika_fuzz::key_block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::key_block(bytes));
