//! One card of a batch: its row read and checked by itself.

use core::str::FromStr;

use xuejika_keyscheme::auth::CardId;

use super::catalogue::Check;
use super::chip::{self, MAX_ATR, MAX_ATS, Pattern, decode_hex, hex_bytes};
use super::finding::{Finding, shown};
use super::image::{self, Facts, Sha256};
use super::plan::Plan;
use super::schema::{Cells, Column, KeySlot};
use crate::bcd::Digits;
use crate::card::UID_LEN;
use crate::code::codes;
use crate::date::Date;
use crate::ident::{CardSerial, CardSerialError};

/// First bytes of every wallet card number: Beijing.
const WALLET_PREFIX: [u8; 2] = [0x10, 0x00];

/// Enable flag of a wallet that was never opened.
const NOT_OPENED: &str = "00";

codes! {
    /// Whether a card can be used (状态).
    pub enum State {
        Good = 0x01, "G", "good", "良品";
        Scrap = 0x02, "S", "scrap", "废卡";
    }
}

/// What the checks of several rows and of keys need of a row; a part that could not be read is
/// missing.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Card serial.
    pub serial: Option<CardSerial>,
    /// UID of the chip.
    pub uid: Option<[u8; UID_LEN]>,
    /// Card number of the wallet.
    pub wallet_number: Option<[u8; 8]>,
    /// Whether the card can be used.
    pub state: Option<State>,
    /// Box, by its place in the manifest.
    pub box_number: Option<usize>,
    /// Serial of the card that replaces this one.
    pub replacement: Option<CardSerial>,
    /// Key check values.
    pub kcv: [Option<[u8; 3]>; KeySlot::COUNT],
}

impl Row {
    /// Reads a row and notes what is wrong with it.
    #[must_use]
    pub fn read(
        plan: &Plan,
        sha256: Sha256,
        cells: &Cells<'_>,
        findings: &mut impl Extend<Finding>,
    ) -> Self {
        let state = cells.get(Column::STATUS).and_then(|text| text.parse().ok());
        let mut r = Reader { plan, cells, good: state == Some(State::Good), findings };
        r.state(state);
        let serial = r.serial();
        let init_date = r.init_date();
        let site = r.site();
        r.key_set_version();
        let row = Self {
            serial,
            uid: r.uid(),
            wallet_number: r.wallet_number(),
            state,
            box_number: r.box_number(serial),
            replacement: r.replacement(state, serial),
            kcv: r.kcv(),
        };
        r.answer(Column::ATR, serial);
        r.answer(Column::ATS, serial);
        r.wallet();
        if let Some(text) = r.optional(Column::IMAGE) {
            let facts = Facts { serial, init_date, site };
            image::check(plan, facts, text, sha256, r.findings);
        }
        row
    }

    /// The serial as derivations take it.
    #[must_use]
    pub fn card_id(&self) -> Option<CardId> {
        self.serial.map(|serial| CardId(serial.bytes()))
    }
}

/// Reads the cells of one row.
struct Reader<'a, 'c, F> {
    plan: &'a Plan,
    cells: &'a Cells<'c>,
    /// Whether everything has to be there.
    good: bool,
    findings: &'a mut F,
}

impl<'c, F: Extend<Finding>> Reader<'_, 'c, F> {
    fn note(&mut self, column: Column, finding: Finding) {
        self.findings.extend([finding.field(column.name())]);
    }

    fn wrong(&mut self, column: Column, check: Check, expected: &str, text: &str) {
        self.note(column, Finding::new(check, expected, shown(text)));
    }

    /// The text of a cell that must not be empty.
    fn required(&mut self, column: Column) -> Option<&'c str> {
        let text = self.cells.get(column)?;
        if text.is_empty() {
            self.wrong(column, Check::RowEmpty, "a value", text);
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// The text of a cell that may be empty when the card is scrap.
    fn optional(&mut self, column: Column) -> Option<&'c str> {
        if self.good {
            self.required(column)
        } else {
            self.cells.get(column).filter(|text| !text.is_empty())
        }
    }

    fn parse<T: FromStr>(&mut self, column: Column, check: Check, expected: &str) -> Option<T> {
        let text = self.optional(column)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong(column, check, expected, text);
        }
        value
    }

    fn bytes<const N: usize>(&mut self, column: Column, check: Check) -> Option<[u8; N]> {
        let text = self.optional(column)?;
        let value = hex_bytes(text);
        if value.is_none() {
            let expected = alloc::format!("{} hexadecimal digits", 2 * N);
            self.wrong(column, check, &expected, text);
        }
        value
    }

    fn state(&mut self, state: Option<State>) {
        if let Some(text) = self.required(Column::STATUS)
            && state.is_none()
        {
            self.wrong(Column::STATUS, Check::RowStatus, "good or scrap", text);
        }
    }

    fn serial(&mut self) -> Option<CardSerial> {
        let column = Column::SERIAL;
        let text = self.required(column)?;
        match text.parse::<CardSerial>() {
            Ok(serial) => {
                if !self.plan.has(serial) {
                    self.wrong(column, Check::SerialRange, "a serial of the batch", text);
                }
                Some(serial)
            }
            Err(CardSerialError::CheckDigit { expected, .. }) => {
                let expected = alloc::format!("check digit {expected}");
                self.wrong(column, Check::SerialDigit, &expected, text);
                None
            }
            Err(_) => {
                self.wrong(column, Check::SerialForm, "16 digits that begin with 1100", text);
                None
            }
        }
    }

    fn init_date(&mut self) -> Option<Date> {
        let column = Column::INIT_DATE;
        let date = self.parse::<Date>(column, Check::RowDate, "a day as 2026-07-01")?;
        let (from, until) = self.plan.initialised;
        if !(from..=until).contains(&date) {
            let expected = alloc::format!("{from} to {until}");
            self.note(column, Finding::new(Check::RowDateOutside, expected, date));
        }
        Some(date)
    }

    fn site(&mut self) -> Option<[u8; 2]> {
        let column = Column::SITE;
        let site = self.bytes::<2>(column, Check::RowSite)?;
        if !self.plan.sites.contains(&site) {
            let text = self.cells.get(column).unwrap_or_default();
            self.wrong(column, Check::RowSite, "a site of the manifest", text);
        }
        Some(site)
    }

    fn key_set_version(&mut self) {
        let column = Column::KEY_SET_VERSION;
        if let Some(text) = self.optional(column)
            && hex_bytes(text) != Some([self.plan.key_version.number()])
        {
            let expected = alloc::format!("{}", self.plan.key_version);
            self.wrong(column, Check::KeySetVersion, &expected, text);
        }
    }

    fn uid(&mut self) -> Option<[u8; UID_LEN]> {
        let column = Column::UID;
        let uid = self.bytes::<UID_LEN>(column, Check::ChipUid)?;
        if !uid.starts_with(&self.plan.uid_prefix) {
            let text = self.cells.get(column).unwrap_or_default();
            self.wrong(column, Check::ChipMaker, "the UIDs of the manifest", text);
        }
        Some(uid)
    }

    fn answer(&mut self, column: Column, serial: Option<CardSerial>) {
        let Some(text) = self.optional(column) else { return };
        let mut buffer = [0; MAX_ATS];
        let is_atr = column == Column::ATR;
        let (malformed, other, pattern, room): (_, _, &Pattern, _) = if is_atr {
            (Check::ChipAtr, Check::ChipAtrOther, &self.plan.atr, MAX_ATR)
        } else {
            (Check::ChipAts, Check::ChipAtsOther, &self.plan.ats, MAX_ATS)
        };
        let bytes = buffer.get_mut(..room).and_then(|room| decode_hex(text, room));
        let fault = match bytes {
            None => Some("hexadecimal digits"),
            Some(bytes) if is_atr => chip::atr_fault(bytes),
            Some(bytes) => chip::ats_fault(bytes),
        };
        if let Some(expected) = fault {
            self.wrong(column, malformed, expected, text);
        } else if !bytes.is_some_and(|bytes| pattern.matches(bytes, serial)) {
            let expected = alloc::format!("{pattern}");
            self.note(column, Finding::new(other, expected, text));
        }
    }

    fn wallet_number(&mut self) -> Option<[u8; 8]> {
        let column = Column::WALLET_NUMBER;
        let expected = "16 digits that begin with 1000";
        let number = self.parse::<Digits<8>>(column, Check::WalletNumber, expected)?.bytes();
        if number.starts_with(&WALLET_PREFIX) {
            return Some(number);
        }
        let text = self.cells.get(column).unwrap_or_default();
        self.wrong(column, Check::WalletNumber, expected, text);
        None
    }

    fn wallet(&mut self) {
        for (column, check, expected) in [
            (Column::WALLET_BALANCE, Check::WalletBalance, "0"),
            (Column::WALLET_STATE, Check::WalletOpen, NOT_OPENED),
        ] {
            if let Some(text) = self.optional(column)
                && text != expected
            {
                self.wrong(column, check, expected, text);
            }
        }
    }

    fn box_number(&mut self, serial: Option<CardSerial>) -> Option<usize> {
        let column = Column::BOX;
        let text = self.required(column)?;
        let Some(number) = self.plan.box_number(text) else {
            self.wrong(column, Check::BoxUnknown, "a box of the manifest", text);
            return None;
        };
        let planned = self.plan.boxes.get(number)?;
        // A serial of another batch has no box at all, which is no second fault.
        let misplaced = |serial| self.plan.has(serial) && !planned.serials.contains(serial);
        if serial.is_some_and(misplaced) {
            let expected = alloc::format!(
                "a serial from {} to {}",
                planned.serials.first,
                planned.serials.last
            );
            self.wrong(column, Check::BoxOther, &expected, text);
        }
        Some(number)
    }

    fn replacement(
        &mut self,
        state: Option<State>,
        serial: Option<CardSerial>,
    ) -> Option<CardSerial> {
        let column = Column::REPLACEMENT;
        let text = self.cells.get(column)?;
        let expected = "the serial of another card of the batch";
        match (state?, text.is_empty()) {
            (State::Good, true) => None,
            (State::Good, false) => {
                self.wrong(column, Check::ReplacementNeedless, "nothing", text);
                None
            }
            (State::Scrap, true) => {
                self.wrong(column, Check::ReplacementMissing, expected, text);
                None
            }
            (State::Scrap, false) => {
                let replacement = text.parse().ok().filter(|other| Some(*other) != serial);
                if replacement.is_none() {
                    self.wrong(column, Check::ReplacementUnknown, expected, text);
                }
                replacement
            }
        }
    }

    fn kcv(&mut self) -> [Option<[u8; 3]>; KeySlot::COUNT] {
        let mut values = [None; KeySlot::COUNT];
        for (slot, value) in KeySlot::all().zip(&mut values) {
            *value = self.bytes(Column::kcv(slot), Check::KeyForm);
        }
        values
    }
}
