//! A purchase, simple (消费) or compound (复合消费): card, terminal and PSAM.
//!
//! ```text
//! WalletCard ─ initialise ─► Initialised ─ debit ─┬─ answer known ─► Debited
//!                             ▲ │ cache           └─ answer lost ──► InDoubt ─ settle ─┬─► Debited
//!                             └─┘                                                      └─► not done
//! ```
//!
//! A card between INITIALIZE and DEBIT is borrowed by [`Initialised`]: any other command would end
//! the transaction.

use xuejika_apdu::{CardChannel, Class, Command};
use xuejika_card_model::wallet::message::{Demand, PurchaseAnswer};
use xuejika_keyscheme::legacy::{
    Fen, Mac2, Moment, Purchase, PurchaseKind, Tac, TerminalId, TransactionType,
};

use super::card::{Fate, WalletCard};
use super::error::{Stopped, WalletError};
use super::psam::{Factors, Psam, PsamError, PurchaseProof, PurchaseRequest};
use super::transaction::{InDoubt, Transaction};

/// A terminal (终端机): a PSAM, and which of its purchases still waits for MAC2.
#[derive(Debug)]
pub struct Terminal<P> {
    psam: P,
    number: TerminalId,
    /// Terminal sequence number of the purchase whose MAC2 the PSAM can still check.
    pending: Option<u32>,
}

/// What is to be paid.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The amount, in fen.
    pub amount: Fen,
    /// When, by the terminal's clock.
    pub at: Moment,
    /// Records a compound purchase writes together with the debit; a simple purchase has none.
    pub cache: &'a [CacheUpdate<'a>],
}

/// A record that a compound purchase writes (UPDATE CAPP DATA CACHE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheUpdate<'a> {
    /// Short identifier of the file, 1 to 30.
    pub file: u8,
    /// Which record.
    pub record: CacheRecord,
    /// The record.
    pub data: &'a [u8],
}

/// How a record is named in UPDATE CAPP DATA CACHE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheRecord {
    /// By its tag, the first byte.
    Tag(u8),
    /// By its number.
    Number(u8),
}

impl CacheUpdate<'_> {
    const fn command(&self) -> Command<'_> {
        let (p1, how) = match self.record {
            CacheRecord::Tag(tag) => (tag, 0x00),
            CacheRecord::Number(number) => (number, 0x04),
        };
        Command::new(Class::OWN, 0xDC, p1, self.file << 3 | how).with_data(self.data)
    }
}

/// A purchase the card has agreed to; nothing is debited.
#[derive(Debug)]
#[must_use]
pub struct Initialised<'w, C> {
    wallet: &'w mut WalletCard<C>,
    purchase: Purchase,
    answer: PurchaseAnswer,
}

/// A purchase that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debited {
    /// The purchase.
    pub transaction: Transaction,
    /// The operator's evidence, to be sent in for settlement.
    pub tac: Tac,
    /// What the terminal itself has seen of the card's genuineness.
    pub evidence: Evidence,
    /// Whether the answer was lost and the card gave it again.
    pub recovered: bool,
}

/// What a terminal knows of the card that paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The PSAM has checked MAC2: the card is genuine and has paid.
    Mac2,
    /// The PSAM could not check MAC2 any more, after other purchases; only the operator can tell,
    /// by the TAC.
    TacOnly,
}

impl<C: CardChannel> WalletCard<C> {
    /// INITIALIZE FOR PURCHASE, or FOR CAPP PURCHASE for a compound one: the card checks that it
    /// can pay. Nothing changes.
    ///
    /// # Errors
    /// Returns [`WalletError::Refused`], such as [`Meaning::InsufficientBalance`].
    ///
    /// [`Meaning::InsufficientBalance`]: super::Meaning::InsufficientBalance
    pub fn initialise_purchase(
        &mut self,
        amount: Fen,
        terminal: TerminalId,
        compound: bool,
    ) -> Result<Initialised<'_, C>, WalletError> {
        let (name, p1, kind) = if compound {
            ("INITIALIZE FOR CAPP PURCHASE", 0x03, PurchaseKind::Compound)
        } else {
            ("INITIALIZE FOR PURCHASE", 0x01, PurchaseKind::Wallet)
        };
        let answer = self.initialise(name, p1, (amount, terminal), PurchaseAnswer::LEN)?;
        let answer = PurchaseAnswer::parse(&answer).ok_or(WalletError::Malformed(name))?;
        Ok(Initialised { wallet: self, purchase: Purchase { kind, amount, terminal }, answer })
    }
}

impl<C: CardChannel> Initialised<'_, C> {
    /// What the card answered.
    #[must_use]
    pub const fn answer(&self) -> &PurchaseAnswer {
        &self.answer
    }

    /// UPDATE CAPP DATA CACHE: hands the card a record to be written with the debit.
    ///
    /// # Errors
    /// Returns a [`WalletError`]; the purchase has ended then and nothing has changed.
    pub fn cache(self, update: &CacheUpdate<'_>) -> Result<Self, WalletError> {
        self.wallet.command("UPDATE CAPP DATA CACHE", &update.command())?;
        Ok(self)
    }

    /// DEBIT FOR PURCHASE: the card pays. The PSAM's number is used up whatever comes of it.
    ///
    /// # Errors
    /// Returns [`Stopped::NotDone`] when PSAM or card refuse, [`Stopped::InDoubt`] when the card's
    /// answer is lost or says nothing, [`Stopped::NotGenuine`] when its MAC2 is wrong.
    pub fn debit<P: Psam>(
        self,
        terminal: &mut Terminal<P>,
        at: Moment,
    ) -> Result<Debited, Stopped> {
        let Self { wallet, purchase, answer } = self;
        let proof = terminal.begin(&PurchaseRequest {
            random: answer.random,
            sequence: answer.sequence,
            amount: purchase.amount,
            kind: purchase.kind,
            at,
            version: answer.version,
            algorithm: answer.algorithm,
            factors: Factors::card(wallet.number().0),
        })?;
        let transaction = Transaction {
            card: wallet.number(),
            kind: purchase.transaction_type(),
            amount: purchase.amount,
            old_balance: answer.balance,
            sequence: answer.sequence,
            terminal: purchase.terminal,
            terminal_sequence: proof.sequence,
            at,
        };
        let data = Demand { sequence: proof.sequence, at, mac1: proof.mac1 }.emit();
        let debit = Command::new(Class::OWN, 0x54, 0x01, 0x00).with_data(&data).with_ne(8);
        let answer = wallet.commit("DEBIT FOR PURCHASE", &debit, InDoubt(transaction))?;
        let [t1, t2, t3, t4, m1, m2, m3, m4] = answer;
        let tac = Tac::from([t1, t2, t3, t4]);
        terminal.end(transaction, tac, Mac2::from([m1, m2, m3, m4]), false)
    }
}

impl<P: Psam> Terminal<P> {
    /// The terminal that this PSAM makes.
    ///
    /// # Errors
    /// Returns a [`PsamError`] when the PSAM does not tell its number.
    pub fn new(mut psam: P) -> Result<Self, PsamError> {
        let number = psam.terminal()?;
        Ok(Self { psam, number, pending: None })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> TerminalId {
        self.number
    }

    /// The PSAM, given back.
    #[must_use]
    pub fn into_psam(self) -> P {
        self.psam
    }

    /// A whole purchase. When the answer is lost, asks the card at once what became of it.
    ///
    /// # Errors
    /// Returns a [`Stopped`]: not done, or in doubt until the card is back.
    pub fn purchase<C: CardChannel>(
        &mut self,
        wallet: &mut WalletCard<C>,
        order: &Order<'_>,
    ) -> Result<Debited, Stopped> {
        match self.attempt(wallet, order) {
            Err(Stopped::InDoubt { doubt, cause }) => match self.settle(wallet, doubt) {
                Err(Stopped::NotDone(_)) => Err(cause.not_done()),
                settled => settled,
            },
            ended => ended,
        }
    }

    /// A whole purchase, once.
    fn attempt<C: CardChannel>(
        &mut self,
        wallet: &mut WalletCard<C>,
        order: &Order<'_>,
    ) -> Result<Debited, Stopped> {
        let compound = !order.cache.is_empty();
        let mut begun = wallet.initialise_purchase(order.amount, self.number, compound)?;
        for update in order.cache {
            begun = begun.cache(update)?;
        }
        begun.debit(self, order.at)
    }

    /// Ends the doubt about a purchase with the same card: done, with TAC and MAC2, or not done.
    /// Doing it again gives the same.
    ///
    /// # Errors
    /// Returns [`Stopped::NotDone`] with [`WalletError::Interrupted`] when the card has not paid,
    /// [`Stopped::InDoubt`] when it cannot be asked, [`Stopped::NotGenuine`] for a wrong MAC2, and
    /// [`Stopped::Unproven`] when another terminal was in between.
    pub fn settle<C: CardChannel>(
        &mut self,
        wallet: &mut WalletCard<C>,
        doubt: InDoubt,
    ) -> Result<Debited, Stopped> {
        let transaction = *doubt.transaction();
        if !is_purchase(transaction.kind) {
            let cause = WalletError::WrongSide(transaction.kind.code());
            return Err(Stopped::InDoubt { doubt, cause });
        }
        match wallet.ask(&doubt) {
            Ok(Fate::Done(proof)) => self.end(transaction, proof.tac, proof.mac2(), true),
            Ok(Fate::NotDone) => Err(WalletError::Interrupted.into()),
            Ok(Fate::Logged(record)) => Err(Stopped::Unproven { transaction, record }),
            Err(cause) => Err(Stopped::InDoubt { doubt, cause }),
        }
    }

    fn begin(&mut self, request: &PurchaseRequest) -> Result<PurchaseProof, WalletError> {
        self.pending = None;
        let proof = self.psam.initialise_purchase(request)?;
        self.pending = Some(proof.sequence);
        Ok(proof)
    }

    /// Has MAC2 checked, when the PSAM still can.
    fn end(
        &mut self,
        transaction: Transaction,
        tac: Tac,
        mac2: Mac2,
        recovered: bool,
    ) -> Result<Debited, Stopped> {
        let waits = transaction.terminal == self.number
            && self.pending == Some(transaction.terminal_sequence);
        let evidence = match waits.then(|| self.psam.credit_purchase(mac2)) {
            Some(Ok(())) => Evidence::Mac2,
            Some(Err(PsamError::NotGenuine)) => {
                self.pending = None;
                return Err(Stopped::NotGenuine { transaction, code: tac.into() });
            }
            Some(Err(_)) | None => Evidence::TacOnly,
        };
        if waits {
            self.pending = None;
        }
        Ok(Debited { transaction, tac, evidence, recovered })
    }
}

const fn is_purchase(kind: TransactionType) -> bool {
    matches!(
        kind,
        TransactionType::Cash
            | TransactionType::PassbookPurchase
            | TransactionType::WalletPurchase
            | TransactionType::CompoundPurchase
    )
}
