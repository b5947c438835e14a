//! See `xuejika_fuzz::card_raw`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::card_raw(bytes));
