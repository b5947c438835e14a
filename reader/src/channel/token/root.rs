//! The roots that a token holds: found, checked, listed and removed.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
use xuejika_keyscheme::{Algorithm, KeyId};

use super::answer::{KEY_LEN, check_root, cmac};
use super::create::UNFINISHED;
use super::{TokenError, TokenUri, label};

/// A root in the token, or why it is not used.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) object: Result<ObjectHandle, TokenError>,
    pub(super) misuse: Misuse,
}

/// What a root in a token may do beside its duty, by the names of the attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misuse(Vec<&'static str>);

impl Misuse {
    /// Whether there is nothing to say.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is set, expected CKA_SIGN alone", self.0.join(", "))
    }
}

/// A key object that is a root or was to become one.
#[derive(Clone, Debug)]
pub struct TokenObject {
    /// The root it is.
    pub id: KeyId,
    /// Whether its making came to an end.
    pub finished: bool,
    /// Its check value, if it can compute one.
    pub kcv: Option<Kcv>,
    /// Why it is not used, if it is not.
    pub fault: Option<TokenError>,
    /// What else it may do.
    pub misuse: Misuse,
    pub(super) handle: ObjectHandle,
}

/// What every key object is: it computes CMACs and does nothing else, and cannot be read.
pub(super) fn key_template(token: bool) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(token),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Verify(false),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ]
}

/// Every root in the token that the URI admits, each checked.
pub(super) fn find(
    session: &Session,
    uri: &TokenUri,
) -> Result<BTreeMap<KeyId, Found>, TokenError> {
    let mut roots = BTreeMap::new();
    for object in objects(session, uri)?.into_iter().filter(|object| object.finished) {
        let TokenObject { id, fault, misuse, handle, .. } = object;
        roots.insert(id, Found { object: fault.map_or(Ok(handle), Err), misuse });
    }
    Ok(roots)
}

/// Every root and unfinished root in the token that the URI admits, by name.
pub(super) fn objects(session: &Session, uri: &TokenUri) -> Result<Vec<TokenObject>, TokenError> {
    let mut template = vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
    template.extend(uri.object.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let handles = session.find_objects(&template).map_err(TokenError::of("C_FindObjects"))?;
    let mut objects = Vec::new();
    for handle in handles {
        match read(session, handle) {
            Ok(object) => objects.extend(object),
            // Another process has just removed it.
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
    }
    objects.sort_by_key(|object| (object.id, object.finished));
    let names: Vec<_> = objects.iter().map(|object| (object.id, object.finished)).collect();
    for object in objects.iter_mut().filter(|object| object.finished) {
        let count = names.iter().filter(|name| **name == (object.id, true)).count();
        if count > 1 {
            object.fault = Some(TokenError::Twice(label::emit(&object.id), count));
        }
    }
    Ok(objects)
}

/// A root or an unfinished one; none for other objects.
fn read(session: &Session, handle: ObjectHandle) -> Result<Option<TokenObject>, TokenError> {
    let Some((id, finished)) = name(session, handle)? else { return Ok(None) };
    let label = label::emit(&id);
    let (misuse, fault) = check(session, handle, &label, &id)?;
    let fault = if finished { fault } else { Some(TokenError::Unfinished(label)) };
    let tag = cmac(session, handle, &[0; KEY_LEN]).ok();
    let kcv = tag.map(|tag| {
        let [a, b, c, ..] = *tag;
        Kcv::new(KcvMethod::Cmac(Algorithm::Aes128), [a, b, c])
    });
    Ok(Some(TokenObject { id, finished, kcv, fault, misuse, handle }))
}

/// The root that an object is, and whether it is finished; none for other objects.
fn name(session: &Session, key: ObjectHandle) -> Result<Option<(KeyId, bool)>, TokenError> {
    let attributes = attributes(session, key, &[AttributeType::Label])?;
    let Some(Attribute::Label(label)) = attributes.into_iter().next() else { return Ok(None) };
    let Ok(label) = String::from_utf8(label) else { return Ok(None) };
    let (name, finished) = match label.strip_suffix(UNFINISHED) {
        Some(name) => (name, false),
        None => (label.as_str(), true),
    };
    Ok(label::parse(name).map(|id| (id, finished)))
}

/// What a root may do too much, and why it is not used, if it is not.
fn check(
    session: &Session,
    key: ObjectHandle,
    label: &str,
    id: &KeyId,
) -> Result<(Misuse, Option<TokenError>), TokenError> {
    let [fit, safe, misuse] = [fit(), safe(), too_much()].map(|list| differing(session, key, list));
    let (fit, safe, misuse) = (fit?, safe?, Misuse(misuse?));
    let fault = if id.algorithm != Algorithm::Aes128 {
        Some(TokenError::Algorithm(*id))
    } else if !safe.is_empty() {
        Some(TokenError::Readable { label: label.to_owned(), attributes: safe.join(", ") })
    } else if !fit.is_empty() {
        Some(TokenError::Unfit(label.to_owned()))
    } else {
        check_root(label, |message| cmac(session, key, message)).err()
    };
    Ok((misuse, fault))
}

type Wanted = Vec<(&'static str, Attribute)>;

/// What makes a key a root of ours.
fn fit() -> Wanted {
    vec![
        ("CKA_KEY_TYPE", Attribute::KeyType(KeyType::AES)),
        ("CKA_VALUE_LEN", Attribute::ValueLen((KEY_LEN as u64).into())),
        ("CKA_SIGN", Attribute::Sign(true)),
    ]
}

/// Without which the root can be read out, or used by whoever has no PIN.
fn safe() -> Wanted {
    vec![
        ("CKA_SENSITIVE", Attribute::Sensitive(true)),
        ("CKA_EXTRACTABLE", Attribute::Extractable(false)),
        ("CKA_PRIVATE", Attribute::Private(true)),
    ]
}

/// Uses that a root has no need of. They do not give it away, but mix what it is for.
fn too_much() -> Wanted {
    vec![
        ("CKA_ENCRYPT", Attribute::Encrypt(false)),
        ("CKA_DECRYPT", Attribute::Decrypt(false)),
        ("CKA_WRAP", Attribute::Wrap(false)),
        ("CKA_UNWRAP", Attribute::Unwrap(false)),
        ("CKA_DERIVE", Attribute::Derive(false)),
    ]
}

/// The names of the attributes that an object has otherwise.
fn differing(
    session: &Session,
    key: ObjectHandle,
    wanted: Wanted,
) -> Result<Vec<&'static str>, TokenError> {
    let types: Vec<_> = wanted.iter().map(|(_, attribute)| attribute.attribute_type()).collect();
    let found = attributes(session, key, &types)?;
    let differs = |(name, attribute)| (!found.contains(&attribute)).then_some(name);
    Ok(wanted.into_iter().filter_map(differs).collect())
}

fn attributes(
    session: &Session,
    key: ObjectHandle,
    types: &[AttributeType],
) -> Result<Vec<Attribute>, TokenError> {
    session.get_attributes(key, types).map_err(TokenError::of("C_GetAttributeValue"))
}
