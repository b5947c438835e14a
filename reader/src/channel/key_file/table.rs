//! The text of a key file: tables, their fields, and where they stand.

use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::keyblock::KeyMaterial;
use zeroize::Zeroizing;

use super::name::{Kind, RootName};
use super::{
    CLEAR, Claim, ENVELOPE, ENVELOPE_LEN, Fields, Found, KEY_BLOCK, KeyFile, Problem, Protection,
    ROOT_LEN, unseal, wrong,
};
use crate::channel::key_block;

/// The bytes of a root.
type Bytes = Zeroizing<[u8; ROOT_LEN]>;

/// Reads the text of a key file; the error holds the line.
pub(super) fn parse(text: &str, protection: &Protection) -> Result<KeyFile, (usize, Problem)> {
    let keys = match text.trim_end() {
        alone if is_block(alone) => parse_block(alone, protection),
        _ => parse_tables(text, protection),
    };
    keys.map_err(|found| at_line(text, found))
}

/// Reads the names in the text of a key file of tables; the error holds the line.
pub(super) fn claims(text: &str) -> Result<Vec<Claim>, (usize, Problem)> {
    let mut claims = Vec::new();
    let result = each(text, |entry| {
        let (name, form) = entry.name_and_form()?;
        claims.push(Claim { name, form });
        Ok(())
    });
    result.map(|()| claims).map_err(|found| at_line(text, found))
}

/// Number of the line after these bytes.
pub(super) fn line_after(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn at_line(text: &str, (at, problem): Found) -> (usize, Problem) {
    (line_after(text.as_bytes().get(..at).unwrap_or_default()), problem)
}

fn parse_block(text: &str, protection: &Protection) -> Result<KeyFile, Found> {
    let mut keys = KeyFile::default();
    let added =
        block(text, protection).and_then(|(id, root)| RootName::Key(id).add(&root, &mut keys));
    added.map(|()| keys).map_err(|problem| (0, problem))
}

fn parse_tables(text: &str, protection: &Protection) -> Result<KeyFile, Found> {
    let mut keys = KeyFile::default();
    each(text, |entry| {
        let (name, root) = entry.read(protection)?;
        name.add(&root, &mut keys).map_err(|problem| (entry.at, problem))
    })?;
    Ok(keys)
}

/// Does something with each table, of which there is at least one.
fn each(text: &str, mut act: impl FnMut(&Entry<'_>) -> Result<(), Found>) -> Result<(), Found> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        (at, Problem::NotToml(error.message().to_owned()))
    })?;
    let wrong = |span: Range<usize>| (span.start, Problem::NoRoots);
    let mut empty = true;
    for (name, value) in document.get_ref() {
        let (Some(kind), DeValue::Array(tables)) =
            (Kind::from_table(name.get_ref()), value.get_ref())
        else {
            return Err(wrong(name.span()));
        };
        for table in tables {
            let DeValue::Table(fields) = table.get_ref() else { return Err(wrong(table.span())) };
            act(&Entry { kind, at: table.span().start, fields })?;
            empty = false;
        }
    }
    if empty { Err((0, Problem::NoRoots)) } else { Ok(()) }
}

/// One table and where it begins.
pub(super) struct Entry<'t> {
    kind: Kind,
    at: usize,
    fields: &'t DeTable<'t>,
}

impl<'t> Entry<'t> {
    fn read(&self, protection: &Protection) -> Result<(RootName, Bytes), Found> {
        let (name, form) = self.name_and_form()?;
        let root = match form {
            ENVELOPE => self.sealed(name, protection)?,
            KEY_BLOCK => self.block(name, protection)?,
            _ => self.clear(name)?,
        };
        Ok((name, root))
    }

    /// The name, and the one field that holds the root.
    fn name_and_form(&self) -> Result<(RootName, &'static str), Found> {
        let (names, forms) = (self.kind.fields(), self.kind.forms());
        let known = |name: &str| names.contains(&name) || forms.contains(&name);
        if let Some(name) = self.fields.keys().find(|name| !known(name.get_ref())) {
            let fields = Fields([names, forms].concat());
            return Err((name.span().start, Problem::UnknownField(fields)));
        }
        let name = RootName::parse(self.kind, self)?;
        let mut given = forms.iter().copied().filter(|form| self.fields.contains_key(*form));
        match (given.next(), given.next()) {
            (Some(form), None) => Ok((name, form)),
            _ => Err((self.at, Problem::Forms(Fields(forms.to_vec())))),
        }
    }

    fn sealed(&self, name: RootName, protection: &Protection) -> Result<Bytes, Found> {
        let (at, text) = self.string(ENVELOPE)?;
        let sealed =
            bytes::<ENVELOPE_LEN>(text).ok_or((at, wrong(ENVELOPE, "96 hexadecimal digits")))?;
        let missing = || (at, no_key(ENVELOPE, "a key-encryption key"));
        let kek = protection.kek.as_ref().ok_or_else(missing)?;
        check_strength(ENVELOPE, &KeyMaterial::from(kek)).map_err(|problem| (at, problem))?;
        unseal(kek, name, &*sealed).ok_or((at, Problem::Envelope))
    }

    fn block(&self, name: RootName, protection: &Protection) -> Result<Bytes, Found> {
        let (at, text) = self.string(KEY_BLOCK)?;
        let (id, root) = block(text, protection).map_err(|problem| (at, problem))?;
        if name == RootName::Key(id) { Ok(root) } else { Err((at, Problem::OtherName(id))) }
    }

    fn clear(&self, name: RootName) -> Result<Bytes, Found> {
        let (at, text) = self.string(CLEAR)?;
        let root = bytes::<ROOT_LEN>(text).ok_or((at, wrong(CLEAR, "32 hexadecimal digits")))?;
        if name.is_published(&root) { Ok(root) } else { Err((at, Problem::ClearRoot(name))) }
    }

    /// A number in a field, as `make` takes it.
    pub(super) fn integer<N: TryFrom<u64>, T>(
        &self,
        field: &'static str,
        expected: &'static str,
        make: impl FnOnce(N) -> Option<T>,
    ) -> Result<T, Found> {
        let value = self.value(field)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.and_then(|number| N::try_from(number).ok()).and_then(make);
        number.ok_or((value.span().start, wrong(field, expected)))
    }

    /// The text of a field and where it stands. It lies in the file's text: nothing is copied.
    pub(super) fn string(&self, field: &'static str) -> Result<(usize, &'t str), Found> {
        let value = self.value(field)?;
        match value.get_ref() {
            DeValue::String(Cow::Borrowed(text)) => Ok((value.span().start, text)),
            _ => Err((value.span().start, wrong(field, "a string without escapes"))),
        }
    }

    fn value(&self, field: &'static str) -> Result<&'t Spanned<DeValue<'t>>, Found> {
        self.fields.get(field).ok_or((self.at, Problem::Missing(field)))
    }
}

/// Whether the text states its length as a key block does. Errors about anything else could repeat
/// a part of it, which might be a key in the wrong place.
fn is_block(text: &str) -> bool {
    text.get(1..5).and_then(|length| length.parse().ok()) == Some(text.len())
}

fn block(text: &str, protection: &Protection) -> Result<(KeyId, Bytes), Problem> {
    if !is_block(text) {
        return Err(wrong(KEY_BLOCK, "a key block of ANSI X9.143"));
    }
    let missing = || no_key(KEY_BLOCK, "a key block protection key");
    let kbpk = protection.kbpk.as_ref().ok_or_else(missing)?;
    check_strength(KEY_BLOCK, kbpk.material())?;
    let (id, root) = key_block::read(text, kbpk)?;
    Ok((id, Zeroizing::new(*root.expose())))
}

fn check_strength(field: &'static str, key: &KeyMaterial) -> Result<(), Problem> {
    key.check_strength().map_err(|fault| Problem::WeakKey { field, fault })
}

const fn no_key(field: &'static str, needed: &'static str) -> Problem {
    Problem::NoKey { field, needed }
}

fn bytes<const N: usize>(digits: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(digits, &mut *bytes).ok()?;
    Some(bytes)
}
