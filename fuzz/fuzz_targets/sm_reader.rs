//! See `xuejika_fuzz::sm_reader`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::sm_reader(bytes));
