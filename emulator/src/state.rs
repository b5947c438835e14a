//! What a card forgets when power goes.

use xuejika_apdu::StatusWord;
use xuejika_apdu::chain::{Assembler, Splitter};
use xuejika_apdu::sm::CardSm;
use xuejika_card_model::event::Actor;
use xuejika_card_model::file::tree::Tree;
use xuejika_card_model::file::{Df, Ef};
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::auth::CardChallenge;

/// Most data bytes a command chain may carry.
pub(crate) const CHAIN_LIMIT: usize = 1024;

/// Everything volatile.
#[derive(Debug)]
pub(crate) struct Power {
    pub(crate) link: Link,
    pub(crate) state: State,
}

impl Power {
    /// After a reset: the MF is selected and nothing else.
    pub(crate) const fn new(tree: &'static Tree) -> Self {
        Self {
            link: Link {
                assembler: Assembler::new(CHAIN_LIMIT),
                splitter: Splitter::new(),
                pending: StatusWord::SUCCESS,
                plain: Vec::new(),
                data: Vec::new(),
            },
            state: State { df: &tree.mf, ef: None, key: None, challenge: None, session: None },
        }
    }
}

/// Between the wire and the application: chains and buffers.
pub(crate) struct Link {
    pub(crate) assembler: Assembler,
    pub(crate) splitter: Splitter,
    /// Status word behind the last piece of a split response.
    pub(crate) pending: StatusWord,
    /// Decrypted command data.
    pub(crate) plain: Vec<u8>,
    /// Response data before it is protected.
    pub(crate) data: Vec<u8>,
}

impl core::fmt::Debug for Link {
    /// The buffers hold what secure messaging hides, new keys among it, and are not shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Link(pending {})", self.pending)
    }
}

/// What the application remembers between commands.
#[derive(Debug)]
pub(crate) struct State {
    /// Current DF.
    pub(crate) df: &'static Df,
    /// Current EF.
    pub(crate) ef: Option<&'static Ef>,
    /// Key chosen for the next authentication.
    pub(crate) key: Option<KeyId>,
    /// Challenge that may be answered by the very next command.
    pub(crate) challenge: Option<CardChallenge>,
    /// Session with a proven peer.
    pub(crate) session: Option<Session>,
}

impl State {
    /// Selects a DF: whatever was proved in the one before is void.
    pub(crate) fn select(&mut self, df: &'static Df) {
        *self = Self { df, ef: None, key: None, challenge: None, session: None };
    }
}

/// A secure-messaging session in the current DF.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) sm: CardSm,
    /// Key and SAM the peer has proved.
    pub(crate) peer: Actor,
}
