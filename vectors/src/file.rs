//! Vector files: JSON text to [`VectorFile`].
//!
//! The schema is `schema/vectors.schema.json`. Two older shapes are read as well: a bare list of
//! entries, and entries that carry `name` instead of `id` and no `valid`.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::vector::{FieldError, Origin, Vector};

/// One topic: where its values come from, and the values.
#[derive(Clone, Debug)]
pub struct VectorFile {
    /// File name without folder and extension.
    pub name: String,
    /// What is tested; empty when the file does not say.
    pub topic: String,
    /// Publication the values were taken from; empty when each entry has its own.
    pub source: String,
    /// Terms of the source.
    pub licence: String,
    /// Conventions shared by the entries.
    pub notes: String,
    /// The entries, in file order.
    pub vectors: Vec<Vector>,
}

/// A vector file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not JSON.
    #[error("{file}: {error}")]
    Json {
        /// File name.
        file: String,
        /// What the JSON reader said.
        error: serde_json::Error,
    },
    /// It is JSON, but not a vector file.
    #[error("{file}: expected {expected}")]
    Shape {
        /// File name.
        file: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// Two entries have one name.
    #[error("{file}: vector {id}: expected a name used once")]
    Duplicate {
        /// File name.
        file: String,
        /// The name.
        id: String,
    },
    /// An entry lacks its name, or has a wrong `valid` or `origin`.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl VectorFile {
    /// Reads the JSON text of the file called `name`.
    ///
    /// # Errors
    /// Returns [`FileError`] when the text is not JSON or not a vector file.
    pub fn parse(name: &str, text: &str) -> Result<Self, FileError> {
        let value = serde_json::from_str(text.trim_start_matches('\u{FEFF}'))
            .map_err(|error| FileError::Json { file: name.to_owned(), error })?;
        let (head, entries) = split(value).ok_or_else(|| FileError::Shape {
            file: name.to_owned(),
            expected: "an object with a list of vectors",
        })?;
        let line =
            |field: &str| head.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut file = Self {
            name: name.to_owned(),
            topic: line("topic"),
            source: line("source"),
            licence: line("license_note"),
            notes: line("notes") + &line("note"),
            vectors: Vec::new(),
        };
        file.vectors = file.entries(entries)?;
        Ok(file)
    }

    /// Whether the file as a whole says that nobody published its values.
    fn is_project_defined(&self) -> bool {
        self.source.starts_with("PROJECT-DEFINED") || self.notes.starts_with("Computed by us")
    }

    fn entries(&self, entries: Vec<Value>) -> Result<Vec<Vector>, FileError> {
        let shared: Arc<str> = self.name.as_str().into();
        let mut names = HashSet::new();
        let mut vectors = Vec::with_capacity(entries.len());
        for entry in entries {
            let Value::Object(map) = entry else {
                return Err(FileError::Shape {
                    file: self.name.clone(),
                    expected: "every vector to be an object",
                });
            };
            let vector = self.entry(&shared, map)?;
            if !names.insert(vector.id.clone()) {
                return Err(FileError::Duplicate { file: self.name.clone(), id: vector.id });
            }
            vectors.push(vector);
        }
        Ok(vectors)
    }

    fn entry(&self, file: &Arc<str>, map: Map<String, Value>) -> Result<Vector, FileError> {
        let mut vector = Vector {
            id: String::new(),
            origin: Origin::Published,
            valid: true,
            file: Arc::clone(file),
            map,
        };
        let fields = vector.fields();
        let name = if fields.has("id") { "id" } else { "name" };
        vector.id = fields.text(name).map_err(|_| fields.error("id", "a text"))?.to_owned();

        let fields = vector.fields();
        let valid = !fields.has("valid") || fields.flag("valid")?;
        let origin = match fields.text_or_empty("origin")? {
            "project" => Origin::Project,
            "" if self.is_project_defined() || is_altered(&vector.id) => Origin::Project,
            _ => Origin::Published,
        };
        (vector.valid, vector.origin) = (valid, origin);
        Ok(vector)
    }
}

/// Whether the name marks a published entry that was altered into a negative case.
fn is_altered(id: &str) -> bool {
    id.starts_with("derived-") || id.starts_with("neg-")
}

/// The fields above the entries, and the entries.
fn split(value: Value) -> Option<(Map<String, Value>, Vec<Value>)> {
    match value {
        Value::Array(entries) => Some((Map::new(), entries)),
        Value::Object(mut head) => match head.remove("vectors")? {
            Value::Array(entries) => Some((head, entries)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_schema_and_the_two_older_shapes() {
        let file = VectorFile::parse(
            "f",
            r#"{"topic": "t", "source": "s", "license_note": "l", "vectors": [
                {"id": "a", "valid": true}, {"id": "b", "valid": false, "origin": "project"},
                {"id": "derived-c", "valid": false}]}"#,
        )
        .unwrap();
        assert_eq!((&*file.topic, &*file.source, &*file.licence), ("t", "s", "l"));
        let [a, b, c] = &file.vectors[..] else { panic!("three entries") };
        assert_eq!((&*a.id, a.valid, a.origin), ("a", true, Origin::Published));
        assert_eq!((&*b.id, b.valid, b.origin), ("b", false, Origin::Project));
        assert_eq!(c.origin, Origin::Project);

        let list = VectorFile::parse("f", r#"[{"name": "a", "op": "x"}]"#).unwrap();
        assert_eq!((&*list.vectors[0].id, list.vectors[0].valid), ("a", true));
        let note = r#"{"note": "Computed by us", "vectors": [{"name": "a"}]}"#;
        assert_eq!(VectorFile::parse("f", note).unwrap().vectors[0].origin, Origin::Project);
    }

    #[test]
    fn refuses_what_is_no_vector_file() {
        for (text, expected) in [
            ("{", "f: EOF"),
            ("1", "f: expected an object with a list of vectors"),
            (r#"{"vectors": {}}"#, "f: expected an object with a list of vectors"),
            ("[1]", "f: expected every vector to be an object"),
            ("[{}]", "f: vector : field id: expected a text"),
            (r#"[{"id": "a", "valid": 1}]"#, "f: vector a: field valid: expected true or false"),
            (r#"[{"id": "a"}, {"id": "a"}]"#, "f: vector a: expected a name used once"),
        ] {
            let error = VectorFile::parse("f", text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
