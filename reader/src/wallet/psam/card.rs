//! A PSAM that is a card, reached over a channel.

use alloc::vec::Vec;

use xuejika_apdu::{CardChannel, ChannelError, Class, Command, StatusWord};
use xuejika_card_model::file::tree::{PSAM_FID, TERMINAL_SFI};
use xuejika_keyscheme::legacy::{Mac2, TerminalId};

use super::{Factors, KeyKind, Psam, PsamError, PurchaseProof, PurchaseRequest};
use crate::error::Error;
use crate::link;

/// Most data bytes of one CIPHER DATA: as much as PSAMs have been seen to take.
const PIECE: usize = 0x30;

/// A PSAM reached as a card.
#[derive(Debug)]
pub struct CardPsam<C: CardChannel> {
    channel: C,
    terminal: TerminalId,
}

impl<C: CardChannel> CardPsam<C> {
    /// The PSAM behind this channel, freshly reset: reads its terminal number and selects its
    /// application.
    ///
    /// # Errors
    /// Returns a [`PsamError`] when it is no PSAM or does not answer.
    pub fn new(channel: C) -> Result<Self, PsamError> {
        let mut psam = Self { channel, terminal: TerminalId([0; 6]) };
        psam.reset()?;
        Ok(psam)
    }

    /// Resets the card and begins as in [`Self::new`]. A purchase that waits for its MAC2 is given
    /// up.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn reset(&mut self) -> Result<(), PsamError> {
        self.channel.reset()?;
        let read = Command::new(Class::ISO, 0xB0, 0x80 | TERMINAL_SFI, 0x00).with_ne(6);
        let number = self.ask("READ BINARY", &read)?;
        let number = number.as_slice().try_into();
        self.terminal = TerminalId(number.map_err(|_| PsamError::Malformed("READ BINARY"))?);
        self.select()
    }

    /// The channel, to look at the card.
    pub const fn channel(&mut self) -> &mut C {
        &mut self.channel
    }

    fn select(&mut self) -> Result<(), PsamError> {
        let fid = PSAM_FID.to_be_bytes();
        let select = Command::new(Class::ISO, 0xA4, 0x00, 0x00).with_data(&fid).with_ne(256);
        self.ask("SELECT", &select).map(drop)
    }

    /// Sends a command that has to succeed.
    fn ask(&mut self, name: &'static str, command: &Command<'_>) -> Result<Vec<u8>, PsamError> {
        let bytes = command.to_vec().map_err(|error| ChannelError::io(&error))?;
        let mut data = Vec::new();
        let status =
            link::exchange(&mut self.channel, &bytes, &mut data).map_err(|error| match error {
                Error::Channel(error) => PsamError::Channel(error),
                _ => PsamError::Malformed(name),
            })?;
        if status.is_success() { Ok(data) } else { Err(refusal(name, status)) }
    }

    fn cipher(&mut self, p1: u8, data: &[u8], ne: u32) -> Result<Vec<u8>, PsamError> {
        let cipher = Command::new(Class::OWN, 0xFA, p1, 0x00).with_data(data).with_ne(ne);
        self.ask("CIPHER DATA", &cipher)
    }
}

impl<C: CardChannel> Psam for CardPsam<C> {
    fn terminal(&mut self) -> Result<TerminalId, PsamError> {
        Ok(self.terminal)
    }

    fn initialise_purchase(
        &mut self,
        request: &PurchaseRequest,
    ) -> Result<PurchaseProof, PsamError> {
        let data = request.emit();
        let init = Command::new(Class::OWN, 0x70, 0x00, 0x00).with_data(&data).with_ne(8);
        let answer = self.ask("INITIALIZE FOR PURCHASE", &init)?;
        PurchaseProof::parse(&answer).ok_or(PsamError::Malformed("INITIALIZE FOR PURCHASE"))
    }

    fn credit_purchase(&mut self, mac2: Mac2) -> Result<(), PsamError> {
        let mac2: [u8; 4] = mac2.into();
        let credit = Command::new(Class::OWN, 0x72, 0x00, 0x00).with_data(&mac2);
        self.ask("CREDIT FOR PURCHASE", &credit).map(drop)
    }

    fn deliver_key(
        &mut self,
        kind: KeyKind,
        version: u8,
        factors: &Factors,
    ) -> Result<(), PsamError> {
        let data = factors.list().as_flattened();
        let usage = factors.usage(kind);
        let deliver = Command::new(Class::OWN, 0x1A, usage, version).with_data(data);
        self.ask("DELIVERY KEY", &deliver).map(drop)
    }

    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, PsamError> {
        let mut cryptogram = Vec::with_capacity(data.len());
        let mut rest = data;
        while let Some((piece, more)) = rest.split_at_checked(PIECE)
            && !more.is_empty()
        {
            cryptogram.extend(self.cipher(0x02, piece, 256)?);
            rest = more;
        }
        cryptogram.extend(self.cipher(0x00, rest, 256)?);
        if cryptogram.len() == data.len() {
            Ok(cryptogram)
        } else {
            Err(PsamError::Malformed("CIPHER DATA"))
        }
    }

    fn mac(&mut self, iv: [u8; 8], padded: &[u8]) -> Result<[u8; 4], PsamError> {
        let message = [&iv, padded].concat();
        let (mut rest, mut first) = (message.as_slice(), true);
        while let Some((piece, more)) = rest.split_at_checked(PIECE)
            && !more.is_empty()
        {
            self.cipher(if first { 0x07 } else { 0x03 }, piece, 0)?;
            (rest, first) = (more, false);
        }
        let mac = self.cipher(if first { 0x05 } else { 0x01 }, rest, 4)?;
        mac.as_slice().try_into().map_err(|_| PsamError::Malformed("CIPHER DATA"))
    }
}

/// What a status word of a PSAM means.
fn refusal(command: &'static str, status: StatusWord) -> PsamError {
    match status.bytes() {
        [0x93, 0x02] => PsamError::NotGenuine,
        [0x93, 0x03] => PsamError::Locked,
        [0x94, 0x02] => PsamError::Exhausted,
        [0x94, 0x03] => PsamError::NoKey,
        [0x69, 0x01 | 0x85] => PsamError::OutOfOrder,
        [0x69, 0x82] => PsamError::KeyUse,
        [0x67, 0x00] => PsamError::Length,
        _ => PsamError::Status { command, status },
    }
}
