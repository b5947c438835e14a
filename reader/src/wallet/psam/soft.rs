//! A PSAM in software: the model of the card, without the card. Its memory is any [`Nvm`], so that
//! sequence number and failure counter outlive the process where that keeps its bytes.

use alloc::vec::Vec;

use xuejika_card_model::card::OpenError;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::psam::{self, MacPart, PsamIssue, PsamKey, PsamSession, PsamView};
use xuejika_card_model::{Card, factory};
use xuejika_keyscheme::legacy::{Mac2, TerminalId};

use super::{Factors, KeyKind, Psam, PsamError, PurchaseProof, PurchaseRequest, Refused};

/// A PSAM in software. Its keys lie in the host's memory: for test keys only.
#[derive(Debug)]
pub struct SoftPsam<N: Nvm = RamNvm> {
    card: Card<N>,
    session: PsamSession,
}

impl SoftPsam {
    /// A new PSAM of this terminal under the published test keys, in RAM; its sequence begins at 0.
    ///
    /// # Errors
    /// Returns [`PsamError::Memory`], never in practice.
    pub fn test(terminal: TerminalId) -> Result<Self, PsamError> {
        let issue = PsamIssue::test(terminal).map_err(|_| PsamError::Memory)?;
        let memory = factory::psam(&issue, &PsamKey::test());
        Self::open(RamNvm::new(memory)).map_err(|_| PsamError::Memory)?.ok_or(PsamError::Memory)
    }
}

impl<N: Nvm> SoftPsam<N> {
    /// The PSAM in this memory; `None` when it holds another kind of card.
    ///
    /// # Errors
    /// Returns an [`OpenError`] naming what is damaged.
    pub fn open(nvm: N) -> Result<Option<Self>, OpenError> {
        let card = Card::open(nvm)?;
        let is_psam = PsamView::of(&card).is_some();
        Ok(is_psam.then_some(Self { card, session: PsamSession::START }))
    }

    /// Forgets what a card forgets when power goes, and completes an interrupted write.
    ///
    /// # Errors
    /// Returns [`PsamError::Memory`] when the memory cannot be had.
    pub fn reset(&mut self) -> Result<(), PsamError> {
        self.session = PsamSession::START;
        self.card.power_on().map_err(|_| PsamError::Memory)
    }

    /// What it holds.
    #[must_use]
    pub fn view(&self) -> Option<PsamView<'_, N>> {
        PsamView::of(&self.card)
    }

    /// Its memory, to plan a power cut.
    pub const fn nvm_mut(&mut self) -> &mut N {
        self.card.nvm_mut()
    }

    fn psam(&mut self) -> Result<psam::Psam<'_, N>, PsamError> {
        psam::Psam::of(&mut self.card, &mut self.session).ok_or(PsamError::Memory)
    }
}

impl<N: Nvm> Psam for SoftPsam<N> {
    fn terminal(&mut self) -> Result<TerminalId, PsamError> {
        Ok(self.psam()?.view().terminal())
    }

    fn initialise_purchase(
        &mut self,
        request: &PurchaseRequest,
    ) -> Result<PurchaseProof, PsamError> {
        Ok(self.psam()?.initialise_purchase(request)?)
    }

    fn credit_purchase(&mut self, mac2: Mac2) -> Result<(), PsamError> {
        Ok(self.psam()?.credit_purchase(mac2)?)
    }

    fn deliver_key(
        &mut self,
        kind: KeyKind,
        version: u8,
        factors: &Factors,
    ) -> Result<(), PsamError> {
        Ok(self.psam()?.deliver_key(kind, version, factors)?)
    }

    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, PsamError> {
        let mut data = data.to_vec();
        self.psam()?.encrypt(&mut data)?;
        Ok(data)
    }

    fn mac(&mut self, iv: [u8; 8], padded: &[u8]) -> Result<[u8; 4], PsamError> {
        let message = [&iv, padded].concat();
        self.psam()?.mac(MacPart::Whole, &message)?.ok_or(PsamError::OutOfOrder)
    }
}

impl From<Refused> for PsamError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::KeyNotFound => Self::NoKey,
            Refused::KeyUse(_) => Self::KeyUse,
            Refused::Length | Refused::TransactionType(_) => Self::Length,
            Refused::Exhausted => Self::Exhausted,
            Refused::Mac2 => Self::NotGenuine,
            Refused::Locked => Self::Locked,
            Refused::NoPurchase | Refused::NoWorkingKey => Self::OutOfOrder,
            _ => Self::Memory,
        }
    }
}
