//! The trace of a case, decoded into the lines of a table.

use xuejika_apdu::class::Security;
use xuejika_apdu::status::{Language, Outcome};
use xuejika_apdu::tlv::TlvReader;
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_card_model::file::Application;
use xuejika_emulator::dispatch::COMMANDS;
use xuejika_vectors::conformance::report::{Exchange, ExchangeKind};
use xuejika_vectors::conformance::{CaseReport, Kind};

use crate::hex;

/// A line of the table.
pub(super) enum Line<'a> {
    /// What was sent or done.
    Asked(Asked<'a>),
    /// What came back.
    Answered(Answered<'a>),
}

/// A command by its fields, or something else that was done.
pub(super) struct Asked<'a> {
    /// `c` on the wire, `p` inside secure messaging.
    pub(super) class: char,
    pub(super) number: String,
    pub(super) name: &'static str,
    pub(super) note: &'a str,
    /// CLA, INS, P1 and P2; empty for what is no command.
    pub(super) header: Vec<String>,
    pub(super) lc: String,
    pub(super) data: Objects,
    pub(super) le: String,
}

/// A response, or why there is none.
pub(super) struct Answered<'a> {
    /// `r` on the wire, `p` inside secure messaging.
    pub(super) class: char,
    pub(super) data: Objects,
    pub(super) status: Option<Status>,
    pub(super) lost: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
}

/// Bytes, each piece with its tag: the objects of secure messaging, or one piece without a tag.
type Objects = Vec<(String, String)>;

/// A status word in words.
pub(super) struct Status {
    pub(super) code: String,
    pub(super) is_good: bool,
    pub(super) english: String,
    pub(super) chinese: String,
}

impl Status {
    fn new(word: StatusWord) -> Self {
        let text = |language| word.text(language).into_owned();
        let (english, chinese) = (text(Language::English), text(Language::Chinese));
        let is_good = word.outcome() == Outcome::Normal;
        Self { code: word.to_string(), is_good, english, chinese }
    }
}

/// The lines of a case.
pub(super) fn lines(case: &CaseReport) -> Vec<Line<'_>> {
    case.exchanges
        .iter()
        .enumerate()
        .flat_map(|(at, exchange)| lines_of(case.card, at + 1, exchange))
        .collect()
}

fn lines_of(kind: Kind, number: usize, exchange: &Exchange) -> Vec<Line<'_>> {
    let asked = |class, number, hex, note| {
        asked(class, number, note, hex, |bytes| command_name(kind, &exchange.df, bytes))
    };
    let mut lines = Vec::with_capacity(4);
    lines.push(Line::Asked(match exchange.kind {
        ExchangeKind::Transmit => asked('c', number.to_string(), &exchange.command, &exchange.note),
        other => done(other, number, exchange),
    }));
    if exchange.kind != ExchangeKind::Cut {
        lines.push(Line::Answered(answered(exchange)));
    }
    if let Some(plain) = &exchange.plain {
        lines.push(Line::Asked(asked('p', String::new(), &plain.command, "inside (明文)")));
        if !plain.response.is_empty() {
            let (data, status) = response(&plain.response, false);
            lines.push(Line::Answered(Answered {
                class: 'p',
                data,
                status,
                lost: None,
                reason: None,
            }));
        }
    }
    lines
}

fn asked<'a>(
    class: char,
    number: String,
    note: &'a str,
    command: &str,
    name: impl Fn(&Command<'_>) -> &'static str,
) -> Asked<'a> {
    let bytes = hex::parse(command).unwrap_or_default();
    let Ok(parsed) = Command::parse(&bytes) else {
        let data = vec![(String::new(), command.to_owned())];
        let header = Vec::new();
        let (lc, le) = (String::new(), String::new());
        return Asked { class, number, name: "no command", note, header, lc, data, le };
    };
    let length = |value: u32| match parsed.extended {
        true => format!("{:04X}", value & 0xFFFF),
        false => format!("{:02X}", value & 0xFF),
    };
    let nc = u32::try_from(parsed.data.len()).unwrap_or(u32::MAX);
    Asked {
        class,
        number,
        name: name(&parsed),
        note,
        header: parsed.header().map(|byte| format!("{byte:02X}")).into(),
        lc: if nc == 0 { String::new() } else { length(nc) },
        data: objects(parsed.data, is_protected(parsed.class)),
        le: if parsed.ne == 0 { String::new() } else { length(parsed.ne) },
    }
}

fn done(kind: ExchangeKind, number: usize, exchange: &Exchange) -> Asked<'_> {
    let name = match kind {
        ExchangeKind::Reset => "warm reset (热复位)",
        ExchangeKind::Power => "power off and on (断电上电)",
        ExchangeKind::Cut => "cut of power in a write to come (写入中断电)",
        ExchangeKind::Transmit => "",
    };
    let data = match kind {
        ExchangeKind::Cut => vec![("writes before it".to_owned(), exchange.command.clone())],
        _ => Vec::new(),
    };
    let (lc, le) = (String::new(), String::new());
    let (number, note) = (number.to_string(), exchange.note.as_str());
    Asked { class: 'c', number, name, note, header: Vec::new(), lc, data, le }
}

fn answered(exchange: &Exchange) -> Answered<'_> {
    let (data, status) = match exchange.kind {
        ExchangeKind::Transmit => {
            response(&exchange.response, is_protected_text(&exchange.command))
        }
        _ => (vec![("ATR".to_owned(), exchange.response.clone())], None),
    };
    let (lost, reason) = (exchange.error.as_ref(), exchange.reason.as_deref());
    Answered { class: 'r', data, status, lost: lost.map(|lost| lost.text.as_str()), reason }
}

fn response(text: &str, protected: bool) -> (Objects, Option<Status>) {
    let bytes = hex::parse(text).unwrap_or_default();
    match Response::parse(&bytes) {
        Some(response) => (objects(response.data, protected), Some(Status::new(response.status))),
        None => (objects(&bytes, false), None),
    }
}

/// Bytes as they are shown.
fn objects(bytes: &[u8], protected: bool) -> Objects {
    let whole = || match bytes {
        [] => Vec::new(),
        _ => vec![(String::new(), hex::emit(bytes))],
    };
    if !protected {
        return whole();
    }
    let mut objects = Vec::new();
    let mut reader = TlvReader::new(bytes);
    loop {
        match reader.read() {
            Ok(Some(object)) => {
                objects.push((format!("{:02X}", object.tag.number()), hex::emit(object.value)));
            }
            Ok(None) => return objects,
            Err(_) => return whole(),
        }
    }
}

/// Whether what comes with this class is made of secure-messaging objects.
fn is_protected(class: Class) -> bool {
    let security = class.fields().map(|fields| fields.security);
    matches!(security, Some(Security::Body | Security::Header))
}

fn is_protected_text(command: &str) -> bool {
    let class = command.get(..2).and_then(|text| u8::from_str_radix(text, 16).ok());
    class.is_some_and(|class| is_protected(Class(class)))
}

/// What a command is called where it was sent.
fn command_name(kind: Kind, df: &str, command: &Command<'_>) -> &'static str {
    let application = match (kind, df) {
        (Kind::Psam, _) => Application::Psam,
        (Kind::Sam, _) => Application::Sam,
        (Kind::Management, _) => Application::Zone,
        (_, "3F00") => Application::Master,
        (_, "1001") => Application::Wallet,
        _ => Application::Zone,
    };
    match (application, command.instruction, command.p1) {
        (Application::Wallet, 0x50, 0x00) => return "INITIALIZE FOR LOAD",
        (Application::Wallet, 0x50, 0x01) => return "INITIALIZE FOR PURCHASE",
        (Application::Wallet, 0x50, 0x03) => return "INITIALIZE FOR CAPP PURCHASE",
        (Application::Wallet, 0x50, 0x05) => return "INITIALIZE FOR UNLOAD",
        (Application::Wallet, 0x54, 0x01) => return "DEBIT FOR PURCHASE",
        (Application::Wallet, 0x54, 0x03) => return "DEBIT FOR UNLOAD",
        _ => {}
    }
    let named = || COMMANDS.iter().filter(|spec| spec.instruction == command.instruction);
    let here = named().find(|spec| spec.applications.contains(&application));
    here.or_else(|| named().next()).map_or("unknown", |spec| spec.name)
}
