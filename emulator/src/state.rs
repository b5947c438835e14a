//! What a card forgets when power goes.

use xuejika_apdu::StatusWord;
use xuejika_apdu::chain::{Assembler, Splitter};
use xuejika_apdu::sm::{CardSm, ReaderSm};
use xuejika_card_model::event::Actor;
use xuejika_card_model::file::tree::Tree;
use xuejika_card_model::file::{Application, Df, Ef};
use xuejika_card_model::psam::PsamSession;
use xuejika_card_model::sam::SamSession;
use xuejika_card_model::wallet::{Pending, SecurityState};
use xuejika_keyscheme::auth::CardChallenge;
use xuejika_keyscheme::{KeyId, legacy};
use zeroize::Zeroize;

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
            state: State {
                df: &tree.mf,
                ef: None,
                key: None,
                challenge: None,
                session: None,
                security: SecurityState::START,
                transaction: None,
                psam: PsamSession::START,
                sam: SamSession::START,
            },
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

impl Drop for Link {
    fn drop(&mut self) {
        self.plain.zeroize();
        self.data.zeroize();
    }
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
    pub(crate) challenge: Option<Challenge>,
    /// Session with a proven peer. Boxed: most cards have none, and its key schedules are large.
    pub(crate) session: Option<Box<Session>>,
    /// What was verified in the MF and in the wallet.
    pub(crate) security: SecurityState,
    /// Purse transaction under way.
    pub(crate) transaction: Option<Pending>,
    /// A PSAM's purchase and working key.
    pub(crate) psam: PsamSession,
    /// A SAM's keys, as far as it is unlocked, and its session with a card.
    pub(crate) sam: SamSession<ReaderSm>,
}

/// What GET CHALLENGE answered.
#[derive(Debug)]
pub(crate) enum Challenge {
    /// For mutual authentication under the chosen key.
    Zone(CardChallenge),
    /// For the wallet: authentication, or a command under line protection.
    Transit(legacy::Challenge),
}

impl State {
    /// The challenge for the command that has come, and for this one alone.
    pub(crate) fn take_challenge(&mut self) -> Option<Challenge> {
        self.challenge.take()
    }

    /// Selects a DF: whatever was proved in the one before is void.
    pub(crate) fn select(&mut self, df: &'static Df) {
        *self = Self {
            df,
            ef: None,
            key: None,
            challenge: None,
            session: None,
            security: self.security.selected(df.application == Application::Master),
            transaction: None,
            psam: PsamSession::START,
            sam: SamSession::START,
        };
    }
}

/// A secure-messaging session in the current DF.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) sm: CardSm,
    /// Key and SAM the peer has proved.
    pub(crate) peer: Actor,
}
