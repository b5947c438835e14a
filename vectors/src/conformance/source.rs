//! Where something stands in a file that people wrote.

/// A case file or a statement cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct SourceError {
    /// File name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there and what was expected.
    pub message: String,
}

/// A file and its text, to say where something stands.
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Where lines end.
    ends: Vec<usize>,
}

impl<'a> Place<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        Self { file, text, ends: ends.collect() }
    }

    /// The line of a byte of the text, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.ends.partition_point(|&end| end < at)
    }

    pub(super) fn error(&self, at: usize, message: impl Into<String>) -> SourceError {
        self.at_line(self.line(at), message)
    }

    pub(super) fn at_line(&self, line: usize, message: impl Into<String>) -> SourceError {
        SourceError { file: self.file.to_owned(), line, message: message.into() }
    }

    /// Reads the text as TOML of this shape.
    pub(super) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, SourceError> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.error(at, error.message().replace('\n', " "))
        })
    }
}
