//! The purse of PBOC: session keys, codes, diversification, authentication, line protection.
//!
//! Three shapes of entries: single [`step`]s, whole [`transcript`]s of a card and a terminal, and
//! [`computed`] values nobody published.

mod computed;
mod step;
mod transcript;

use xuejika_keyscheme::legacy::mac::ZERO_IV;
use xuejika_keyscheme::legacy::{
    Challenge, Code, DesKey, Fen, Input, LineMac, Load, Moment, Purchase, PurchaseKey,
    PurchaseKind, Purpose, Purse, Root, TdesKey, TerminalId, TransactionType, TransportKey, ecb,
};

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect, expect_if_any};
use crate::vector::{FieldError, Fields};

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match entry {
        entry if entry.has("op") => step::check(entry),
        entry if entry.has("kind") => transcript::check(entry),
        entry => computed::check(entry),
    }
}

/// Diversification is ECB over factor ‖ inverted factor, in one call of an HSM.
pub(super) fn diversification_is_ecb(entry: &Fields<'_>) -> Check {
    let factor: [u8; 8] = entry.array("factor")?;
    let root = key::<Root<PurchaseKey>>(entry, "key")?;
    expect(entry, "out", root.card_key(factor).expose())?;
    let mut blocks = [factor, factor.map(|byte| !byte)].concat();
    let cipher = AnyCipher::new("TDES", root.expose())?;
    with_cipher!(&cipher, cipher => ecb::encrypt(cipher, &mut blocks))?;
    expect(entry, "out", &blocks)
}

/// A key of 16 bytes, or a single-DES key of 8 as two equal halves.
fn key<P: Purpose>(fields: &Fields<'_>, field: &str) -> Result<TdesKey<P>, FieldError> {
    let mut bytes = fields.hex(field)?;
    if bytes.len() == 8 {
        bytes.extend_from_within(..);
    }
    let bytes = bytes.try_into().map_err(|_| fields.error(field, "8 or 16 bytes"))?;
    Ok(TdesKey::import_reporting(bytes).0)
}

/// The field holds the code over `input`, and it is accepted.
fn expect_code<P: Purpose, M: Code>(
    fields: &Fields<'_>,
    field: &str,
    key: &DesKey<P>,
    input: &Input<P, M>,
) -> Check {
    expect(fields, field, &key.code(input).into())?;
    key.verify(input, M::from(fields.array(field)?))?;
    Ok(())
}

/// The field holds the line MAC of the message, and it is accepted.
fn expect_line_mac(
    fields: &Fields<'_>,
    field: &str,
    key: &TdesKey<TransportKey>,
    challenge: &Challenge,
    message: &[u8],
) -> Check {
    expect(fields, field, &<[u8; 4]>::from(key.line_mac(challenge, message)))?;
    key.verify_line(challenge, message, LineMac::from(fields.array(field)?))?;
    Ok(())
}

/// Data enciphered for a key file, both ways. The padded plaintext shows the length byte in front.
fn expect_cryptogram(
    key: &TdesKey<TransportKey>,
    (padded_field, padded): (&str, &Fields<'_>),
    (cryptogram_field, fields): (&str, &Fields<'_>),
) -> Result<Vec<u8>, Problem> {
    let mut plain = fields.hex(cryptogram_field)?;
    let data = key.decrypt_data(&plain)?.to_vec();
    let cipher = AnyCipher::new("TDES", key.expose())?;
    with_cipher!(&cipher, cipher => ecb::decrypt(cipher, &mut plain))?;
    expect(padded, padded_field, &plain)?;
    expect(fields, cryptogram_field, &key.encrypt_data(&data)?)?;
    Ok(data)
}

/// No code of a purse binds a challenge.
fn expect_zero_iv(fields: &Fields<'_>) -> Check {
    expect_if_any(fields, "iv", &ZERO_IV)
}

fn number(fields: &Fields<'_>, field: &str) -> Result<u16, FieldError> {
    fields.array(field).map(u16::from_be_bytes)
}

fn long_number(fields: &Fields<'_>, field: &str) -> Result<u32, FieldError> {
    fields.array(field).map(u32::from_be_bytes)
}

fn fen(fields: &Fields<'_>, field: &str) -> Result<Fen, FieldError> {
    long_number(fields, field).map(Fen)
}

/// What a load and a purchase have in common: type, amount, terminal.
struct Terms {
    kind: TransactionType,
    amount: Fen,
    terminal: TerminalId,
}

impl Terms {
    /// The load of this type.
    fn load(&self) -> Option<Load> {
        let purse = match self.kind {
            TransactionType::PassbookLoad => Purse::Passbook,
            TransactionType::WalletLoad => Purse::Wallet,
            _ => return None,
        };
        Some(Load { purse, amount: self.amount, terminal: self.terminal })
    }

    /// The purchase of this type.
    fn purchase(&self) -> Option<Purchase> {
        let kind = match self.kind {
            TransactionType::Cash => PurchaseKind::Cash,
            TransactionType::PassbookPurchase => PurchaseKind::Passbook,
            TransactionType::WalletPurchase => PurchaseKind::Wallet,
            TransactionType::CompoundPurchase => PurchaseKind::Compound,
            _ => return None,
        };
        Some(Purchase { kind, amount: self.amount, terminal: self.terminal })
    }
}

/// Names of the fields that hold a transaction.
struct Names {
    kind: &'static str,
    amount: &'static str,
    terminal: &'static str,
    date: &'static str,
    time: &'static str,
}

impl Names {
    fn terms(&self, fields: &Fields<'_>) -> Result<Terms, FieldError> {
        let [kind] = fields.array(self.kind)?;
        Ok(Terms {
            kind: TransactionType::from_code(kind)
                .ok_or_else(|| fields.error(self.kind, "a transaction type"))?,
            amount: fen(fields, self.amount)?,
            terminal: TerminalId(fields.array(self.terminal)?),
        })
    }

    fn load(&self, fields: &Fields<'_>) -> Result<Load, FieldError> {
        let load = self.terms(fields)?.load();
        load.ok_or_else(|| fields.error(self.kind, "the type of a load"))
    }

    fn purchase(&self, fields: &Fields<'_>) -> Result<Purchase, FieldError> {
        let purchase = self.terms(fields)?.purchase();
        purchase.ok_or_else(|| fields.error(self.kind, "the type of a purchase"))
    }

    fn moment(&self, fields: &Fields<'_>) -> Result<Moment, FieldError> {
        Ok(Moment { date: fields.array(self.date)?, time: fields.array(self.time)? })
    }
}
