//! What a token answers, before it is believed: published results of AES-CMAC, and for each root that
//! its answer depends on the message.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::key::{Key, Root};
use zeroize::{Zeroize, Zeroizing};

use super::TokenError;
use super::root::key_template;

/// Length of a key and of a CMAC, in bytes.
pub(super) const KEY_LEN: usize = 16;

/// A CMAC, which may be a key.
pub(super) type Tag = Zeroizing<[u8; KEY_LEN]>;

/// Key of the examples of RFC 4493 §4.
const EXAMPLE_KEY: [u8; KEY_LEN] =
    *b"\x2B\x7E\x15\x16\x28\xAE\xD2\xA6\xAB\xF7\x15\x88\x09\xCF\x4F\x3C";

/// Message of the examples, of which each takes the beginning.
const EXAMPLE: [u8; 40] = *b"\x6B\xC1\xBE\xE2\x2E\x40\x9F\x96\xE9\x3D\x7E\x11\x73\x93\x17\x2A\
    \xAE\x2D\x8A\x57\x1E\x03\xAC\x9C\x9E\xB7\x6F\xAC\x45\xAF\x8E\x51\
    \x30\xC8\x1C\x46\xA3\x5C\xE4\x11";

/// Examples 2 and 3: length of the message and its CMAC.
const ANSWERS: [(usize, [u8; KEY_LEN]); 2] = [
    (16, *b"\x07\x0A\x16\xB4\x6B\x4D\x41\x44\xF7\x9B\xDD\x9D\xD0\x4A\x28\x7C"),
    (40, *b"\xDF\xA6\x67\x47\xDE\x9A\xE6\x30\x30\xCA\x32\x61\x14\x97\xC8\x27"),
];

/// The messages that a root is asked about; the first is the one of check values.
const QUESTIONS: [[u8; KEY_LEN]; 2] = [[0; KEY_LEN], *b"XUEJIKA QUESTION"];

/// Computes a CMAC in the token.
pub(super) fn cmac(
    session: &Session,
    key: ObjectHandle,
    message: &[u8],
) -> Result<Tag, TokenError> {
    let tag = session.sign(&Mechanism::AesCMac, key, message);
    let tag = Zeroizing::new(tag.map_err(TokenError::of("C_Sign"))?);
    let tag = tag.as_slice().try_into().map_err(|_| TokenError::TagLength(tag.len()))?;
    Ok(Zeroizing::new(tag))
}

/// Puts a key into the token for as long as the session lasts.
pub(super) fn session_key(
    session: &Session,
    bytes: &[u8; KEY_LEN],
) -> Result<ObjectHandle, TokenError> {
    let mut template = key_template(false);
    template.push(Attribute::Value(bytes.to_vec()));
    let made = session.create_object(&template);
    wipe(&mut template);
    made.map_err(TokenError::of("C_CreateObject"))
}

/// Overwrites the key in a template.
pub(super) fn wipe(template: &mut [Attribute]) {
    for attribute in template {
        if let Attribute::Value(bytes) = attribute {
            bytes.zeroize();
        }
    }
}

/// Asks the token for answers that are known.
pub(super) fn check_token(session: &Session) -> Result<(), TokenError> {
    let key = session_key(session, &EXAMPLE_KEY)?;
    let checked = check_examples(|message| cmac(session, key, message));
    // It ends with the session anyway, so a refusal is of no consequence.
    let _ = session.destroy_object(key);
    checked
}

/// Asks a root of this label whether it is one: its answers depend on the message, and are not those
/// of a key of one constant byte.
pub(super) fn check_root(
    label: &str,
    sign: impl Fn(&[u8]) -> Result<Tag, TokenError>,
) -> Result<(), TokenError> {
    let [first, second] = QUESTIONS;
    let answer = sign(&first)?;
    if is_same(&answer, &*sign(&second)?) {
        return Err(TokenError::OneAnswer(label.into()));
    }
    let constant = |byte| Key::<Root>::new(Algorithm::Aes128, [byte; KEY_LEN]).mac().tag(&first);
    if (0..=0xFF).any(|byte| is_same(&answer, &constant(byte).into())) {
        return Err(TokenError::Weak(label.into()));
    }
    Ok(())
}

/// Whether the token has put in the root that it was given.
pub(super) fn check_import(
    label: &str,
    root: &Key<Root>,
    sign: impl Fn(&[u8]) -> Result<Tag, TokenError>,
) -> Result<(), TokenError> {
    for question in QUESTIONS {
        if !is_same(&*sign(&question)?, &root.mac().tag(&question).into()) {
            return Err(TokenError::OtherRoot(label.into()));
        }
    }
    Ok(())
}

fn check_examples(sign: impl Fn(&[u8]) -> Result<Tag, TokenError>) -> Result<(), TokenError> {
    for (length, expected) in ANSWERS {
        let answer = sign(EXAMPLE.get(..length).unwrap_or_default())?;
        if *answer != expected {
            return Err(TokenError::WrongAnswer);
        }
    }
    Ok(())
}

/// Compares in constant time, as keys are.
fn is_same(one: &[u8; KEY_LEN], other: &[u8; KEY_LEN]) -> bool {
    let [one, other] = [one, other].map(|tag| Key::<Root>::new(Algorithm::Aes128, *tag));
    one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token that has this key.
    fn good(bytes: [u8; KEY_LEN]) -> impl Fn(&[u8]) -> Result<Tag, TokenError> {
        let key = Key::<Root>::new(Algorithm::Aes128, bytes);
        move |message| Ok(Zeroizing::new(key.mac().tag(message).into()))
    }

    const ROOT: [u8; KEY_LEN] = *b"a root of a city";

    type Signer = fn(&[u8]) -> Result<Tag, TokenError>;

    /// Tokens that compute something else.
    fn bad() -> [(&'static str, Signer); 3] {
        [
            ("zero", |_| Ok(Zeroizing::new([0; KEY_LEN]))),
            ("constant", |_| Ok(Zeroizing::new(ROOT))),
            ("length", |message| {
                Ok(Zeroizing::new([u8::try_from(message.len()).unwrap(); KEY_LEN]))
            }),
        ]
    }

    #[test]
    fn the_published_answers_are_asked_for() {
        assert_eq!(check_examples(good(EXAMPLE_KEY)), Ok(()));
        assert_eq!(check_examples(good(ROOT)), Err(TokenError::WrongAnswer));
        for (name, token) in bad() {
            assert_eq!(check_examples(token), Err(TokenError::WrongAnswer), "{name}");
        }
        // Right for one block, wrong for more.
        let one_block = |message: &[u8]| good(EXAMPLE_KEY)(message.get(..16).unwrap_or_default());
        assert_eq!(check_examples(one_block), Err(TokenError::WrongAnswer));
    }

    #[test]
    fn a_root_has_to_answer_as_a_root() {
        assert_eq!(check_root("x", good(ROOT)), Ok(()));
        for (name, token) in bad() {
            assert_eq!(check_root("x", token), Err(TokenError::OneAnswer("x".into())), "{name}");
        }
        for byte in [0, 7, 0xFF] {
            let weak = check_root("x", good([byte; KEY_LEN]));
            assert_eq!(weak, Err(TokenError::Weak("x".into())), "{byte}");
        }
    }

    #[test]
    fn an_import_has_to_answer_as_the_root_does() {
        let root = Key::new(Algorithm::Aes128, ROOT);
        assert_eq!(check_import("x", &root, good(ROOT)), Ok(()));
        let other = check_import("x", &root, good(EXAMPLE_KEY));
        assert_eq!(other, Err(TokenError::OtherRoot("x".into())));
        for (name, token) in bad() {
            assert!(check_import("x", &root, token).is_err(), "{name}");
        }
    }
}
