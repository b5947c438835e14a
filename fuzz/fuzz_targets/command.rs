//! A command that parses is written back as it came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xuejika_apdu::Command;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = Command::parse(bytes) {
        assert_eq!(command.to_vec().as_deref(), Ok(bytes));
        let _ = command.class.fields();
    }
});
