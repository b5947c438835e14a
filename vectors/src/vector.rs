//! One test vector and typed access to its fields.
//!
//! Invariant: every accessor names file, vector and field when the data is not what it expects, so
//! a wrong file is told apart from a wrong implementation.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Who stands behind the values of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A third party printed them: a standard, a test suite, a recorded card.
    Published,
    /// This project: its own byte layouts, and published entries it altered into negative cases.
    Project,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Published => "published",
            Self::Project => "project-defined",
        })
    }
}

/// One entry of a vector file.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Name, unique in its file.
    pub id: String,
    /// Who stands behind the values.
    pub origin: Origin,
    /// False when a correct implementation must refuse the entry.
    pub valid: bool,
    /// Name of the file, for messages.
    pub(crate) file: Arc<str>,
    /// All fields as they stand in the file.
    pub(crate) map: Map<String, Value>,
}

impl Vector {
    /// The fields of this entry.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields { vector: self, path: String::new(), map: &self.map }
    }
}

/// A field is missing or is not of the expected form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: vector {id}: field {field}: expected {expected}")]
pub struct FieldError {
    /// File name.
    pub file: String,
    /// Vector name.
    pub id: String,
    /// Path of the field inside the vector, parts joined by dots.
    pub field: String,
    /// What should stand there.
    pub expected: &'static str,
}

/// The fields of a vector, or of an object inside it.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    vector: &'a Vector,
    /// Path from the vector to here, empty or ending in a dot.
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The vector these fields belong to.
    #[must_use]
    pub fn vector(&self) -> &'a Vector {
        self.vector
    }

    /// Whether the field is there.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// A text.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or not a text.
    pub fn text(&self, field: &str) -> Result<&'a str, FieldError> {
        self.value(field).and_then(Value::as_str).ok_or_else(|| self.error(field, "a text"))
    }

    /// A text, or the empty text when the field is missing.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is not a text.
    pub fn text_or_empty(&self, field: &str) -> Result<&'a str, FieldError> {
        if self.has(field) { self.text(field) } else { Ok("") }
    }

    /// Bytes written as hex.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or not hex of even length.
    pub fn hex(&self, field: &str) -> Result<Vec<u8>, FieldError> {
        self.value(field).and_then(bytes).ok_or_else(|| self.error(field, HEX))
    }

    /// Bytes written as hex, if the field is there.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is not hex of even length.
    pub fn hex_if_any(&self, field: &str) -> Result<Option<Vec<u8>>, FieldError> {
        self.has(field).then(|| self.hex(field)).transpose()
    }

    /// Exactly `N` bytes written as hex.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing, not hex, or of another length.
    pub fn array<const N: usize>(&self, field: &str) -> Result<[u8; N], FieldError> {
        let bytes = self.hex(field)?;
        bytes.try_into().map_err(|_| self.error(field, "hex of the fixed length of this field"))
    }

    /// A list of byte strings written as hex.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or not such a list.
    pub fn hex_list(&self, field: &str) -> Result<Vec<Vec<u8>>, FieldError> {
        let list = self.value(field).and_then(Value::as_array);
        list.and_then(|list| list.iter().map(bytes).collect())
            .ok_or_else(|| self.error(field, "a list of hex strings"))
    }

    /// A number, not negative.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or not such a number.
    pub fn count(&self, field: &str) -> Result<usize, FieldError> {
        let number = self.value(field).and_then(Value::as_u64);
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| self.error(field, "a number, not negative"))
    }

    /// True or false.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or neither.
    pub fn flag(&self, field: &str) -> Result<bool, FieldError> {
        self.value(field).and_then(Value::as_bool).ok_or_else(|| self.error(field, "true or false"))
    }

    /// The fields of an object inside this one.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or not an object.
    pub fn child(&self, field: &str) -> Result<Self, FieldError> {
        let map = self.value(field).and_then(Value::as_object);
        let map = map.ok_or_else(|| self.error(field, "an object"))?;
        Ok(Self { vector: self.vector, path: format!("{}{field}.", self.path), map })
    }

    /// The fields of every object of a list.
    ///
    /// # Errors
    /// Returns [`FieldError`] when the field is missing or not a list of objects.
    pub fn children(&self, field: &str) -> Result<Vec<Self>, FieldError> {
        let list = self.value(field).and_then(Value::as_array);
        list.and_then(|list| {
            let numbered = list.iter().enumerate();
            numbered.map(|(index, value)| self.nested(field, index, value)).collect()
        })
        .ok_or_else(|| self.error(field, "a list of objects"))
    }

    /// An error about a field of this object.
    #[must_use]
    pub fn error(&self, field: &str, expected: &'static str) -> FieldError {
        FieldError {
            file: self.vector.file.to_string(),
            id: self.vector.id.clone(),
            field: self.path_of(field),
            expected,
        }
    }

    /// The full path of a field, for messages.
    pub(crate) fn path_of(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }

    fn value(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field)
    }

    fn nested(&self, field: &str, index: usize, value: &'a Value) -> Option<Self> {
        let path = format!("{}{field}[{index}].", self.path);
        Some(Self { vector: self.vector, path, map: value.as_object()? })
    }
}

const HEX: &str = "hex of even length";

fn bytes(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vector(value: Value) -> Vector {
        let Value::Object(map) = value else { panic!("not an object") };
        Vector { id: "v1".into(), origin: Origin::Published, valid: true, file: "f".into(), map }
    }

    #[test]
    fn fields_are_typed() {
        let vector = vector(json!({
            "key": "00Ff", "alg": "AES", "n": 7, "ok": true, "list": ["01", ""],
            "cmd": {"cc": "0102"}, "steps": [{"m": "aa"}]
        }));
        let fields = vector.fields();
        assert_eq!(fields.hex("key"), Ok(vec![0x00, 0xFF]));
        assert_eq!(fields.array("key"), Ok([0x00, 0xFF]));
        assert_eq!(fields.hex_if_any("iv"), Ok(None));
        assert_eq!(fields.text("alg"), Ok("AES"));
        assert_eq!(fields.text_or_empty("kind"), Ok(""));
        assert_eq!(fields.count("n"), Ok(7));
        assert_eq!(fields.flag("ok"), Ok(true));
        assert_eq!(fields.hex_list("list"), Ok(vec![vec![1], vec![]]));
        assert_eq!(fields.child("cmd").unwrap().hex("cc"), Ok(vec![1, 2]));
        assert_eq!(fields.children("steps").unwrap()[0].hex("m"), Ok(vec![0xAA]));
    }

    #[test]
    fn errors_name_file_vector_field_and_expectation() {
        let vector = vector(json!({"key": "0", "alg": 1, "cmd": {}, "steps": [{}, {"m": "zz"}]}));
        let fields = vector.fields();
        let error = |error: FieldError| error.to_string();
        assert_eq!(
            error(fields.hex("key").unwrap_err()),
            "f: vector v1: field key: expected hex of even length"
        );
        assert_eq!(
            error(fields.text("alg").unwrap_err()),
            "f: vector v1: field alg: expected a text"
        );
        assert_eq!(fields.child("cmd").unwrap().hex("cc").unwrap_err().field, "cmd.cc");
        let steps = fields.children("steps").unwrap();
        assert_eq!(steps[1].hex("m").unwrap_err().field, "steps[1].m");
        assert!(fields.array::<16>("key").is_err());
        assert!(fields.count("alg").is_ok());
        assert!(fields.children("cmd").is_err());
    }
}
