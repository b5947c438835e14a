//! What a PSAM does: two steps of a purchase, and the delivery of a working key.

use alloc::boxed::Box;

use xuejika_keyscheme::legacy::proof::CODE_LEN;
use xuejika_keyscheme::legacy::{DesKey, Mac2, Purchase, PurchaseKey, TerminalId};

use super::cipher::{MacPart, WorkingKey};
use super::info::{ApplicationInfo, PublicInfo};
use super::key::{InvalidPsamKey, KeyKind, PsamKey};
use super::{Factors, PsamError, PurchaseProof, PurchaseRequest};
use crate::card::{Card, CardError};
use crate::date::DateError;
use crate::file::Ef;
use crate::file::tree::{CardKind, psam};
use crate::nvm::Nvm;

/// Bytes of the failure counter in front of the key slots.
pub(crate) const FAILURES_LEN: usize = 1;

/// Consecutive wrong MAC2 that lock a PSAM for good (project-defined).
pub const MAC2_LIMIT: u8 = 3;

/// What a PSAM forgets at reset.
#[derive(Debug)]
pub struct PsamSession {
    /// Boxed: taken out, it leaves nothing of its key in its place.
    pending: Option<Box<PendingPurchase>>,
    working: Option<WorkingKey>,
}

impl PsamSession {
    /// After a reset: nothing is pending.
    pub const START: Self = Self { pending: None, working: None };
}

/// A purchase between its two steps. The number in it is used up.
#[derive(Debug)]
struct PendingPurchase {
    session: DesKey<PurchaseKey>,
    purchase: Purchase,
}

/// The PSAM on a card of that kind, at work.
#[derive(Debug)]
pub struct Psam<'a, N: Nvm> {
    card: &'a mut Card<N>,
    session: &'a mut PsamSession,
}

impl<'a, N: Nvm> Psam<'a, N> {
    /// The PSAM this card is; `None` for another kind of card.
    pub fn of(card: &'a mut Card<N>, session: &'a mut PsamSession) -> Option<Self> {
        (card.header().kind == CardKind::Psam).then_some(Self { card, session })
    }

    /// What it holds.
    #[must_use]
    pub const fn view(&self) -> PsamView<'_, N> {
        PsamView { card: self.card }
    }

    /// Step one of a purchase: uses up a sequence number, durably, and only then tells it and MAC1. A
    /// purchase that waits for its MAC2 is given up, even when this one is refused.
    ///
    /// # Errors
    /// Returns [`PsamError::Locked`], [`PsamError::Exhausted`] or [`PsamError::KeyNotFound`]; or
    /// what a failed write gives: the number may be used up then, but nothing was told.
    pub fn initialise_purchase(
        &mut self,
        request: &PurchaseRequest,
    ) -> Result<PurchaseProof, PsamError> {
        self.session.pending = None;
        self.check_lock()?;
        let sequence = self.view().sequence();
        if sequence == u32::MAX {
            return Err(PsamError::Exhausted);
        }
        let key = self
            .key(KeyKind::Purchase, request.version, &request.factors)?
            .derive::<PurchaseKey>(&request.factors);
        self.use_up(sequence)?;
        let session = key.session(request.random, request.sequence, sequence);
        let purchase = request.purchase(self.view().terminal());
        let mac1 = session.code(&purchase.mac1(request.at));
        self.session.pending = Some(Box::new(PendingPurchase { session, purchase }));
        Ok(PurchaseProof { sequence, mac1 })
    }

    /// Step two: checks the card's MAC2 and ends the purchase. A wrong one is counted, durably,
    /// before it is told; a right one clears the count.
    ///
    /// # Errors
    /// Returns [`PsamError::NoPurchase`], [`PsamError::Locked`], [`PsamError::Mac2`], or what a
    /// failed write gives; nothing is known of the MAC2 then.
    pub fn credit_purchase(&mut self, mac2: Mac2) -> Result<(), PsamError> {
        let pending = self.session.pending.take().ok_or(PsamError::NoPurchase)?;
        self.check_lock()?;
        let failures = self.view().mac2_failures();
        let verified = pending.session.verify(&pending.purchase.mac2(), mac2);
        if verified.is_err() {
            self.write(&psam::KEYS, &[failures.saturating_add(1)])?;
            return Err(PsamError::Mac2);
        }
        if failures > 0 {
            self.write(&psam::KEYS, &[0])?;
        }
        Ok(())
    }

    /// Derives the working key of [`Self::encrypt`] and [`Self::mac`], in the place of the one before.
    ///
    /// # Errors
    /// Returns [`PsamError::KeyUse`] for a purchase key, which would give away session keys, and
    /// [`PsamError::KeyNotFound`]. There is no working key then.
    pub fn deliver_key(
        &mut self,
        kind: KeyKind,
        version: u8,
        factors: &Factors,
    ) -> Result<(), PsamError> {
        self.session.working = None;
        if !kind.encrypts() && !kind.makes_macs() {
            return Err(PsamError::KeyUse(kind.code()));
        }
        let key = self.key(kind, version, factors)?.derive(factors);
        self.session.working = Some(WorkingKey::new(kind, key));
        Ok(())
    }

    /// Encrypts whole blocks of 8 bytes in place under the working key (ECB).
    ///
    /// # Errors
    /// Returns [`PsamError::NoWorkingKey`], [`PsamError::KeyUse`] when its kind does not encrypt,
    /// [`PsamError::Length`] for no or broken blocks.
    pub fn encrypt(&self, data: &mut [u8]) -> Result<(), PsamError> {
        self.session.working.as_ref().ok_or(PsamError::NoWorkingKey)?.encrypt(data)
    }

    /// Takes a part of a message; with the end of it gives the retail MAC under the working key, left
    /// four bytes. Any refusal forgets the message.
    ///
    /// # Errors
    /// Returns [`PsamError::NoWorkingKey`] without a key or a beginning, [`PsamError::KeyUse`] when
    /// its kind makes no MACs, [`PsamError::Length`] for no or broken blocks, or for more than
    /// [`MAC_MESSAGE_LIMIT`](super::MAC_MESSAGE_LIMIT).
    pub fn mac(&mut self, part: MacPart, data: &[u8]) -> Result<Option<[u8; CODE_LEN]>, PsamError> {
        self.session.working.as_mut().ok_or(PsamError::NoWorkingKey)?.mac(part, data)
    }

    fn check_lock(&self) -> Result<(), PsamError> {
        if self.view().is_locked() { Err(PsamError::Locked) } else { Ok(()) }
    }

    fn key(&self, kind: KeyKind, version: u8, factors: &Factors) -> Result<PsamKey, PsamError> {
        let serves = |key: &Result<PsamKey, _>| {
            key.as_ref().map_or(true, |key| key.serves(kind, version, factors))
        };
        Ok(self.view().keys().find(serves).ok_or(PsamError::KeyNotFound)??)
    }

    /// Stores that this number is gone.
    fn use_up(&mut self, sequence: u32) -> Result<(), PsamError> {
        self.write(&psam::SEQUENCE, &sequence.saturating_add(1).to_be_bytes())
    }

    /// Overwrites the beginning of a file, in one transaction.
    fn write(&mut self, file: &Ef, bytes: &[u8]) -> Result<(), PsamError> {
        let mut txn = self.card.begin();
        txn.write(file.offset, bytes);
        Ok(txn.commit().map_err(CardError::from)?)
    }
}

/// What a PSAM holds, to look at.
#[derive(Debug)]
pub struct PsamView<'a, N: Nvm> {
    card: &'a Card<N>,
}

impl<'a, N: Nvm> PsamView<'a, N> {
    /// The PSAM this card is; `None` for another kind of card.
    pub fn of(card: &'a Card<N>) -> Option<Self> {
        (card.header().kind == CardKind::Psam).then_some(Self { card })
    }

    /// Whether every key can be read, and none serves two purposes.
    pub(crate) fn check(&self) -> Result<(), InvalidPsamKey> {
        for (index, key) in self.keys().enumerate() {
            let key = key?;
            for other in self.keys().take(index) {
                if key.is_misused_by(&other?) {
                    return Err(InvalidPsamKey::Shared(key.usage()));
                }
            }
        }
        Ok(())
    }

    /// Number of the terminal (终端机编号).
    #[must_use]
    pub fn terminal(&self) -> TerminalId {
        TerminalId(self.head(&psam::TERMINAL))
    }

    /// The sequence number that the next purchase gets; FFFFFFFF is never given.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        u32::from_be_bytes(self.head(&psam::SEQUENCE))
    }

    /// Consecutive wrong MAC2 so far; at [`MAC2_LIMIT`] the PSAM is locked.
    #[must_use]
    pub fn mac2_failures(&self) -> u8 {
        let [failures] = self.head(&psam::KEYS);
        failures
    }

    /// Whether MAC2 was wrong too often.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.mac2_failures() >= MAC2_LIMIT
    }

    /// Its keys, one after the other: a list that grew would leave some in the memory it gives back.
    /// In the place of one that cannot be read comes an [`InvalidPsamKey`].
    pub fn keys(&self) -> impl Iterator<Item = Result<PsamKey, InvalidPsamKey>> + use<'_, N> {
        let slots = self.card.contents(&psam::KEYS).get(FAILURES_LEN..).unwrap_or(&[]);
        let (slots, _) = slots.as_chunks();
        slots.iter().filter_map(|slot| PsamKey::parse(slot).transpose())
    }

    /// What it says of itself.
    #[must_use]
    pub fn public(&self) -> PublicInfo {
        PublicInfo::parse(&self.head(&psam::PUBLIC))
    }

    /// What it says of its application.
    ///
    /// # Errors
    /// Returns [`DateError`] when a day in it is no date.
    pub fn application(&self) -> Result<ApplicationInfo, DateError> {
        ApplicationInfo::parse(&self.head(&psam::APPLICATION))
    }

    /// The first bytes of a file; every file is longer.
    fn head<const M: usize>(&self, file: &Ef) -> [u8; M] {
        self.card.contents(file).first_chunk().copied().unwrap_or([0; M])
    }
}
