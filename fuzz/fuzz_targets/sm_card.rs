//! See `xuejika_fuzz::sm_card`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::sm_card(bytes));
