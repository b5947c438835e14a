//! Every key that the program uses in these tests, computed from the published roots, and the
//! session keys of the handshakes in its output.

use serde_json::Value;
use xuejika_apdu::fci::Fci;
use xuejika_card_model::management::{self, SamSerial};
use xuejika_card_model::psam::PsamKey;
use xuejika_keyscheme::auth::{CardChallenge, CardId, LABEL, Request};
use xuejika_keyscheme::key::{Kek, Key};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, kdf, test_keys};

use super::search::Secrets;

/// Serials of the student cards; the first is the one of the cards made here.
pub(crate) const SERIALS: [[u8; 8]; 2] =
    [[0x11, 0, 0x26, 1, 0, 0, 0, 0x14], [0x11, 0, 0x07, 1, 0, 0, 0, 0x17]];

/// The sample pupil's school.
pub(crate) const UNIT: &str = "084012";

/// The roots of all zones, numbers, algorithms and two versions, and what is derived from them.
pub(crate) fn known_keys() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("master of the test roots", &test_keys::MASTER);
    for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
        for (zone, number) in names() {
            for version in [1, 2].map(|number| KeyVersion::new(number).unwrap()) {
                add_branch(&mut secrets, &KeyId { zone, number, version, algorithm });
            }
        }
        add_unlock(&mut secrets, algorithm);
    }
    for key in PsamKey::test() {
        let [_, _, root @ .., _, _] = *key.emit();
        secrets.add(&format!("root {key:?}"), &root);
    }
    secrets
}

/// The names of keys that a card of either kind may hold.
fn names() -> impl Iterator<Item = (Zone, KeyNumber)> {
    let education = KeyNumber::EDUCATION.map(|number| (Zone::EDUCATION, number));
    let sectors = (1..=8).filter_map(Zone::extension).flat_map(|zone| {
        [KeyNumber::EXTENSION, KeyNumber::APPLICATION].map(|number| (zone, number))
    });
    education.into_iter().chain(sectors).chain([(Zone::MANAGEMENT, KeyNumber::MANAGEMENT)])
}

fn add_branch(secrets: &mut Secrets, id: &KeyId) {
    let root = test_keys::root(id);
    let district = root.district(id, [0x01, 0x08]);
    let school = district.school(id, [0x08, 0x40, 0x12]);
    secrets.add(&format!("root {id}"), root.expose());
    secrets.add(&format!("district key {id}"), district.expose());
    secrets.add(&format!("school key {id}"), school.expose());
    let (management, _) = test_management("084012");
    for serial in SERIALS.map(CardId).into_iter().chain([management]) {
        for key in [root.card(id, serial), district.card(id, serial), school.card(id, serial)] {
            secrets.add(&format!("card key {id}"), key.expose());
        }
    }
}

fn test_management(unit: &str) -> (CardId, management::Authorisation) {
    management::test_card(unit.parse().unwrap(), "2027-08-31".parse().unwrap())
}

/// What a SAM and a management card share, and what opens the SAM's key file.
fn add_unlock(secrets: &mut Secrets, algorithm: Algorithm) {
    let sam = test_keys::sam(algorithm);
    secrets.add("secret of the SAM", sam.expose());
    for unit in ["084012", "084013"] {
        let (management, authorisation) = test_management(unit);
        secrets.add("unlock secret", &authorisation.secret);
        for number in ["000001", "000042"] {
            let serial = SamSerial { unit: unit.parse().unwrap(), number: number.parse().unwrap() };
            let kek: Key<Kek> = authorisation.unlock(&sam, serial.reader(), management);
            secrets.add("key-encryption key", kek.expose());
            for constant in [0x11, 0x12] {
                let mut key = [0; 16];
                kdf::scp03(&kek.mac(), &LABEL, constant, &[], &mut key);
                secrets.add("envelope key", &key);
            }
        }
    }
}

/// The keys of every session whose handshake is in the output of `-v`.
pub(crate) fn session_keys(said: &str) -> Vec<(String, [u8; 16])> {
    let mut keys = Vec::new();
    let (mut zone, mut serial, mut id, mut challenge) = (Zone(0), CardId([0; 8]), None, [0; 16]);
    for (command, response) in exchanges(said) {
        match (&command[..], &response[..]) {
            ([0x00, 0xA4, 0x04, 0x00, 7, name @ ..], fci) => {
                zone = if name[4] == b'M' { Zone::MANAGEMENT } else { Zone::EDUCATION };
                if let Some(security) = Fci::parse(fci).ok().and_then(|fci| fci.security) {
                    serial = CardId(security.serial);
                }
            }
            ([0x00, 0x22, _, _, _, _, _, algorithm, _, _, number, version], []) => {
                id = Some(KeyId {
                    zone,
                    number: KeyNumber(*number),
                    version: KeyVersion::new(*version).unwrap(),
                    algorithm: Algorithm::from_code(*algorithm).unwrap(),
                });
            }
            ([0x00, 0x84, ..], nonce) if nonce.len() == 16 => challenge.copy_from_slice(nonce),
            ([0x00, 0x82, 0, 0, 40, proof @ ..], token) if token.len() == 16 => {
                let id = id.unwrap();
                let key = test_keys::root(&id).card(&id, serial);
                let request = Request::parse(&proof[..40]).unwrap();
                let (expected, session) =
                    CardChallenge::new(id, serial, challenge).verify(&key, &request).unwrap();
                assert_eq!(expected, token);
                keys.push((format!("KSenc under {id}"), *session.keys.enc.expose()));
                keys.push((format!("KSmac under {id}"), *session.keys.mac.expose()));
            }
            _ => {}
        }
    }
    keys
}

/// Commands and response data in JSON or in lines that begin with `>` and `<`.
fn exchanges(said: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |text: &str| hex::decode(text).unwrap_or_default();
    let mut exchanges = Vec::new();
    for line in said.lines().map(str::trim) {
        if let Some(command) = line.strip_prefix("> ") {
            exchanges.push((bytes(command), Vec::new()));
        } else if let Some(response) = line.strip_prefix("< ") {
            let words: Vec<&str> = response.split(' ').collect();
            if let (Some(last), [data, _, ":", ..]) = (exchanges.last_mut(), &words[..]) {
                last.1 = bytes(data);
            }
        } else if let Ok(Value::Object(object)) = serde_json::from_str(line) {
            for exchange in object.get("apdus").and_then(Value::as_array).into_iter().flatten() {
                let field = |name: &str| bytes(exchange[name].as_str().unwrap());
                exchanges.push((field("command"), field("response")));
            }
        }
    }
    exchanges
}
