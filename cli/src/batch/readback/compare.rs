//! A presented card against its row, field by field.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xuejika_apdu::CardChannel;
use xuejika_batch::chip::hex_bytes;
use xuejika_batch::one_row::OneRow;
use xuejika_batch::{Column, KeySlot, Plan};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::record::Issuance;
use xuejika_emulator::Env;
use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::provider::{KeyProvider, Path};
use xuejika_reader::wallet::{WalletCard, WalletError};
use xuejika_reader::{Error, Proof, StockCard};

use crate::clock::fork;
use crate::exit::{Failure, Outcome};

/// GET DATA of a PC/SC reader for the UID of the card in its field (PC/SC part 3 §3.2.2.1.3).
const GET_UID: [u8; 5] = [0xFF, 0xCA, 0x00, 0x00, 0x00];

/// The city, which accepts batches: the unit of the terminal that cards see.
const CITY: &str = "010000";

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// Column of the row, with the field of an image behind a dot.
    pub(crate) field: String,
    /// What the row has.
    pub(crate) expected: String,
    /// What the card has.
    pub(crate) found: String,
}

impl Difference {
    fn new(column: Column, expected: &str, found: &str) -> Self {
        let field = column.name().to_owned();
        Self { field, expected: expected.to_owned(), found: found.to_owned() }
    }
}

/// Compares cards with rows.
pub(crate) struct Comparer<'a> {
    /// The batch.
    pub(crate) plan: &'a Plan,
    /// Its roots.
    pub(crate) keys: &'a dyn KeyProvider,
    /// Randomness.
    pub(crate) env: Env,
}

impl Comparer<'_> {
    /// Versions, keys and the issuance record.
    pub(crate) fn keys_and_record<C: CardChannel>(
        &mut self,
        card: &mut StockCard<C>,
        row: &OneRow,
    ) -> Outcome<Vec<Difference>> {
        let mut differences = Vec::new();
        if card.algorithm() != Some(self.plan.algorithm) {
            let found = card.algorithm().map_or("another".to_owned(), |found| found.to_string());
            let expected = self.plan.algorithm.to_string();
            let field = "algorithm".to_owned();
            differences.push(Difference { field, expected, found });
            return Ok(differences);
        }
        differences.extend(self.record(&card.issuance().map_err(failed)?, row));
        let expected = self.plan.key_version;
        for number in KeyNumber::EDUCATION {
            let found = card.version(number);
            if found != Some(expected) {
                let found = found.map_or("none".to_owned(), |found| found.to_string());
                let field = format!("key_set_version of K{}", number.0);
                let expected = expected.to_string();
                differences.push(Difference { field, expected, found });
            }
        }
        for slot in KeySlot::all() {
            differences.extend(self.key(card, row, slot)?);
        }
        Ok(differences)
    }

    /// A key: the check value of the row is that of the derived key, and the card proves that it holds
    /// that key.
    fn key<C: CardChannel>(
        &mut self,
        card: &mut StockCard<C>,
        row: &OneRow,
        slot: KeySlot,
    ) -> Outcome<Option<Difference>> {
        let Some(id) = slot.id(self.plan.key_version, self.plan.algorithm) else { return Ok(None) };
        let key = self.keys.card_key(&id, Path::City, CardId(card.serial().0))?;
        let column = Column::kcv(slot);
        let differs = |found| Ok(Some(Difference::new(column, row.text(column), found)));
        let value = key.kcv().bytes();
        if hex_bytes(row.text(column)) != Some(value) {
            let derived = format!("the key of {}", hex::encode_upper(value));
            return differs(&derived);
        }
        let unit = CITY.parse().map_err(Failure::device)?;
        let number = Digits::new(1).map_err(Failure::device)?;
        let reader = SamSerial { unit, number }.reader();
        match card.prove(id, &key, reader, nonce(&mut self.env)).map_err(failed)? {
            Proof::Held => Ok(None),
            Proof::Other => differs("another key"),
            Proof::Absent => differs("no such version of the key"),
        }
    }

    /// The issuance record, field by field when both can be read.
    fn record(&self, bytes: &[u8], row: &OneRow) -> Vec<Difference> {
        let column = Column::IMAGE;
        let text = row.text(column);
        let image = hex_bytes::<{ Issuance::LEN }>(text);
        let is_same = match image {
            Some(image) => bytes == image,
            None => hex_bytes::<32>(text) == Some(Sha256::digest(bytes).into()),
        };
        if is_same {
            return Vec::new();
        }
        let given = image.and_then(|image| Issuance::parse(&image).ok()).or(row.record);
        match (given, Issuance::parse(bytes).ok()) {
            (Some(expected), Some(found)) => fields(&expected, &found),
            _ => vec![Difference::new(column, text, &hex::encode_upper(bytes))],
        }
    }

    /// What needs no key: ATR, UID where the reader tells it, and the wallet.
    pub(crate) fn chip_and_wallet<C: CardChannel>(
        &self,
        channel: &mut C,
        atr: &[u8],
        row: &OneRow,
    ) -> Outcome<Vec<Difference>> {
        let mut differences = Vec::new();
        let mut compare = |column: Column, found: &str| {
            let expected = row.text(column);
            if !expected.eq_ignore_ascii_case(found) {
                differences.push(Difference::new(column, expected, found));
            }
        };
        compare(Column::ATR, &hex::encode_upper(atr));
        let mut answer = Vec::new();
        channel.transmit(&GET_UID, &mut answer)?;
        if let [uid @ .., 0x90, 0x00] = answer.as_slice() {
            compare(Column::UID, &hex::encode_upper(uid));
        }
        match WalletCard::select(&mut *channel) {
            Ok(mut wallet) => {
                compare(Column::WALLET_NUMBER, &wallet.number().to_string());
                let balance = wallet.balance().map_err(wallet_failed)?;
                compare(Column::WALLET_BALANCE, &balance.0.to_string());
                let flag = wallet.flag().map_err(wallet_failed)?;
                compare(Column::WALLET_STATE, &format!("{:02X}", flag as u8));
            }
            Err(WalletError::Channel(error)) => return Err(error.into()),
            Err(error) => compare(Column::WALLET_NUMBER, &error.to_string()),
        }
        Ok(differences)
    }
}

/// The fields of the issuance record that differ; when only bytes do, the record itself.
fn fields(expected: &Issuance, found: &Issuance) -> Vec<Difference> {
    let pairs = [
        ("card_serial", expected.card_serial.to_string(), found.card_serial.to_string()),
        ("card_type", expected.card_type.to_string(), found.card_type.to_string()),
        ("profile", expected.profile.to_string(), found.profile.to_string()),
        ("vendor", expected.vendor.to_string(), found.vendor.to_string()),
        (
            "key_set_version",
            expected.key_set_version.to_string(),
            found.key_set_version.to_string(),
        ),
        ("init_date", expected.init_date.to_string(), found.init_date.to_string()),
        ("batch", expected.batch.to_string(), found.batch.to_string()),
        ("site", hex::encode_upper(expected.site), hex::encode_upper(found.site)),
        ("generation", expected.generation.to_string(), found.generation.to_string()),
        ("valid_from", expected.valid_from.to_string(), found.valid_from.to_string()),
        ("valid_until", expected.valid_until.to_string(), found.valid_until.to_string()),
    ];
    let differ = pairs.into_iter().filter(|(_, expected, found)| expected != found);
    let named = differ.map(|(name, expected, found)| Difference {
        field: format!("{}.{name}", Column::IMAGE.name()),
        expected,
        found,
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        let (expected, found) = (expected.emit(), found.emit());
        let hex = |bytes: &[u8]| hex::encode_upper(bytes);
        return vec![Difference::new(Column::IMAGE, &hex(&expected), &hex(&found))];
    }
    named
}

fn nonce<const N: usize>(env: &mut Env) -> [u8; N] {
    let mut nonce = [0; N];
    rand_core::Rng::fill_bytes(&mut fork(env), &mut nonce);
    nonce
}

fn failed(error: Error) -> Failure {
    Failure::device(error)
}

fn wallet_failed(error: WalletError) -> Failure {
    Failure::device(error)
}
