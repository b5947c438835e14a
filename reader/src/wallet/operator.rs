//! What the operator does to a wallet at the guardian's wish (监护人申请): open, stop, resume, and
//! refund, each a change of the enable flag under line protection.

use xuejika_apdu::{CardChannel, Class, Command};
use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::wallet::EnableFlag;
use xuejika_keyscheme::legacy::{Challenge, Fen, Moment, TerminalId};

use super::card::WalletCard;
use super::error::{Stopped, WalletError};
use super::host::{LoadHost, Operator};
use super::load::{Booked, Direction};
use super::pin::Pin;

/// Interindustry class with the bit of line protection.
const PROTECTED: Class = Class(0x04);

/// Length of the MAC at the end of a protected command.
const MAC_LEN: u8 = 4;

impl<C: CardChannel> WalletCard<C> {
    /// Sets the enable flag: open, stop (停用), resume, close. The card knows which changes there
    /// are.
    ///
    /// # Errors
    /// Returns [`WalletError::Refused`] for a change the card does not make. Setting a flag twice
    /// changes nothing, so a lost answer is settled by doing it again.
    pub fn set_flag<O: Operator + ?Sized>(
        &mut self,
        operator: &mut O,
        flag: EnableFlag,
    ) -> Result<(), WalletError> {
        let get = Command::new(Class::ISO, 0x84, 0x00, 0x00).with_ne(4);
        let challenge = self.command("GET CHALLENGE", &get)?;
        let random: [u8; 4] =
            challenge.try_into().map_err(|_| WalletError::Malformed("GET CHALLENGE"))?;
        let update = Command::new(PROTECTED, 0xD6, 0x80 | wallet_sfi::CONTROL, 0x00);
        let [cla, ins, p1, p2] = update.header();
        let message = [cla, ins, p1, p2, 1 + MAC_LEN, flag.code()];
        let mac = operator.line_mac(self.number(), &Challenge::from(random), &message)?;
        let [m1, m2, m3, m4] = mac.into();
        let data = [flag.code(), m1, m2, m3, m4];
        self.command("UPDATE BINARY", &update.with_data(&data)).map(drop)
    }

    /// Refunds (退余额) and closes the wallet: suspends it, unloads all it holds, and sets the flag
    /// to closed. Begun again after an interruption it goes on where it was. Needs the PIN, unless
    /// the wallet is empty.
    ///
    /// # Errors
    /// Returns a [`Stopped`]; the flag tells how far it came.
    pub fn refund<H: LoadHost + Operator + ?Sized>(
        &mut self,
        host: &mut H,
        pin: &Pin,
        terminal: TerminalId,
        at: Moment,
    ) -> Result<Option<Booked>, Stopped> {
        if self.flag()? == EnableFlag::Open {
            self.set_flag(host, EnableFlag::Suspended)?;
        }
        let balance = self.balance()?;
        let unloaded = if balance == Fen(0) {
            None
        } else {
            self.verify(pin)?;
            Some(self.transfer(host, Direction::Unload, balance, terminal, at)?)
        };
        // A card closes a suspended wallet by itself when the last fen leaves it.
        if self.flag()? != EnableFlag::Closed {
            self.set_flag(host, EnableFlag::Closed)?;
        }
        Ok(unloaded)
    }
}
