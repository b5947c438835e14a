//! Codes of the purse and of line protection, from the host's end (card profile §17.5, §20).

use xuejika_apdu::Command;
use xuejika_card_model::wallet::message::{Consent, Demand, OnlineAnswer, PurchaseAnswer};
use xuejika_keyscheme::legacy::{
    Challenge, ExternalAuthKey, Fen, InternalDecryptKey, InternalEncryptKey, InternalMacKey,
    LineKey, LineMac, Load, LoadKey, Mac1, Mac2, Moment, PinReloadKey, PinUnblockKey, Purchase,
    PurchaseKey, PurchaseKind, Purse, Tac, TacKey, TdesKey, TerminalId, TransactionType, Unload,
    UnloadKey, WalletPurpose,
};

use super::machine::{Machine, Stop};
use crate::conformance::bytes::Template;
use crate::conformance::expect::Expect;
use crate::conformance::step::{Line, LineKeyType, Rule};

/// Length of a MAC of line protection.
const MAC_LEN: usize = 4;

impl Machine<'_> {
    /// A command under line protection, with the answer opened; held back, it only sets `{wire}`.
    pub(super) fn line(&mut self, line: &Line, expect: &Expect) -> Result<(), Stop> {
        let plain = self.bytes(&line.command)?;
        let command =
            Command::parse(&plain).map_err(|error| Stop::Cannot(format!("the case: {error}")))?;
        let challenge = match &line.challenge {
            Some(challenge) => self.bytes(challenge)?,
            None => self.send(&[0x00, 0x84, 0x00, 0x00, 0x04])?.data,
        };
        let challenge = block(&challenge)?;
        let data = if line.secret && !command.data.is_empty() {
            self.encrypt(line.with, command.data)?
        } else {
            command.data.to_vec()
        };
        let [.., le] = command.ne.to_be_bytes();
        let le = if command.ne == 0 { Vec::new() } else { vec![le] };
        let length = self.length(&[&data[..], &[0; MAC_LEN]].concat())?;
        let message = [&command.header()[..], &[length], &data].concat();
        let mac = self.line_mac(line.with, challenge, &message)?;
        let wire = [&message[..], &mac, &le].concat();
        self.set("wire", wire.clone());
        if line.hold {
            return Ok(());
        }
        let mut answer = self.send(&wire)?;
        if answer.status.is_success() && !answer.data.is_empty() {
            let Some((data, mac)) = answer.data.split_last_chunk::<MAC_LEN>() else {
                return Err(Stop::Fails("an answer without MAC".to_owned()));
            };
            if self.line_mac(line.with, challenge, data)? != *mac {
                return Err(Stop::Fails("the MAC of the answer is wrong".to_owned()));
            }
            answer.data = if line.secret {
                let key = self.key::<LineKey>()?;
                let opened = key.decrypt_data(data);
                opened.map_err(|_| Stop::Fails("the answer does not decipher".to_owned()))?.to_vec()
            } else {
                data.to_vec()
            };
        }
        self.judge(expect, &answer)
    }

    fn line_mac(
        &self,
        with: LineKeyType,
        challenge: [u8; 8],
        message: &[u8],
    ) -> Result<[u8; MAC_LEN], Stop> {
        let challenge = Challenge::from(challenge);
        let mac: LineMac = match with {
            LineKeyType::Line => self.key::<LineKey>()?.line_mac(&challenge, message),
            LineKeyType::PinUnblock => self.key::<PinUnblockKey>()?.line_mac(&challenge, message),
        };
        Ok(mac.into())
    }

    fn encrypt(&self, with: LineKeyType, data: &[u8]) -> Result<Vec<u8>, Stop> {
        let encrypted = match with {
            LineKeyType::Line => self.key::<LineKey>()?.encrypt_data(data),
            LineKeyType::PinUnblock => self.key::<PinUnblockKey>()?.encrypt_data(data),
        };
        encrypted.map_err(|error| Stop::Cannot(error.to_string()))
    }

    /// Sends INITIALIZE. After 9000 sets `{balance}`, `{counter}`, `{next}`, `{new-balance}`,
    /// `{random}`, `{demand}` (data of the command that does it), `{answer}` (what it has to be
    /// answered) and `{proof}` (of GET TRANSACTION PROVE).
    pub(super) fn initialise(
        &mut self,
        kind: TransactionType,
        amount: u32,
        expect: &Expect,
    ) -> Result<(), Stop> {
        let (p1, le) = match kind {
            TransactionType::WalletLoad => (0x00, 0x10),
            TransactionType::Unload => (0x05, 0x10),
            TransactionType::CompoundPurchase => (0x03, 0x0F),
            _ => (0x01, 0x0F),
        };
        let terminal: [u8; 6] = self.array("terminal")?;
        let amount = Fen(amount);
        let head = [0x80, 0x50, p1, 0x02, 0x0B, 0x01];
        let command = [&head[..], &amount.emit(), &terminal, &[le]].concat();
        let answer = self.send(&command)?;
        self.judge(expect, &answer)?;
        if !answer.status.is_success() {
            return Ok(());
        }
        let at = Moment { date: self.array("date")?, time: self.array("time")? };
        let terminal = TerminalId(terminal);
        match kind {
            TransactionType::WalletLoad | TransactionType::Unload => {
                let answer = OnlineAnswer::parse(&answer.data)
                    .ok_or_else(|| wrong_length(&answer.data, OnlineAnswer::LEN))?;
                if kind == TransactionType::WalletLoad {
                    self.load(&answer, Load { purse: Purse::Wallet, amount, terminal }, at)
                } else {
                    self.unload(&answer, Unload { amount, terminal }, at)
                }
            }
            _ => {
                let answer = PurchaseAnswer::parse(&answer.data)
                    .ok_or_else(|| wrong_length(&answer.data, PurchaseAnswer::LEN))?;
                let kind = match kind {
                    TransactionType::CompoundPurchase => PurchaseKind::Compound,
                    _ => PurchaseKind::Wallet,
                };
                self.purchase(&answer, Purchase { kind, amount, terminal }, at)
            }
        }
    }

    fn load(&mut self, answer: &OnlineAnswer, load: Load, at: Moment) -> Result<(), Stop> {
        let session = self.key::<LoadKey>()?.session(answer.random, answer.sequence);
        check_mac1(session.code(&load.mac1(answer.balance)), answer.mac1)?;
        let balance = Fen(answer.balance.0.wrapping_add(load.amount.0));
        let tac = self.tac()?.code(&load.tac(balance, answer.sequence, at));
        let mac2: Mac2 = session.code(&load.mac2(at));
        self.set("demand", Consent { at, mac2 }.emit());
        let tac: [u8; 4] = tac.into();
        self.set("answer", tac);
        self.set("proof", [[0; 4], tac].concat());
        self.begun(answer.balance, balance, answer.sequence, answer.random);
        Ok(())
    }

    fn unload(&mut self, answer: &OnlineAnswer, unload: Unload, at: Moment) -> Result<(), Stop> {
        let session = self.key::<UnloadKey>()?.session(answer.random, answer.sequence);
        check_mac1(session.code(&unload.mac1(answer.balance)), answer.mac1)?;
        let balance = Fen(answer.balance.0.wrapping_sub(unload.amount.0));
        let mac3: [u8; 4] = session.code(&unload.mac3(balance, answer.sequence, at)).into();
        self.set("demand", Consent { at, mac2: session.code(&unload.mac2(at)) }.emit());
        self.set("answer", mac3);
        self.set("proof", [mac3, [0; 4]].concat());
        self.begun(answer.balance, balance, answer.sequence, answer.random);
        Ok(())
    }

    fn purchase(
        &mut self,
        answer: &PurchaseAnswer,
        purchase: Purchase,
        at: Moment,
    ) -> Result<(), Stop> {
        let sequence = u32::from_be_bytes(self.array("tsn")?);
        let key = self.key::<PurchaseKey>()?;
        let session = key.session(answer.random, answer.sequence, sequence);
        let mac1 = session.code(&purchase.mac1(at));
        let mac2: [u8; 4] = session.code(&purchase.mac2()).into();
        let tac: Tac = self.tac()?.code(&purchase.tac(sequence, at));
        let tac: [u8; 4] = tac.into();
        self.set("demand", Demand { sequence, at, mac1 }.emit());
        self.set("answer", [tac, mac2].concat());
        self.set("proof", [mac2, tac].concat());
        let balance = Fen(answer.balance.0.wrapping_sub(purchase.amount.0));
        self.begun(answer.balance, balance, answer.sequence, answer.random);
        Ok(())
    }

    fn begun(&mut self, old: Fen, new: Fen, sequence: u16, random: [u8; 4]) {
        self.set("balance", old.emit());
        self.set("new-balance", new.emit());
        self.set("counter", sequence.to_be_bytes());
        self.set("next", sequence.wrapping_add(1).to_be_bytes());
        self.set("random", random);
    }

    fn tac(&self) -> Result<xuejika_keyscheme::legacy::DesKey<TacKey>, Stop> {
        Ok(self.key::<TacKey>()?.folded())
    }

    /// Sets `{result}`.
    pub(super) fn compute(&mut self, rule: Rule, over: &Template) -> Result<(), Stop> {
        let over = self.bytes(over)?;
        let unfit = |_| Stop::Cannot("the case: expected whole blocks".to_owned());
        let result = match rule {
            Rule::ExternalAuthentication => {
                let challenge = Challenge::from(block(&over)?);
                self.key::<ExternalAuthKey>()?.answer(&challenge).to_vec()
            }
            Rule::InternalEncryption => {
                let mut data = over;
                self.key::<InternalEncryptKey>()?.encrypt(&mut data).map_err(unfit)?;
                data
            }
            Rule::InternalDecryption => {
                let mut data = over;
                self.key::<InternalDecryptKey>()?.decrypt(&mut data).map_err(unfit)?;
                data
            }
            Rule::InternalMac => {
                let mac: [u8; 4] = self.key::<InternalMacKey>()?.mac(&over).into();
                mac.to_vec()
            }
            Rule::PinReload => {
                let mac: [u8; 4] = self.key::<PinReloadKey>()?.pin_mac(&over).into();
                mac.to_vec()
            }
            Rule::Purchase => self.purchase_codes(&over)?,
        };
        self.set("result", result);
        Ok(())
    }

    /// MAC1 ‖ MAC2 of a purchase from its parts, as [`Rule::Purchase`] lists them.
    fn purchase_codes(&self, over: &[u8]) -> Result<Vec<u8>, Stop> {
        let parts: [u8; 28] = over.try_into().map_err(|_| {
            Stop::Cannot(format!("the case: {} bytes for a purchase, expected 28", over.len()))
        })?;
        let [r1, r2, r3, r4, c1, c2, a1, a2, a3, a4, kind, rest @ ..] = parts;
        let [t1, t2, t3, t4, t5, t6, d1, d2, d3, d4, h, m, s, n1, n2, n3, n4] = rest;
        let kind = match kind {
            0x09 => PurchaseKind::Compound,
            _ => PurchaseKind::Wallet,
        };
        let amount = Fen(u32::from_be_bytes([a1, a2, a3, a4]));
        let terminal = TerminalId([t1, t2, t3, t4, t5, t6]);
        let at = Moment { date: [d1, d2, d3, d4], time: [h, m, s] };
        let sequence = u32::from_be_bytes([n1, n2, n3, n4]);
        let counter = u16::from_be_bytes([c1, c2]);
        let session = self.key::<PurchaseKey>()?.session([r1, r2, r3, r4], counter, sequence);
        let purchase = Purchase { kind, amount, terminal };
        let mac1: [u8; 4] = session.code(&purchase.mac1(at)).into();
        let mac2: [u8; 4] = session.code(&purchase.mac2()).into();
        Ok([mac1, mac2].concat())
    }

    /// The card's key of this purpose, by its card number.
    fn key<P: WalletPurpose>(&self) -> Result<TdesKey<P>, Stop> {
        let root = self.runner.wallet.root::<P>();
        let root = root.map_err(|error| Stop::Cannot(error.to_string()))?;
        Ok(root.card_key(self.array("number")?))
    }
}

fn check_mac1(expected: Mac1, found: Mac1) -> Result<(), Stop> {
    if expected == found {
        return Ok(());
    }
    let [expected, found] = [expected, found].map(|mac| hex::encode_upper(<[u8; 4]>::from(mac)));
    Err(Stop::Fails(format!("MAC1 {found}, expected {expected}")))
}

fn wrong_length(data: &[u8], expected: usize) -> Stop {
    Stop::Fails(format!("INITIALIZE answered {} bytes, expected {expected}", data.len()))
}

/// A challenge of four bytes, filled up, or of eight.
fn block(challenge: &[u8]) -> Result<[u8; 8], Stop> {
    let whole = match challenge {
        &[a, b, c, d] => [a, b, c, d, 0, 0, 0, 0],
        challenge => challenge.try_into().map_err(|_| {
            Stop::Fails(format!("a challenge of {} bytes, expected 4 or 8", challenge.len()))
        })?,
    };
    Ok(whole)
}
