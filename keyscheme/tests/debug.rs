//! What holds a secret says in `Debug` what it is, and nothing of the secret.

#![allow(clippy::unwrap_used, reason = "test code")]

use xuejika_keyscheme::algorithm::Aes128;
use xuejika_keyscheme::auth::{CardId, ReaderId, respond};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::iso9797::BlockMac;
use xuejika_keyscheme::key::{Card, Kek, Root};
use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial, ProtectionKey};
use xuejika_keyscheme::legacy::{DesMac, LoadKey, TacKey, TdesKey};
use xuejika_keyscheme::{Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone};

use cipher::KeyInit;

const SECRET: [u8; 16] = [0xA7; 16];

#[test]
fn keys_and_what_is_made_of_them() {
    let cipher = || Aes128::new(&SECRET.into());
    let cmac = Cmac::new(cipher());
    let load = TdesKey::<LoadKey>::import_reporting(SECRET).0;
    let tac = TdesKey::<TacKey>::import_reporting(SECRET).0.folded();
    let material = || KeyMaterial::new(KeyKind::Aes128, &SECRET).unwrap();
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    };
    let key = Key::<Card>::new(Algorithm::Aes128, SECRET);
    let (_, awaiting) = respond(&key, id, CardId([0; 8]), ReaderId([0; 8]), [0; 16], [1; 16]);
    for (printed, expected) in [
        (format!("{cmac:?}"), "Cmac(..)"),
        (format!("{:?}", cmac.start()), "cmac::Message(..)"),
        (format!("{:?}", BlockMac::cbc(cipher())), "BlockMac(..)"),
        (format!("{:?}", DesMac::cbc(&[0xA7; 8])), "DesMac(..)"),
        (format!("{awaiting:?}"), "AwaitingCard(..)"),
        (format!("{key:?}"), "Key(card key, aes)"),
        (format!("{:?}", Key::<Root>::new(Algorithm::Sm4, SECRET)), "Key(root key, sm4)"),
        (format!("{:?}", Key::<Kek>::new(Algorithm::Sm4, SECRET)), "Key(key-encryption key, sm4)"),
        (format!("{load:?}"), "TdesKey(load key)"),
        (format!("{:?}", load.session([0; 4], 1)), "DesKey(load key)"),
        (format!("{:?}", load.session([0; 4], 1).expand()), "ExpandedKey(load key)"),
        (format!("{tac:?}"), "DesKey(TAC key)"),
        (format!("{:?}", material()), "KeyMaterial(AES-128)"),
        (format!("{:?}", ProtectionKey::new(material())), "Ok(ProtectionKey(AES-128))"),
    ] {
        assert_eq!(printed, expected);
    }
}
