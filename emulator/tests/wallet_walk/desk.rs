//! The issuer's desk: whatever happened to a wallet, the issuer's keys bring it back into use, unless it
//! was blocked for good by command.

use super::commands::{Hand, apdu};
use super::ledger::{CEILING, Kind, Lock, Secret};
use super::support::rng::Rng;
use super::walk::{Tally, Wallet};

const SELECT_MF: [u8; 7] = [0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00];
const SELECT_WALLET: [u8; 7] = [0x00, 0xA4, 0x00, 0x00, 0x02, 0x10, 0x01];
const PIN: [u8; 3] = [0x12, 0x34, 0x56];

/// Brings a wallet back into use, and loads and spends one fen.
pub(crate) fn recover(wallet: &mut Wallet, rng: &mut Rng, tally: &mut Tally) -> Result<(), String> {
    wallet.reset()?;
    if wallet.is_dead() {
        return Ok(());
    }
    let money = wallet.ledger.kept.balance;
    let mut desk = Desk { wallet, rng, tally };
    desk.free_keys()?;
    desk.must(&Hand::reload_pin(&desk.wallet.ledger, &PIN))?;
    if desk.wallet.ledger.kept.flag != 1 {
        desk.line([0x04, 0xD6, 0x85, 0x00], &[1])?;
    }
    if desk.wallet.ledger.kept.balance != money {
        return Err("money is gone".into());
    }
    desk.use_it()?;
    desk.tally.recoveries += 1;
    Ok(())
}

struct Desk<'a> {
    wallet: &'a mut Wallet,
    rng: &'a mut Rng,
    tally: &'a mut Tally,
}

impl Desk<'_> {
    /// A command that the card has to carry out.
    fn must(&mut self, apdu: &[u8]) -> Result<(), String> {
        let reply = self.wallet.send(apdu, self.tally)?;
        let done = reply.sw == 0x9000;
        done.then_some(())
            .ok_or_else(|| format!("{} is refused: {:04X}", hex::encode(apdu), reply.sw))
    }

    /// EXTERNAL AUTHENTICATE frees the operator's keys, unblocking the others.
    fn free_keys(&mut self) -> Result<(), String> {
        self.must(&SELECT_MF)?;
        let challenge = self.challenge()?;
        self.must(&Hand::authenticate(&self.wallet.ledger, challenge))?;
        // Of a blocked wallet SELECT says so.
        self.wallet.send(&SELECT_WALLET, self.tally)?;
        let kept = &self.wallet.ledger.kept;
        let is_spent = |secret| kept.tries(secret) == 0;
        if kept.lock != Lock::None || is_spent(Secret::Load) || is_spent(Secret::Unload) {
            self.line([0x84, 0x18, 0x00, 0x00], &[])?;
        }
        self.must(&SELECT_WALLET)
    }

    fn use_it(&mut self) -> Result<(), String> {
        let kept = &self.wallet.ledger.kept;
        if kept.online != u16::MAX && kept.balance < CEILING {
            self.must(&apdu([0x00, 0x20, 0x00, 0x01], &PIN))?;
            self.transact(Kind::Load)?;
        }
        let kept = &self.wallet.ledger.kept;
        if kept.offline != u16::MAX && kept.balance > 0 {
            self.transact(Kind::Purchase)?;
        }
        Ok(())
    }

    fn transact(&mut self, kind: Kind) -> Result<(), String> {
        self.must(&Hand::begin(kind, 1))?;
        let pending = self.wallet.ledger.pending.clone().expect("a transaction has begun");
        let ledger = &self.wallet.ledger;
        let apdu = Hand { ledger, seen: &[], rng: self.rng }.finish(&pending);
        self.must(&apdu)
    }

    fn challenge(&mut self) -> Result<[u8; 8], String> {
        self.must(&[0x00, 0x84, 0x00, 0x00, 0x08])?;
        Ok(self.wallet.ledger.challenge.expect("a challenge"))
    }

    fn line(&mut self, header: [u8; 4], data: &[u8]) -> Result<(), String> {
        let challenge = self.challenge()?;
        self.must(&Hand::line(&self.wallet.ledger, header, data, challenge))
    }
}
