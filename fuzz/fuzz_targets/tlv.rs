//! See `xuejika_fuzz::tlv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::tlv(bytes));
