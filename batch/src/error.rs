//! Why a batch cannot be worked on; what is wrong with a batch is a [`Finding`](crate::Finding).

use std::io;

use xuejika_keyscheme::provider::ProviderError;

/// What lies behind an [`Error`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A batch cannot be worked on. Its text leaves the cause to [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is given cannot be used.
    #[error("{name}")]
    Input {
        /// The file.
        name: String,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// The batch cannot be used for what was asked.
    #[error("{0}")]
    Unfit(String),
    /// No batch can be made as it was asked for.
    #[error(transparent)]
    Design(Cause),
    /// The place of the roots failed.
    #[error(transparent)]
    Roots(#[from] ProviderError),
    /// The machine failed while a file was read.
    #[error("{name}")]
    Reading {
        /// The file.
        name: String,
        /// What failed.
        #[source]
        cause: io::Error,
    },
    /// Something failed while a file was written.
    #[error("{0}")]
    Writing(Cause),
    /// The machine has no thread to spare.
    #[error("no thread can be started: {0}")]
    NoThread(#[source] io::Error),
}

impl Error {
    pub(crate) fn input(name: &(impl ToString + ?Sized), cause: impl Into<Cause>) -> Self {
        Self::Input { name: name.to_string(), cause: cause.into() }
    }

    pub(crate) fn reading(name: &(impl ToString + ?Sized), cause: io::Error) -> Self {
        Self::Reading { name: name.to_string(), cause }
    }

    pub(crate) fn writing(cause: impl Into<Cause>) -> Self {
        Self::Writing(cause.into())
    }
}
