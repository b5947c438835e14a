//! The virtual card: power, reset, and one response to each command.

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::atr::atr;
use xuejika_card_model::card::Header;
use xuejika_card_model::nvm::{Cut, Nvm, NvmError, RamNvm};
use xuejika_card_model::{Card, OpenError};

use crate::dispatch;
use crate::env::Env;
use crate::state::Power;
use crate::status_map::Refusal;
use crate::transport::{CardDied, Slot};

/// First byte of a random radio identifier (ISO/IEC 14443-3 §6.5.4).
const RANDOM_UID: u8 = 0x08;

/// A card in process. Powered off until [`Self::power_on`].
///
/// ```
/// use xuejika_emulator::{Env, VirtualCard, test_card};
///
/// let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::from_seed(7))?;
/// card.power_on()?;
/// let mut response = Vec::new();
/// card.transmit(b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00", &mut response)?;
/// assert!(response.ends_with(&[0x90, 0x00]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VirtualCard<N: Nvm = RamNvm> {
    card: Card<N>,
    env: Env,
    atr: Vec<u8>,
    random_uid: [u8; 4],
    power: Option<Power>,
    refusal: Option<Refusal>,
}

impl<N: Nvm> VirtualCard<N> {
    /// A card over this memory, taking its challenges from `env`.
    ///
    /// # Errors
    /// Returns an [`OpenError`] naming what is damaged.
    pub fn new(nvm: N, env: Env) -> Result<Self, OpenError> {
        let card = Card::open(nvm)?;
        let atr = atr(card.header());
        Ok(Self { card, env, atr, random_uid: [0; 4], power: None, refusal: None })
    }

    /// A copy of the card with what its memory holds now, powered off, taking its challenges from
    /// `env`. What happens to the one does not touch the other.
    #[must_use]
    pub fn fork(&self, env: Env) -> Self
    where
        N: Clone,
    {
        let (card, atr) = (self.card.clone(), self.atr.clone());
        Self { card, env, atr, random_uid: [0; 4], power: None, refusal: None }
    }

    /// Cold reset: completes a commit that a power cut interrupted, selects the MF and returns the
    /// answer to reset.
    ///
    /// # Errors
    /// Returns an [`NvmError`] when power goes again or the memory cannot be had; the card stays off.
    pub fn power_on(&mut self) -> Result<&[u8], NvmError> {
        let warm = self.power.take().is_some();
        self.card.power_on()?;
        // Only power makes a new one, a reset does not (ISO/IEC 14443-3 §6.5.4).
        if !warm && self.header().privacy.random_uid {
            let [a, b, c] = self.env.random();
            self.random_uid = [RANDOM_UID, a, b, c];
        }
        self.power = Some(Power::new(self.card.tree()));
        Ok(&self.atr)
    }

    /// Removes power; everything volatile is gone.
    pub fn power_off(&mut self) {
        self.power = None;
    }

    /// Warm reset: everything volatile is gone, power stays.
    ///
    /// # Errors
    /// As [`Self::power_on`].
    pub fn reset(&mut self) -> Result<&[u8], NvmError> {
        self.power_on()
    }

    /// Whether the card has power.
    #[must_use]
    pub const fn is_powered(&self) -> bool {
        self.power.is_some()
    }

    /// Executes one command and leaves the response in `response`, replacing what it held.
    ///
    /// # Errors
    /// Returns [`NvmError`] when power was cut in the middle or the memory failed. There is no
    /// response then and the card is off.
    pub fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), NvmError> {
        response.clear();
        let power = self.power.as_mut().ok_or(NvmError::PowerLost)?;
        match dispatch::run(&mut self.card, &mut self.env, power, command, response) {
            Ok(refusal) => {
                self.refusal = refusal;
                Ok(())
            }
            Err(error) => {
                self.power = None;
                response.clear();
                Err(error)
            }
        }
    }

    /// The answer to reset.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// The radio identifier: seven bytes, or the four random ones of the last power-up.
    #[must_use]
    pub fn uid(&self) -> &[u8] {
        let header = self.header();
        if header.privacy.random_uid { &self.random_uid } else { &header.uid }
    }

    /// What the card is.
    #[must_use]
    pub const fn header(&self) -> &Header {
        self.card.header()
    }

    /// Why the last command was refused, if it was: more than the status word tells the peer.
    #[must_use]
    pub const fn last_refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The card's model, to look at.
    #[must_use]
    pub const fn model(&self) -> &Card<N> {
        &self.card
    }

    /// The card's memory, to plan a power cut.
    pub const fn nvm_mut(&mut self) -> &mut N {
        self.card.nvm_mut()
    }
}

impl VirtualCard<RamNvm> {
    /// Plans a power cut. The next [`Self::power_on`] shows what the card made of it.
    pub const fn cut_power(&mut self, cut: Cut) {
        self.card.nvm_mut().arm(Some(cut));
    }
}

impl<N: Nvm> CardChannel for VirtualCard<N> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        Self::transmit(self, command, response).map_err(channel_error)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        Ok(Self::reset(self).map_err(channel_error)?.to_vec())
    }
}

fn channel_error(error: NvmError) -> ChannelError {
    match error {
        NvmError::PowerLost => ChannelError::Removed,
        other => ChannelError::io(&other),
    }
}

/// A failed power-up leaves the card off; the host then sees it die at its first command.
impl<N: Nvm> Slot for VirtualCard<N> {
    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn power_on(&mut self) {
        if Self::power_on(self).is_err() {
            self.power = None;
        }
    }

    fn power_off(&mut self) {
        Self::power_off(self);
    }

    fn reset(&mut self) {
        Slot::power_on(self);
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        Self::transmit(self, command, response).map_err(|_| CardDied)
    }
}
