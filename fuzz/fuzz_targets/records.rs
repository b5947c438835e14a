//! Records, images and whole memories of any bytes: refused, or written back as they came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xuejika_card_model::record::{Enrolment, Identity, Issuance, StatusPair};
use xuejika_card_model::{Card, image, nvm::RamNvm};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(memory) = image::parse(bytes) {
        assert_eq!(image::emit(memory).as_deref(), Ok(bytes));
    }
    let _ = Card::open(RamNvm::new(bytes.to_vec()));
    let _ = StatusPair::parse(bytes);
    macro_rules! round_trip {
        ($($record:ty),*) => {$(
            if let Ok(record) = <$record>::parse(bytes) {
                assert_eq!(record.emit(), bytes);
            }
        )*};
    }
    round_trip!(Issuance, Identity, Enrolment);
});
