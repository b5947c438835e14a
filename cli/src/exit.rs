//! How the program ends: each failure carries its exit code.

use core::iter;
use std::io::{self, Write};
use std::process::ExitCode;

use xuejika_apdu::ChannelError;
use xuejika_emulator::file_store::ImageFileError;
use xuejika_emulator::files::FileError;
use xuejika_emulator::transport::TransportError;

use crate::shown::{Lines, Show};

/// Exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Everything was as expected.
    AsExpected = 0,
    /// The card refused, or something was found.
    Findings = 1,
    /// The command line or an input cannot be used.
    Usage = 2,
    /// The card, the reader or the machine failed.
    Device = 3,
    /// Refused for safety.
    Unsafe = 4,
}

impl Code {
    /// [`Self::AsExpected`] when `good`, otherwise [`Self::Findings`].
    pub(crate) const fn of(good: bool) -> Self {
        if good { Self::AsExpected } else { Self::Findings }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why the program ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong.
    Because(Code, anyhow::Error),
    /// Nobody reads the output any more, which is no failure of ours.
    OutputClosed,
}

/// What may end the program early.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// The command line or an input cannot be used.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Because(Code::Usage, error.into())
    }

    /// The card, the reader or the machine failed.
    pub(crate) fn device(error: impl Into<anyhow::Error>) -> Self {
        Self::Because(Code::Device, error.into())
    }

    /// Something failed while a file was written.
    pub(crate) fn writing(error: anyhow::Error) -> Self {
        match error.downcast::<FileError>() {
            Ok(error) => error.into(),
            Err(error) => Self::device(error),
        }
    }

    /// What happened, in words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::OutputClosed => "nobody reads the output any more".to_owned(),
            Self::Because(_, error) => message(error).join("; "),
        }
    }

    /// Says on stderr what happened, and gives the exit code.
    pub(crate) fn report(&self) -> Code {
        match self {
            Self::OutputClosed => Code::AsExpected,
            Self::Because(code, error) => {
                let lines = message(error);
                let fronts = iter::once("xuejika: ").chain(iter::repeat(""));
                fronts.zip(&lines).for_each(|(front, line)| say(format_args!("{front}{line}")));
                *code
            }
        }
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::device(error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        use io::ErrorKind as Kind;
        let code = match &error {
            FileError::Exists { .. } => Code::Unsafe,
            FileError::Kind { .. } | FileError::TooLong { .. } | FileError::Linked { .. } => {
                Code::Usage
            }
            FileError::Io { error, .. } => match error.kind() {
                Kind::NotFound
                | Kind::PermissionDenied
                | Kind::IsADirectory
                | Kind::NotADirectory
                | Kind::ReadOnlyFilesystem
                | Kind::InvalidFilename
                | Kind::InvalidData
                | Kind::InvalidInput => Code::Usage,
                _ => Code::Device,
            },
            _ => Code::Device,
        };
        Self::Because(code, error.into())
    }
}

impl From<ImageFileError> for Failure {
    fn from(error: ImageFileError) -> Self {
        match error {
            ImageFileError::File(error) => error.into(),
            error => Self::usage(error),
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Address { .. } => Self::usage(error),
            TransportError::NotLoopback { .. } => {
                let hint = "only --allow-remote gives a card to the network";
                Self::Because(Code::Unsafe, anyhow::Error::from(error).context(hint))
            }
            _ => Self::device(error),
        }
    }
}

/// Writes lines to stderr; that nobody reads them is no failure.
#[allow(clippy::needless_pass_by_value, reason = "what is said is made where it is said")]
pub(crate) fn say(lines: impl Show) {
    let _ = io::stderr().write_all(Lines::of(&lines).as_str().as_bytes());
}

/// Several faults of one input, each a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub(crate) struct Faults(pub(crate) Vec<String>);

/// Most characters of one cause: an input that is quoted may be of any length.
const MAX_CAUSE: usize = 2000;

fn shortened(cause: String) -> String {
    let Some((end, _)) = cause.char_indices().nth(MAX_CAUSE) else { return cause };
    let more = cause.chars().count() - MAX_CAUSE;
    let shown = cause.get(..end).unwrap_or_default();
    format!("{shown}... ({more} characters more)")
}

/// An error with its causes in one line, leaving out those that the text in front tells already;
/// below it all but the first of [`Faults`].
fn message(error: &anyhow::Error) -> Vec<String> {
    let (mut text, mut below) = (String::new(), Vec::new());
    for cause in error.chain() {
        let cause = match (cause.downcast_ref::<Faults>(), cause.downcast_ref()) {
            (Some(Faults(faults)), _) => {
                below.extend(faults.iter().skip(1).cloned());
                faults.first().cloned().unwrap_or_default()
            }
            (None, Some(error)) => in_one_line(error),
            (None, None) => cause.to_string(),
        };
        let cause = shortened(cause);
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    below.insert(0, text);
    below
}

/// Place and fault, without the picture of the place that takes the lines between.
fn in_one_line(error: &toml::de::Error) -> String {
    let text = error.to_string();
    match text.lines().next().filter(|_| error.span().is_some()) {
        Some(place) => format!("{place}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = io::Error::other("no room");
        let outer = anyhow::Error::from(inner).context("card.img: no room").context("cannot save");
        assert_eq!(message(&outer), ["cannot save: card.img: no room"]);
    }

    #[test]
    fn faults_are_lines() {
        let faults = Faults(vec!["2 errors".into(), "a: b".into(), "a: c".into()]);
        let outer = anyhow::Error::from(faults).context("f.toml");
        assert_eq!(message(&outer), ["f.toml: 2 errors", "a: b", "a: c"]);
    }

    #[test]
    fn the_fault_of_a_toml_file_is_one_line() {
        let error = toml::from_str::<toml::Table>("a = 1\nb = \n").unwrap_err();
        let [line] = &*message(&error.into()) else { panic!("more than one line") };
        assert!(line.starts_with("TOML parse error at line 2, column "), "{line}");
    }
}
