//! How the program ends: each failure carries its exit code.

use core::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use xuejika_apdu::ChannelError;
use xuejika_emulator::file_store::ImageFileError;
use xuejika_emulator::files::FileError;
use xuejika_emulator::transport::TransportError;

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
            Self::Because(_, error) => message(error),
        }
    }

    /// Says on stderr what happened, and gives the exit code.
    pub(crate) fn report(&self) -> Code {
        match self {
            Self::OutputClosed => Code::AsExpected,
            Self::Because(code, error) => {
                say(format_args!("xuejika: {}", message(error)));
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

/// Writes a line to stderr; that nobody reads it is no failure.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// An error with its causes, leaving out those that the text in front tells already.
fn message(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |mut text, cause| {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = io::Error::other("no room");
        let outer = anyhow::Error::from(inner).context("card.img: no room").context("cannot save");
        assert_eq!(message(&outer), "cannot save: card.img: no room");
    }
}
