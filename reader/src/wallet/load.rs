//! Load (圈存) and unload (圈提): card, terminal and the load host (圈存前置), on line.
//!
//! ```text
//! WalletCard ─ initialise ─► OnlineInitialised ─ complete ─┬─ answer known ─► Booked
//!                                                          └─ answer lost ──► InDoubt ─ settle ─► Booked
//!                                                                                         └──► not done
//! ```
//!
//! The host books before the card is told to go ahead, so money that a card holds is always booked;
//! what the card then has not done is taken back.

use xuejika_apdu::{CardChannel, Class, Command};
use xuejika_card_model::wallet::message::OnlineAnswer;
use xuejika_keyscheme::legacy::{Fen, Mac3, Moment, Tac, TerminalId, TransactionType};

use super::card::{Fate, Proof, WalletCard};
use super::error::{Stopped, WalletError};
use super::host::{Booking, HostError, LoadHost, OnlineRequest, Receipt};
use super::transaction::{InDoubt, Transaction};

/// Which way the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the card.
    Load,
    /// Out of the card.
    Unload,
}

impl Direction {
    /// Its transaction type.
    #[must_use]
    pub const fn transaction_type(self) -> TransactionType {
        match self {
            Self::Load => TransactionType::WalletLoad,
            Self::Unload => TransactionType::Unload,
        }
    }

    /// The direction of a transaction type that a host settles.
    #[must_use]
    pub const fn of(kind: TransactionType) -> Option<Self> {
        match kind {
            TransactionType::WalletLoad => Some(Self::Load),
            TransactionType::Unload => Some(Self::Unload),
            _ => None,
        }
    }

    /// Name and P1 of INITIALIZE.
    const fn initialise(self) -> (&'static str, u8) {
        match self {
            Self::Load => ("INITIALIZE FOR LOAD", 0x00),
            Self::Unload => ("INITIALIZE FOR UNLOAD", 0x05),
        }
    }

    const fn complete(self) -> (&'static str, Command<'static>) {
        match self {
            Self::Load => ("CREDIT FOR LOAD", Command::new(Class::OWN, 0x52, 0x00, 0x00)),
            Self::Unload => ("DEBIT FOR UNLOAD", Command::new(Class::OWN, 0x54, 0x03, 0x00)),
        }
    }

    fn receipt(self, code: [u8; 4]) -> Receipt {
        match self {
            Self::Load => Receipt::Tac(Tac::from(code)),
            Self::Unload => Receipt::Mac3(Mac3::from(code)),
        }
    }

    fn proven(self, proof: &Proof) -> Receipt {
        match self {
            Self::Load => Receipt::Tac(proof.tac),
            Self::Unload => Receipt::Mac3(proof.mac3()),
        }
    }
}

/// A load or unload the card has agreed to; nothing has changed.
#[derive(Debug)]
#[must_use]
pub struct OnlineInitialised<'w, C> {
    wallet: &'w mut WalletCard<C>,
    request: OnlineRequest,
}

/// A load or unload that card and host have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The transaction.
    pub transaction: Transaction,
    /// The card's receipt.
    pub receipt: Receipt,
    /// Whether the host had booked it before.
    pub booking: Booking,
    /// Whether the answer was lost and the card gave it again.
    pub recovered: bool,
}

impl<C: CardChannel> WalletCard<C> {
    /// INITIALIZE FOR LOAD or FOR UNLOAD. Nothing changes. Cards ask for the PIN before.
    ///
    /// # Errors
    /// Returns [`WalletError::Refused`], such as [`Meaning::SecurityStatus`] without the PIN.
    ///
    /// [`Meaning::SecurityStatus`]: super::Meaning::SecurityStatus
    pub fn initialise_online(
        &mut self,
        direction: Direction,
        amount: Fen,
        terminal: TerminalId,
    ) -> Result<OnlineInitialised<'_, C>, WalletError> {
        let (name, p1) = direction.initialise();
        let answer = self.initialise(name, p1, (amount, terminal), OnlineAnswer::LEN)?;
        let answer = OnlineAnswer::parse(&answer).ok_or(WalletError::Malformed(name))?;
        let card = self.number();
        let request = OnlineRequest { card, direction, amount, terminal, answer };
        Ok(OnlineInitialised { wallet: self, request })
    }

    /// A whole load or unload. When the answer is lost, asks the card at once what became of it.
    ///
    /// # Errors
    /// Returns a [`Stopped`]: not done, or in doubt until the card is back.
    pub fn transfer<H: LoadHost + ?Sized>(
        &mut self,
        host: &mut H,
        direction: Direction,
        amount: Fen,
        terminal: TerminalId,
        at: Moment,
    ) -> Result<Booked, Stopped> {
        match self.initialise_online(direction, amount, terminal)?.complete(host, at) {
            Err(Stopped::InDoubt { doubt, cause }) => match self.settle_online(host, doubt) {
                Err(Stopped::NotDone(_)) => Err(cause.not_done()),
                settled => settled,
            },
            ended => ended,
        }
    }

    /// Ends the doubt about a load or unload with the same card: done, with the card's receipt at
    /// the host, or not done and taken back by the host. Doing it again gives the same.
    ///
    /// # Errors
    /// Returns [`Stopped::NotDone`] with [`WalletError::Interrupted`] when the card has not done it,
    /// [`Stopped::InDoubt`] when card or host cannot be asked, [`Stopped::NotGenuine`] for a wrong
    /// receipt, and [`Stopped::Unproven`] when another terminal was in between.
    pub fn settle_online<H: LoadHost + ?Sized>(
        &mut self,
        host: &mut H,
        doubt: InDoubt,
    ) -> Result<Booked, Stopped> {
        let transaction = *doubt.transaction();
        let Some(direction) = Direction::of(transaction.kind) else {
            let cause = WalletError::WrongSide(transaction.kind.code());
            return Err(Stopped::InDoubt { doubt, cause });
        };
        match self.ask(&doubt) {
            Ok(Fate::Done(proof)) => confirm(host, transaction, direction.proven(&proof), true),
            Ok(Fate::NotDone) => match host.cancel(&transaction) {
                Ok(()) => Err(WalletError::Interrupted.into()),
                Err(cause) => Err(Stopped::InDoubt { doubt, cause: cause.into() }),
            },
            Ok(Fate::Logged(record)) => Err(Stopped::Unproven { transaction, record }),
            Err(cause) => Err(Stopped::InDoubt { doubt, cause }),
        }
    }
}

impl<C: CardChannel> OnlineInitialised<'_, C> {
    /// What the card answered, for the host.
    #[must_use]
    pub const fn request(&self) -> &OnlineRequest {
        &self.request
    }

    /// CREDIT FOR LOAD or DEBIT FOR UNLOAD, with the host's consent.
    ///
    /// # Errors
    /// Returns [`Stopped::NotDone`] when host or card refuse, [`Stopped::InDoubt`] when the card's
    /// answer or the host's is lost or the host does not take it, [`Stopped::NotGenuine`] when it is
    /// wrong.
    pub fn complete<H: LoadHost + ?Sized>(
        self,
        host: &mut H,
        at: Moment,
    ) -> Result<Booked, Stopped> {
        let Self { wallet, request } = self;
        let consent = match host.authorise(&request, at) {
            Ok(consent) => consent,
            // It may have booked.
            Err(cause @ HostError::Unreachable) => {
                let doubt = InDoubt(request.transaction(at));
                return Err(Stopped::InDoubt { doubt, cause: cause.into() });
            }
            Err(refusal) => return Err(WalletError::from(refusal).into()),
        };
        let transaction = request.transaction(consent.at);
        let data = consent.emit();
        let (name, command) = request.direction.complete();
        let complete = command.with_data(&data).with_ne(4);
        match wallet.commit(name, &complete, InDoubt(transaction)) {
            Ok(code) => confirm(host, transaction, request.direction.receipt(code), false),
            Err(Stopped::NotDone(refusal)) => match host.cancel(&transaction) {
                Ok(()) => Err(refusal.into()),
                Err(cause) => {
                    Err(Stopped::InDoubt { doubt: InDoubt(transaction), cause: cause.into() })
                }
            },
            Err(stopped) => Err(stopped),
        }
    }
}

/// Hands the host the card's receipt.
fn confirm<H: LoadHost + ?Sized>(
    host: &mut H,
    transaction: Transaction,
    receipt: Receipt,
    recovered: bool,
) -> Result<Booked, Stopped> {
    match host.confirm(&transaction, receipt) {
        Ok(booking) => Ok(Booked { transaction, receipt, booking, recovered }),
        Err(HostError::NotGenuine) => {
            Err(Stopped::NotGenuine { transaction, code: receipt.code() })
        }
        Err(cause) => Err(Stopped::InDoubt { doubt: InDoubt(transaction), cause: cause.into() }),
    }
}
