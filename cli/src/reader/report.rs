//! What the reader commands print.

use core::fmt;

use serde::Serialize;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Outcome;
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::record::{RecordKind, SchoolYear, Term};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{Verdict, Warning};
use xuejika_keyscheme::{KeyNumber, KeyVersion};
use xuejika_reader::{CardContents, Change, Error, Personalised};

use crate::fields::Rows;
use crate::hex;
use crate::shown::{Document, Lines, Show};

/// Everything on the card.
#[derive(Debug, Serialize)]
pub(crate) struct ContentsReport {
    operation: &'static str,
    issuance: Rows,
    status: Rows,
    identity: Option<Rows>,
    enrolment: Option<Rows>,
    personalisation: Option<Rows>,
    registrations: Vec<Rows>,
    transfers: Vec<Rows>,
    extensions: Vec<Rows>,
    log: Vec<Rows>,
    /// What lists say of the card; for a reader that holds some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'static str>,
    #[serde(skip)]
    noted: Vec<Warning>,
}

impl ContentsReport {
    pub(crate) fn new(contents: &CardContents) -> Self {
        fn all<T>(records: &[T]) -> Vec<Rows>
        where
            Rows: for<'a> From<&'a T>,
        {
            records.iter().map(Rows::from).collect()
        }
        Self {
            operation: "read",
            issuance: (&contents.issuance).into(),
            status: (&contents.status).into(),
            identity: contents.pupil.as_ref().map(|pupil| (&pupil.identity).into()),
            enrolment: contents.pupil.as_ref().map(|pupil| (&pupil.enrolment).into()),
            personalisation: contents.personalisation.as_ref().map(Rows::from),
            registrations: all(&contents.registrations),
            transfers: all(&contents.transfers),
            extensions: all(&contents.extensions),
            log: all(&contents.log),
            notes: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// The same, with what lists say of the card.
    pub(super) fn noting(self, noted: Vec<Warning>) -> Self {
        Self { notes: noted.iter().map(Warning::id).collect(), noted, ..self }
    }
}

impl Show for ContentsReport {
    fn show(&self, to: &mut Lines) {
        let single = [
            ("issuance 发行信息", Some(&self.issuance)),
            ("status 状态", Some(&self.status)),
            ("identity 身份", self.identity.as_ref()),
            ("enrolment 就读", self.enrolment.as_ref()),
            ("personalisation 个人化记录", self.personalisation.as_ref()),
        ];
        for (title, rows) in single {
            to.line(format_args!("{title}{}", if rows.is_some() { "" } else { ": none" }));
            to.indented(2, |to| rows.iter().for_each(|rows| rows.show(to)));
        }
        for (title, records) in [
            ("registrations 学籍注册", &self.registrations),
            ("transfers 升转学", &self.transfers),
            ("extension directory 扩展目录", &self.extensions),
            ("operation log 操作日志", &self.log),
        ] {
            to.line(format_args!("{title}{}", if records.is_empty() { ": none" } else { "" }));
            for (number, rows) in (1_u8..).zip(records) {
                to.line(format_args!("  {number:>2}  {}", rows.line()));
            }
        }
        show_notes(&self.noted, to);
    }
}

fn show_notes(notes: &[Warning], to: &mut Lines) {
    for note in notes {
        to.line(format_args!("note: {note} {}", note.chinese()));
    }
}

/// Whether the card is accepted.
#[derive(Debug, Serialize)]
pub(super) struct VerdictReport {
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<String>,
    date: String,
    accept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    warnings: Vec<&'static str>,
    english: String,
    chinese: String,
}

impl VerdictReport {
    pub(super) fn new(card: Option<CardSerial>, today: Date, verdict: &Verdict) -> Self {
        let mut report = Self {
            operation: "verdict",
            card: card.map(|serial| serial.to_string()),
            date: today.to_string(),
            accept: true,
            registered_until: None,
            reason: None,
            warnings: Vec::new(),
            english: "the rules of the wallet decide".to_owned(),
            chinese: "按电子钱包规定处理".to_owned(),
        };
        match verdict {
            Verdict::Accept { registered_until } => report.accepted(*registered_until, &[]),
            Verdict::AcceptWithWarning { registered_until, warnings } => {
                report.accepted(*registered_until, warnings);
            }
            Verdict::Refuse(reason) => {
                report.accept = false;
                report.reason = Some(reason.id());
                report.english = format!("refuse: {reason}");
                report.chinese = format!("拒绝：{}", reason.chinese());
            }
            Verdict::WalletRules => {}
        }
        report
    }

    fn accepted(&mut self, until: Date, warnings: &[Warning]) {
        self.registered_until = Some(until.to_string());
        self.english = format!("accept: registered until {until}");
        self.chinese = format!("接受：注册有效期至 {until}");
        for warning in warnings {
            self.warnings.push(warning.id());
            self.english += &format!("\nwarning: {warning}");
            self.chinese += &format!("\n警告：{}", warning.chinese());
        }
    }

    pub(super) const fn accept(&self) -> bool {
        self.accept
    }
}

impl Show for VerdictReport {
    fn show(&self, to: &mut Lines) {
        // Each warning is a line of its own.
        Document(&self.english).show(to);
        Document(&self.chinese).show(to);
    }
}

/// What an event did to the card.
#[derive(Debug, Serialize)]
pub(super) struct EventReport {
    operation: &'static str,
    card: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    school_year: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<&'static str>,
    /// Whether it had happened before.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<bool>,
    /// Whether an interrupted personalisation was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    /// State before.
    before: &'static str,
    /// State afterwards.
    state: &'static str,
    counter: u16,
    /// Records the card has written.
    written: Vec<&'static str>,
    /// What the lists say of the card, and what is odd about its dates.
    notes: Vec<&'static str>,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    noted: Vec<Warning>,
    #[serde(skip)]
    wrote: String,
}

impl EventReport {
    fn new(
        operation: &'static str,
        card: CardSerial,
        (before, outcome): (LifeCycleState, &Outcome),
        (written, notes): (&[RecordKind], &[Warning]),
        text: &str,
    ) -> Self {
        let (state, counter) = (outcome.state, outcome.counter);
        let names = |state: LifeCycleState| format!("{} {}", state.english(), state.chinese());
        let (was, is) = (names(before), names(state));
        let records: Vec<_> = written
            .iter()
            .map(|record| format!("{} {}", record.english(), record.chinese()))
            .collect();
        let wrote = if records.is_empty() { "nothing".to_owned() } else { records.join(", ") };
        Self {
            operation,
            card: card.to_string(),
            school_year: None,
            term: None,
            repeated: None,
            resumed: None,
            before: before.english(),
            state: state.english(),
            counter,
            written: written.iter().map(|record| record.english()).collect(),
            notes: notes.iter().map(Warning::id).collect(),
            text: format!("card {card} {text}: {was} → {is}, counter {counter}"),
            wrote,
            noted: notes.to_vec(),
        }
    }

    pub(super) fn personalised(
        operation: &'static str,
        card: CardSerial,
        done: &Personalised,
    ) -> Self {
        let how = if done.resumed { " (an interrupted one completed)" } else { "" };
        let text = format!("{operation} 个人化{how}");
        let states = (done.before.state, &done.outcome);
        let resumed = Some(done.resumed);
        let records = (done.written(), &*done.notes);
        Self { resumed, ..Self::new(operation, card, states, records, &text) }
    }

    pub(super) fn changed(operation: &'static str, card: CardSerial, done: &Change) -> Self {
        let text = format!("{operation} {}", done.event.rule().chinese);
        let states = (done.before.state, &done.outcome);
        Self::new(operation, card, states, (&done.written(), &done.notes), &text)
    }

    pub(super) fn registered(
        card: CardSerial,
        school_year: SchoolYear,
        term: Term,
        done: &Change,
    ) -> Self {
        let outcome = &done.outcome;
        let already = if outcome.repeated { "was already registered" } else { "registered" };
        let (english, chinese) = (term.english(), term.chinese());
        let text = format!("{already} 已注册 for {school_year} {english} {chinese}");
        let states = (done.before.state, outcome);
        Self {
            school_year: Some(school_year.value()),
            term: Some(english),
            repeated: Some(outcome.repeated),
            ..Self::new("register", card, states, (&done.written(), &done.notes), &text)
        }
    }
}

impl Show for EventReport {
    fn show(&self, to: &mut Lines) {
        to.line(&self.text);
        to.line(format_args!("written: {}", self.wrote));
        show_notes(&self.noted, to);
    }
}

/// What an application reads in its extension sector.
#[derive(Debug, Serialize)]
pub(super) struct SectorReport {
    operation: &'static str,
    card: String,
    sector: u8,
    /// First byte.
    offset: u8,
    bytes: String,
}

impl SectorReport {
    pub(super) fn new(
        operation: &'static str,
        card: CardSerial,
        (sector, offset): (u8, u8),
        bytes: &[u8],
    ) -> Self {
        Self { operation, card: card.to_string(), sector, offset, bytes: hex::emit(bytes) }
    }
}

impl fmt::Display for SectorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, card, sector, offset, bytes } = self;
        write!(f, "card {card} {operation} {sector} at {offset}: {bytes}")
    }
}

/// The versions of a key a card holds now.
#[derive(Debug, Serialize)]
pub(super) struct KeyReport {
    card: String,
    key: String,
    /// The active version first.
    versions: Vec<u8>,
}

impl KeyReport {
    pub(super) fn new(card: CardSerial, key: KeyNumber, versions: &[KeyVersion]) -> Self {
        let versions = versions.iter().map(|version| version.number()).collect();
        Self { card: card.to_string(), key: key.to_string(), versions }
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "card {}, {}: versions {:?}, the active one first",
            self.card, self.key, self.versions
        )
    }
}

/// An operation that was refused.
#[derive(Debug, Serialize)]
pub(super) struct RefusalReport {
    operation: &'static str,
    refused: String,
    /// Of a refusal by a list: its name, as in a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl RefusalReport {
    pub(super) fn new(operation: &'static str, error: &Error) -> Self {
        let reason = match error {
            Error::Listed { reason, .. } => Some(reason.id()),
            _ => None,
        };
        Self { operation, refused: error.to_string(), reason }
    }
}

impl fmt::Display for RefusalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused: {}", self.operation, self.refused)
    }
}
