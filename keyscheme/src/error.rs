//! Errors. They say which rule was broken and never hold key material.

/// A MAC, token or check value is not the expected one.
///
/// Deliberately without detail: every cryptographic failure looks the same to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cryptographic check failed")]
pub struct Mismatch;

/// A byte string has the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {actual} bytes, expected {expected}")]
pub struct InvalidLength {
    /// What was measured.
    pub what: &'static str,
    /// Its length in bytes.
    pub actual: usize,
    /// The required length in bytes.
    pub expected: usize,
}
