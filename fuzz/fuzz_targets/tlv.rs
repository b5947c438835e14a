//! Data objects and FCIs that parse are written back as they came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xuejika_apdu::fci::Fci;
use xuejika_apdu::tlv::{TlvReader, Writer};

fuzz_target!(|bytes: &[u8]| {
    let (mut reader, mut out) = (TlvReader::new(bytes), Vec::new());
    while let Ok(Some(object)) = reader.read() {
        Writer::new(&mut out).object(object.tag, object.value);
    }
    out.extend_from_slice(reader.rest());
    assert_eq!(out, bytes);
    if let Ok(fci) = Fci::parse(bytes) {
        out.clear();
        fci.emit(&mut out);
        assert_eq!(out, bytes);
    }
});
