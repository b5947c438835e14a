//! No bytes are taken for a protected command or response of a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xuejika_apdu::sm::{CardSm, ReaderSm};
use xuejika_apdu::{Class, Command, Response};
use xuejika_keyscheme::auth::SessionKeys;
use xuejika_keyscheme::{Algorithm, Key};

fuzz_target!(|bytes: &[u8]| {
    let keys = SessionKeys {
        enc: Key::new(Algorithm::Aes128, [1; 16]),
        mac: Key::new(Algorithm::Aes128, [2; 16]),
    };
    if let Ok(command) = Command::parse(bytes) {
        assert!(CardSm::new(&keys).unwrap_command(&command, &mut Vec::new()).is_err());
    }
    let mut reader = ReaderSm::new(&keys);
    let read = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(16);
    let _ = reader.wrap_command(&read, &mut Vec::new());
    if let Some(response) = Response::parse(bytes) {
        assert!(reader.unwrap_response(&response, &mut Vec::new()).is_err());
    }
});
