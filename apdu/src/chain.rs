//! Command chaining (ISO 7816-4:2020 §5.4.4) and response chaining by GET RESPONSE (§5.3.4).

use alloc::vec::Vec;

use crate::class::Class;
use crate::command::Command;

/// Collects the commands of a chain into one.
///
/// A chain keeps its class, instruction and parameters; what differs or grows beyond the limit is
/// refused and the chain forgotten. Nothing is ever cut.
#[derive(Debug)]
pub struct Assembler {
    header: Option<[u8; 4]>,
    data: Vec<u8>,
    limit: usize,
}

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Assembled<'a> {
    /// The command is complete and may be executed.
    Complete(Command<'a>),
    /// More commands of the chain have to follow.
    Pending,
}

/// Why a chain was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Another command came before the last one of the chain.
    #[error("another command came before the end of the chain")]
    Mixed,
    /// The data of the chain is longer than the card takes.
    #[error("the chain carries more than {limit} bytes")]
    TooLong {
        /// Largest number of data bytes.
        limit: usize,
    },
}

impl Assembler {
    /// An assembler for chains of up to `limit` data bytes in all.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { header: None, data: Vec::new(), limit }
    }

    /// Forgets a chain under way.
    pub fn clear(&mut self) {
        self.header = None;
        self.data.clear();
    }

    /// Takes the next command. `chaining` says whether its class announces more.
    ///
    /// # Errors
    /// Returns a [`ChainError`] when the command does not continue the chain under way; the chain
    /// is forgotten then.
    #[inline]
    pub fn push<'a>(
        &'a mut self,
        command: Command<'a>,
        chaining: bool,
    ) -> Result<Assembled<'a>, ChainError> {
        let class = command.class.without_chaining();
        let header = Command { class, ..command }.header();
        match self.header {
            None if !chaining => return Ok(Assembled::Complete(command)),
            None => {
                self.data.clear();
                self.header = Some(header);
            }
            Some(first) if first != header => {
                self.clear();
                return Err(ChainError::Mixed);
            }
            Some(_) => {}
        }
        let length = self.data.len() + command.data.len();
        if length > self.limit {
            self.clear();
            return Err(ChainError::TooLong { limit: self.limit });
        }
        self.data.extend_from_slice(command.data);
        if chaining {
            return Ok(Assembled::Pending);
        }
        self.header = None;
        Ok(Assembled::Complete(Command { class, data: &self.data, ..command }))
    }
}

/// Splits `data` for a card: the commands that carry it in pieces of at most `piece` bytes, all but
/// the last with the chaining bit.
pub fn split<'a>(command: Command<'a>, piece: usize) -> impl Iterator<Item = Command<'a>> {
    let piece = piece.max(1);
    let count = command.data.len().div_ceil(piece).max(1);
    (0..count).map(move |index| {
        let start = index * piece;
        let end = command.data.len().min(start + piece);
        let data = command.data.get(start..end).unwrap_or(&[]);
        if index + 1 == count {
            Command { data, ..command }
        } else {
            Command { data, ne: 0, class: Class(command.class.0 | 0x10), ..command }
        }
    })
}

/// Most data bytes an answer of this profile has: the 256 bytes that a short Le asks for, wrapped by
/// secure messaging as DO 87 (277 bytes), DO 99 (4) and DO 8E (10).
pub const MAX_ANSWER: usize = 291;

/// Most GET RESPONSEs that fetch one answer. Six are enough for cards that send 48 bytes at once.
pub const MAX_PIECES: usize = 8;

/// Why an answer in pieces was given up: a card that goes on for ever is broken, or wants to keep its
/// reader busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// A piece without data.
    #[error("GET RESPONSE gave no data")]
    Empty,
    /// More than [`MAX_ANSWER`] bytes.
    #[error("the answer has more than {MAX_ANSWER} bytes")]
    TooLong,
    /// More than [`MAX_PIECES`] pieces.
    #[error("the answer comes in more than {MAX_PIECES} pieces")]
    TooMany,
}

/// Puts an answer together that a card gives in pieces (61xx), up to the bounds of this profile.
#[derive(Debug, Default)]
pub struct Joiner {
    pieces: usize,
}

impl Joiner {
    /// For an answer of which nothing was fetched yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { pieces: 0 }
    }

    /// Adds the data of the answer to a GET RESPONSE to `answer`.
    ///
    /// # Errors
    /// Returns a [`JoinError`] when the piece is none or one too many.
    pub fn add(&mut self, answer: &mut Vec<u8>, piece: &[u8]) -> Result<(), JoinError> {
        self.pieces += 1;
        match () {
            () if piece.is_empty() => Err(JoinError::Empty),
            () if answer.len() + piece.len() > MAX_ANSWER => Err(JoinError::TooLong),
            () if self.pieces > MAX_PIECES => Err(JoinError::TooMany),
            () => {
                answer.extend_from_slice(piece);
                Ok(())
            }
        }
    }
}

/// Holds the part of a response that did not fit Ne.
#[derive(Debug, Default)]
pub struct Splitter {
    pending: Vec<u8>,
    sent: usize,
}

impl Splitter {
    /// Nothing pending.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: Vec::new(), sent: 0 }
    }

    /// Forgets what is pending.
    #[inline]
    pub fn clear(&mut self) {
        self.pending.clear();
        self.sent = 0;
    }

    /// Number of bytes waiting for GET RESPONSE.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.pending.len() - self.sent
    }

    /// Cuts `data`, which starts at `start` in it, to `ne` bytes and keeps the rest. Returns the
    /// number of bytes kept back.
    #[inline]
    pub fn cut(&mut self, data: &mut Vec<u8>, start: usize, ne: usize) -> usize {
        self.clear();
        if let Some(rest) = data.get(start + ne..) {
            self.pending.extend_from_slice(rest);
            data.truncate(start + ne);
        }
        self.remaining()
    }

    /// Appends up to `ne` of the pending bytes to `out` and returns how many remain.
    pub fn next(&mut self, ne: usize, out: &mut Vec<u8>) -> usize {
        let end = self.pending.len().min(self.sent + ne);
        out.extend_from_slice(self.pending.get(self.sent..end).unwrap_or(&[]));
        self.sent = end;
        self.remaining()
    }
}
