//! Values computed from the published formulas, for the layouts of which nobody published an
//! example. The name of the entry says the layout.

use xuejika_keyscheme::legacy::{
    Code, DesKey, Fen, Input, LoadKey, Moment, Purchase, PurchaseKey, Purpose, Root, TerminalId,
    TransactionType, Unload, UnloadKey,
};

use super::{Terms, expect_code, key, long_number, number};
use crate::vector::{FieldError, Fields};
use crate::verify::outcome::{Check, Problem, expect};

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match &*entry.vector().id {
        "capp_session_key" => {
            let (random, sequence) = (entry.array("rnd4")?, number(entry, "offline_seq2")?);
            let terminal = long_number(entry, "terminal_seq4")?;
            let session = key::<PurchaseKey>(entry, "key")?.session(random, sequence, terminal);
            expect(entry, "value", session.expose())
        }
        "unload_session_key" => {
            let (random, sequence) = (entry.array("rnd4")?, number(entry, "online_seq2")?);
            let session = key::<UnloadKey>(entry, "key")?.session(random, sequence);
            expect(entry, "value", session.expose())
        }
        "divers_2level" => {
            let level = key::<Root<LoadKey>>(entry, "master")?.level(entry.array("factor1")?);
            expect(entry, "level1", level.expose())?;
            expect(entry, "level2", level.card_key(entry.array("factor2")?).expose())
        }
        "kcv_generic" => {
            let kcv = key::<LoadKey>(entry, "key")?.kcv();
            expect(entry, "value", &kcv.bytes())
        }
        id => code(entry, id),
    }
}

fn code(entry: &Fields<'_>, id: &str) -> Check {
    let bytes = entry.hex("message")?;
    let message = &mut Message { entry, rest: &bytes };
    match id {
        "capp_mac1_type09" => {
            let terms = message.terms()?;
            expect_value(entry, &purchase(entry, &terms)?.mac1(message.moment()?))
        }
        "mohurd_mac1_with_auth_code9" => {
            let terms = message.terms()?;
            let (at, code) = (message.moment()?, message.take()?);
            expect_value(entry, &purchase(entry, &terms)?.mac1_with_auth_code(at, code))
        }
        "capp_mac2" => {
            let (kind, terminal) = (TransactionType::CompoundPurchase, TerminalId([0; 6]));
            let terms = Terms { kind, amount: message.fen()?, terminal };
            expect_value(entry, &purchase(entry, &terms)?.mac2())
        }
        "capp_tac" => {
            let terms = message.terms()?;
            let sequence = u32::from_be_bytes(message.take()?);
            expect_value(entry, &purchase(entry, &terms)?.tac(sequence, message.moment()?))
        }
        "unload_mac1" => {
            let balance = message.fen()?;
            expect_value(entry, &message.unload()?.mac1(balance))
        }
        "unload_mac2" => {
            let unload = message.unload()?;
            expect_value(entry, &unload.mac2(message.moment()?))
        }
        "unload_mac3" => {
            let (balance, sequence) = (message.fen()?, u16::from_be_bytes(message.take()?));
            let unload = message.unload()?;
            expect_value(entry, &unload.mac3(balance, sequence, message.moment()?))
        }
        _ => Err(Problem::NotSupported("value unknown")),
    }
}

fn purchase(entry: &Fields<'_>, terms: &Terms) -> Result<Purchase, FieldError> {
    terms.purchase().ok_or_else(|| entry.error("message", "the type of a purchase"))
}

/// The layout gives the message back, and the key the value.
fn expect_value<P: Purpose, M: Code>(entry: &Fields<'_>, input: &Input<P, M>) -> Check {
    expect(entry, "message", input.bytes())?;
    expect_code(entry, "value", &DesKey::new(entry.array("key8")?), input)
}

/// A message that is taken apart from the front.
struct Message<'a> {
    entry: &'a Fields<'a>,
    rest: &'a [u8],
}

impl Message<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FieldError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.entry.error("message", "the length of its layout"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn fen(&mut self) -> Result<Fen, FieldError> {
        Ok(Fen(u32::from_be_bytes(self.take()?)))
    }

    /// Amount ‖ type ‖ terminal.
    fn terms(&mut self) -> Result<Terms, FieldError> {
        let (amount, [kind], terminal) = (self.fen()?, self.take()?, TerminalId(self.take()?));
        let kind = TransactionType::from_code(kind)
            .ok_or_else(|| self.entry.error("message", "a transaction type"))?;
        Ok(Terms { kind, amount, terminal })
    }

    fn unload(&mut self) -> Result<Unload, FieldError> {
        let Terms { amount, terminal, .. } = self.terms()?;
        Ok(Unload { amount, terminal })
    }

    fn moment(&mut self) -> Result<Moment, FieldError> {
        Ok(Moment { date: self.take()?, time: self.take()? })
    }
}
