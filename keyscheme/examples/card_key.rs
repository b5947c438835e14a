//! Derives the card keys of one card from the published test roots and prints their check values,
//! as an acceptance desk compares them with a vendor's list.

use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

fn main() {
    println!("{}", test_keys::WARNING);
    let card = CardId([0x11, 0x00, 0x07, 0x01, 0x00, 0x00, 0x00, 0x17]);
    for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
        for number in KeyNumber::EDUCATION {
            let (zone, version) = (Zone::EDUCATION, KeyVersion::FIRST);
            let id = KeyId { zone, number, version, algorithm };
            println!("{id}  {}", test_keys::root(&id).card(&id, card).kcv());
        }
    }
}
