//! See `xuejika_fuzz::file_tree`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xuejika_fuzz::file_tree(bytes));
