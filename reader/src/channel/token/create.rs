//! Making a root, one of a name whoever else makes one at the same time.
//!
//! PKCS#11 has no unique names, and another process may add the same root between a search and a
//! creation. So a root begins under a name that is no root's, with a random number as its CKA_ID, and
//! gets its own name only when no other of the kind is in the token. Of several that begin at the same
//! time those with a larger number give up, and the one with the smallest waits until they have. Two
//! can never both find themselves alone: the later one of two begins before it searches. A process that
//! is killed leaves an unfinished root, which is in the way of new ones of its name until it is removed.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::key::{Key, Root};

use super::answer::{check_import, check_root, cmac};
use super::root::key_template;
use super::{TokenError, label};

/// What follows the label of a root that is not finished.
pub(super) const UNFINISHED: &str = " (unfinished)";

/// How long the others may take to give up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Length of the number that decides, in bytes.
const NUMBER_LEN: u32 = 16;

/// Makes a root with `make`, from a template whose first attributes are in `template`. What was
/// imported has to be the root `imported`.
pub(super) fn create(
    session: &Session,
    id: &KeyId,
    template: &mut Vec<Attribute>,
    imported: Option<&Key<Root>>,
    make: impl FnOnce(&Session, &[Attribute]) -> Result<ObjectHandle, TokenError>,
) -> Result<ObjectHandle, TokenError> {
    let label = label::emit(id);
    if !named(session, &label)?.is_empty() {
        return Err(TokenError::Exists(label));
    }
    let number = session.generate_random_vec(NUMBER_LEN);
    let number = number.map_err(TokenError::of("C_GenerateRandom"))?;
    template.extend(key_template(true));
    template.extend([text(&unfinished(&label)), Attribute::Id(number.clone())]);
    let made = make(session, template)?;
    let sign = |message: &[u8]| cmac(session, made, message);
    let checked = match imported {
        Some(root) => check_import(&label, root, sign),
        None => check_root(&label, sign),
    };
    let finished = checked
        .and_then(|()| wait_until_alone(session, made, &label, &number))
        .and_then(|()| finish(session, made, &label, id));
    if finished.is_err() {
        // What cannot be removed is named as unfinished by whoever looks next.
        let _ = session.destroy_object(made);
    }
    finished.map(|()| made)
}

/// The objects with this label.
pub(super) fn named(session: &Session, label: &str) -> Result<Vec<ObjectHandle>, TokenError> {
    session.find_objects(&[text(label)]).map_err(TokenError::of("C_FindObjects"))
}

fn wait_until_alone(
    session: &Session,
    mine: ObjectHandle,
    label: &str,
    number: &[u8],
) -> Result<(), TokenError> {
    let begun = Instant::now();
    loop {
        // The unfinished ones first: one that gets its name in between is seen by the second search.
        let mut others = named(session, &unfinished(label))?;
        others.retain(|other| *other != mine);
        if !named(session, label)?.is_empty() {
            return Err(TokenError::Exists(label.into()));
        }
        if others.is_empty() {
            return Ok(());
        }
        let smaller = others.iter().any(|other| is_smaller(session, *other, number));
        if smaller || begun.elapsed() > PATIENCE {
            return Err(TokenError::Unfinished(label.into()));
        }
        thread::sleep(PAUSE);
    }
}

/// Whether another unfinished root goes before the one with this number. One that has just been given
/// up does not.
fn is_smaller(session: &Session, other: ObjectHandle, number: &[u8]) -> bool {
    let attributes = session.get_attributes(other, &[AttributeType::Id]).unwrap_or_default();
    matches!(attributes.first(), Some(Attribute::Id(other)) if other.as_slice() < number)
}

fn finish(
    session: &Session,
    made: ObjectHandle,
    label: &str,
    id: &KeyId,
) -> Result<(), TokenError> {
    let name = vec![text(label), Attribute::Id(id.emit().to_vec())];
    session.update_attributes(made, &name).map_err(TokenError::of("C_SetAttributeValue"))
}

fn unfinished(label: &str) -> String {
    format!("{label}{UNFINISHED}")
}

fn text(label: &str) -> Attribute {
    Attribute::Label(label.as_bytes().to_vec())
}
