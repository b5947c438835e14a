//! See `xuejika_fuzz::batch_row`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::batch_row(bytes));
