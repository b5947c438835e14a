//! One card of a batch: its row read and checked by itself.

use core::str::FromStr;

use xuejika_card_model::atr::{self, MAX_ATR, MAX_ATS};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::date::{Date, DateError};
use xuejika_card_model::ident::{CardSerial, CardSerialError};
use xuejika_keyscheme::auth::CardId;

use crate::catalogue::Check;
use crate::chip::{Pattern, decode_hex, hex_bytes};
use crate::finding::{Finding, shown};
use crate::image::{self, Facts};
use crate::plan::Plan;
use crate::schema::{Cells, Column, KeySlot};

/// First bytes of every wallet card number: Beijing.
const WALLET_PREFIX: [u8; 2] = [0x10, 0x00];

/// Enable flags of a wallet (profile 17.2), by their value.
const FLAGS: [&str; 4] = ["never opened", "open", "suspended", "closed"];

/// Forms of dates that vendors write, as mapping files name them: digits between separators.
const DATE_FORMS: [(&[usize], &str, &str); 6] = [
    (&[8], "", "YYYYMMDD"),
    (&[4, 2, 2], "//", "YYYY/M/D"),
    (&[4, 2, 2], "..", "YYYY.M.D"),
    (&[4, 2, 2], "--", "YYYY-M-D"),
    (&[4, 2, 2], "年月日", "YYYY年M月D日"),
    (&[2, 2, 4], "..", "D.M.YYYY"),
];

/// Whether a card can be used (状态).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can (良品).
    Good,
    /// It cannot (废卡).
    Scrap,
}

impl State {
    /// The word of the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Scrap => "scrap",
        }
    }
}

impl FromStr for State {
    type Err = NoState;

    fn from_str(text: &str) -> Result<Self, NoState> {
        match text {
            "G" | "good" | "良品" => Ok(Self::Good),
            "S" | "scrap" | "废卡" => Ok(Self::Scrap),
            _ => Err(NoState),
        }
    }
}

/// A text that is no [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected good or scrap")]
pub struct NoState;

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
    pub fn read(plan: &Plan, cells: &Cells<'_>, findings: &mut impl Extend<Finding>) -> Self {
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
            image::check(plan, facts, text, r.findings);
        }
        row
    }

    /// The serial as derivations take it.
    #[must_use]
    pub fn card_id(&self) -> Option<CardId> {
        self.serial.map(|serial| CardId(serial.bytes()))
    }
}

/// The form of a date that is written in another way than the schema says.
fn date_form(text: &str) -> Option<&'static str> {
    let separators = text.chars().filter(|c| !c.is_ascii_digit());
    let runs = || text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
    let fits = |(widths, marks, _): &&(&[usize], &str, _)| {
        let digits = |(run, width): (&str, &usize)| run.len() == *width || *width + run.len() == 3;
        separators.clone().eq(marks.chars())
            && runs().count() == widths.len()
            && runs().zip(widths.iter()).all(digits)
    };
    DATE_FORMS.iter().find(fits).map(|(.., form)| *form)
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
            let expected = format!("{} hexadecimal digits", 2 * N);
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
        let serial = self.serial_in(column, text)?;
        if !self.plan.has(serial) {
            self.wrong(column, Check::SerialRange, "a serial of the batch", text);
        }
        Some(serial)
    }

    fn serial_in(&mut self, column: Column, text: &str) -> Option<CardSerial> {
        let (check, expected) = match text.parse::<CardSerial>() {
            Ok(serial) => return Some(serial),
            Err(CardSerialError::CheckDigit { expected, .. }) => {
                (Check::SerialDigit, format!("check digit {expected}"))
            }
            Err(_) => (Check::SerialForm, "16 digits that begin with 1100".into()),
        };
        self.wrong(column, check, &expected, text);
        None
    }

    fn init_date(&mut self) -> Option<Date> {
        let column = Column::INIT_DATE;
        let text = self.optional(column)?;
        let date = match text.parse::<Date>() {
            Ok(date) => date,
            Err(error) => {
                let form = date_form(text).filter(|_| matches!(error, DateError::Form { .. }));
                let hint = form.map(|form| format!(", or dates = \"{form}\" in the mapping"));
                let expected = format!("a day as 2026-07-01{}", hint.unwrap_or_default());
                self.wrong(column, Check::RowDate, &expected, text);
                return None;
            }
        };
        let (from, until) = self.plan.initialised;
        if !(from..=until).contains(&date) {
            let expected = format!("{from} to {until}");
            self.note(column, Finding::new(Check::RowDateOutside, expected, date));
        }
        Some(date)
    }

    fn site(&mut self) -> Option<[u8; 2]> {
        let column = Column::SITE;
        let site = self.bytes::<2>(column, Check::RowForm)?;
        if !self.plan.sites.contains(&site) {
            let text = self.cells.get(column).unwrap_or_default();
            self.wrong(column, Check::RowSite, "a site of the manifest", text);
        }
        Some(site)
    }

    fn key_set_version(&mut self) {
        let column = Column::KEY_SET_VERSION;
        if let Some(version) = self.bytes::<1>(column, Check::RowForm)
            && version != [self.plan.key_version.number()]
        {
            let expected = format!("{}", self.plan.key_version);
            let text = self.cells.get(column).unwrap_or_default();
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
            Some(bytes) if is_atr => atr::atr_fault(bytes),
            Some(bytes) => atr::ats_fault(bytes),
        };
        if let Some(expected) = fault {
            self.wrong(column, malformed, expected, text);
        } else if !bytes.is_some_and(|bytes| pattern.matches(bytes, serial)) {
            let expected = format!("{pattern}");
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
        self.wallet_balance();
        if let Some([flag]) = self.bytes::<1>(Column::WALLET_STATE, Check::RowForm)
            && flag != 0
        {
            let name = FLAGS.get(usize::from(flag)).unwrap_or(&"undefined");
            let found = format!("{flag:02X}, {name}");
            let finding = Finding::new(Check::WalletOpen, "00, never opened", found);
            self.note(Column::WALLET_STATE, finding);
        }
    }

    fn wallet_balance(&mut self) {
        let column = Column::WALLET_BALANCE;
        let Some(text) = self.optional(column) else { return };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            self.wrong(column, Check::RowForm, "a whole number of fen", text);
        } else if text != "0" {
            self.wrong(column, Check::WalletBalance, "0", text);
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
            let expected =
                format!("a serial from {} to {}", planned.serials.first, planned.serials.last);
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
                let replacement = self.serial_in(column, text)?;
                if Some(replacement) == serial {
                    self.wrong(column, Check::ReplacementUnknown, expected, text);
                }
                Some(replacement).filter(|other| Some(*other) != serial)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_dates_are_named() {
        for (text, form) in [
            ("20260701", Some("YYYYMMDD")),
            ("2026/7/1", Some("YYYY/M/D")),
            ("2026/07/01", Some("YYYY/M/D")),
            ("2026-7-1", Some("YYYY-M-D")),
            ("2026年7月1日", Some("YYYY年M月D日")),
            ("1.7.2026", Some("D.M.YYYY")),
            ("46204", None),
            ("2026/7", None),
            ("2026/777/1", None),
            ("July", None),
            ("", None),
        ] {
            assert_eq!(date_form(text), form, "{text}");
        }
    }
}
