//! One case on one card: the values it knows, and what went over the channel.

use xuejika_apdu::{ChannelError, Command, Response, StatusWord};
use xuejika_card_model::file::tree::{CardKind, MF_FID, WALLET_ALIAS, WALLET_FID, profile_code};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::auth::SessionKeys;

use super::Runner;
use crate::conformance::bench::{Bench, BenchError};
use crate::conformance::bytes::{BytesError, Template, Values};
use crate::conformance::case::Kind;
use crate::conformance::expect::{Expect, Reply};
use crate::conformance::hash::Hash;
use crate::conformance::report::{Exchange, ExchangeKind, Lost, Plain};
use crate::conformance::step::{Action, Step};

/// Serial of the management card: `90 00` ‖ unit ‖ `00 00 01` (card profile §16).
const MANAGEMENT_SERIAL: [u8; 8] = [0x90, 0, 0x11, 0x01, 0x05, 0, 0, 0x01];
/// Serial of the PSAM: `91 00` ‖ terminal (card profile §18.2).
const PSAM_SERIAL: [u8; 8] = [0x91, 0, 0, 0, 0, 0, 0, 0x01];
/// Serial of the SAM, the city's, which is granted every key: `00 00` ‖ unit ‖ `00 00 42` (card profile
/// §3.2).
pub(super) const SAM_SERIAL: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0x42];
/// Serial of the management card that opens the SAM.
const SAM_MANAGEMENT_SERIAL: [u8; 8] = [0x90, 0, 0, 0, 0, 0, 0, 0x01];

/// Why a step stops its case.
#[derive(Debug)]
pub(super) enum Stop {
    /// The card does not do what it must.
    Fails(String),
    /// The case or the target cannot do the step.
    Cannot(String),
    /// There was no answer: nothing can be said of the card.
    Lost(ChannelError),
}

impl From<BytesError> for Stop {
    fn from(error: BytesError) -> Self {
        Self::Cannot(format!("the case: {error}"))
    }
}

impl From<BenchError> for Stop {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Channel(error) => Self::Lost(error),
            other => Self::Cannot(other.to_string()),
        }
    }
}

/// What a card answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusWord,
    pub(super) data: Vec<u8>,
}

/// A session as the reader has it.
pub(super) struct Session {
    pub(super) keys: SessionKeys,
    pub(super) ssc: u128,
}

/// A case at work.
pub(super) struct Machine<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) values: Values,
    /// Current DF.
    pub(super) df: u16,
    pub(super) session: Option<Session>,
    /// Keys of a session that `open` opens.
    pub(super) pending: Option<SessionKeys>,
    pub(super) exchanges: Vec<Exchange>,
    bench: &'a mut dyn Bench,
    case: Hash,
    nonces: u8,
    note: String,
}

impl<'a> Machine<'a> {
    pub(super) fn new(
        runner: &'a Runner<'a>,
        kind: Kind,
        id: &str,
        bench: &'a mut dyn Bench,
    ) -> Result<Self, BytesError> {
        let mut machine = Self {
            runner,
            values: known(kind, runner.serial, runner.ics.algorithm),
            df: MF_FID,
            session: None,
            pending: None,
            exchanges: Vec::new(),
            bench,
            case: Hash::of(id.as_bytes()),
            nonces: 0,
            note: String::new(),
        };
        machine.fill_in()?;
        Ok(machine)
    }

    /// Fills in the suite's values, which may rest on each other.
    fn fill_in(&mut self) -> Result<(), BytesError> {
        let mut open: Vec<_> = self.runner.suite.values.iter().collect();
        while !open.is_empty() {
            let before = open.len();
            let mut missing = None;
            open.retain(|(name, template)| match template.bytes(&self.values) {
                Ok(bytes) => {
                    self.values.insert((*name).clone(), bytes);
                    false
                }
                Err(error) => {
                    missing = Some(error);
                    true
                }
            });
            match missing {
                Some(error) if open.len() == before => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Does a step and compares what came of it.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), Stop> {
        self.note.clone_from(&step.note);
        match self.act(step) {
            Err(Stop::Lost(error)) => {
                self.session = None;
                let expected = matches!(step.expect.reply, Reply::Lost | Reply::Either);
                if expected && error == ChannelError::Removed {
                    Ok(())
                } else {
                    Err(Stop::Lost(error))
                }
            }
            other => other,
        }
    }

    fn act(&mut self, step: &Step) -> Result<(), Stop> {
        let expect = &step.expect;
        match &step.action {
            Action::Transmit { command, unwrap } => {
                let command = self.bytes(command)?;
                let mut answer = self.send(&command)?;
                if *unwrap {
                    answer = self.unwrap(&command, &answer)?;
                }
                self.judge(expect, &answer)
            }
            Action::Select(file) => {
                let file = self.bytes(file)?;
                let p1 = if file.len() == 2 { 0x00 } else { 0x04 };
                let length = self.length(&file)?;
                let command = [&[0x00, 0xA4, p1, 0x00, length], &file[..], &[0x00]].concat();
                let answer = self.send(&command)?;
                self.judge(expect, &answer)
            }
            Action::Authenticate(proof) => self.authenticate(proof, expect),
            Action::Respond { proof, challenge } => {
                let challenge = self.bytes(challenge)?;
                self.respond(proof, &challenge)
            }
            Action::Open => self.open(),
            Action::Protected { command, hold } => self.protected(command, *hold, expect),
            Action::Encipher(blocks) => self.encipher(blocks),
            Action::Seal { header, objects } => self.seal(header, objects),
            Action::Line(line) => self.line(line, expect),
            Action::Initialise { kind, amount } => self.initialise(*kind, *amount, expect),
            Action::Compute { rule, over } => self.compute(*rule, over),
            Action::Derive(proof) => self.derive(proof),
            Action::Set { name, to } => {
                let bytes = self.bytes(to)?;
                self.values.insert(name.clone(), bytes);
                Ok(())
            }
            Action::Reset | Action::Power => self.restart(&step.action, expect),
            Action::Cut(writes) => self.cut(*writes),
            Action::Date(date) => {
                let date = self.bytes(date)?;
                self.values.insert("date".to_owned(), date);
                Ok(())
            }
            Action::Admit(proof) => self.admit(proof, expect),
            Action::Receive(command) => self.receive(command, expect),
            Action::Answer(answer) => self.answer(answer),
        }
    }

    /// Compares an answer with what is expected of it.
    pub(super) fn judge(&mut self, expect: &Expect, answer: &Answer) -> Result<(), Stop> {
        if expect.reply == Reply::Lost {
            return Err(Stop::Fails(format!("answered {}, expected no answer", answer.status)));
        }
        match expect.check(answer.status, &answer.data, &mut self.values)? {
            None => Ok(()),
            Some(difference) => Err(Stop::Fails(difference)),
        }
    }

    /// Sends a command and reads the answer, both on record.
    pub(super) fn send(&mut self, command: &[u8]) -> Result<Answer, Stop> {
        let mut response = Vec::new();
        let sent = self.bench.transmit(command, &mut response).and_then(|()| {
            Response::parse(&response).map(|it| it.status).ok_or_else(|| {
                ChannelError::Malformed(format!("{} bytes, expected 2 or more", response.len()))
            })
        });
        let reason = self.bench.reason();
        let exchange = Exchange { reason, ..self.exchange(ExchangeKind::Transmit) };
        let command_hex = hex::encode_upper(command);
        let response_hex = hex::encode_upper(&response);
        match sent {
            Ok(status) => {
                self.exchanges.push(Exchange {
                    command: command_hex,
                    response: response_hex,
                    ..exchange
                });
                response.truncate(response.len() - 2);
                self.follow(command, status);
                Ok(Answer { status, data: response })
            }
            Err(error) => {
                let error_text = Some(lost(&error));
                self.exchanges.push(Exchange {
                    command: command_hex,
                    error: error_text,
                    ..exchange
                });
                Err(Stop::Lost(error))
            }
        }
    }

    /// Notes what stood inside secure messaging in the last exchange.
    pub(super) fn note_plain(&mut self, plain: Plain) {
        if let Some(last) = self.exchanges.last_mut() {
            last.plain = Some(plain);
        }
    }

    pub(super) fn bytes(&self, template: &Template) -> Result<Vec<u8>, Stop> {
        Ok(template.bytes(&self.values)?)
    }

    /// A value of so many bytes.
    pub(super) fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], Stop> {
        let value = self.values.get(name).and_then(|bytes| bytes.as_slice().try_into().ok());
        value.ok_or_else(|| Stop::Cannot(format!("the case: {{{name}}} has to have {N} bytes")))
    }

    pub(super) fn set(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.values.insert(name.to_owned(), bytes.into());
    }

    pub(super) fn length(&self, bytes: &[u8]) -> Result<u8, Stop> {
        u8::try_from(bytes.len()).map_err(|_| {
            Stop::Cannot(format!("the case: {} bytes in a short command", bytes.len()))
        })
    }

    /// Sixteen bytes nobody has used before in this case; the same in every run.
    pub(super) fn nonce(&mut self) -> [u8; 16] {
        self.nonces = self.nonces.wrapping_add(1);
        let hash = Hash::of(&[&self.case.bytes()[..], &[self.nonces]].concat()).bytes();
        core::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
    }

    fn restart(&mut self, action: &Action, expect: &Expect) -> Result<(), Stop> {
        let cold = matches!(action, Action::Power);
        let atr = if cold { self.bench.power_cycle() } else { self.bench.reset() };
        let exchange = self.exchange(if cold { ExchangeKind::Power } else { ExchangeKind::Reset });
        (self.df, self.session) = (MF_FID, None);
        match atr {
            Ok(atr) => {
                self.exchanges.push(Exchange { response: hex::encode_upper(&atr), ..exchange });
                self.judge(expect, &Answer { status: StatusWord::SUCCESS, data: atr })
            }
            Err(error) => {
                self.exchanges.push(Exchange { error: Some(lost(&error)), ..exchange });
                Err(Stop::Lost(error))
            }
        }
    }

    fn cut(&mut self, writes: u64) -> Result<(), Stop> {
        self.bench.cut_after(writes)?;
        let exchange = self.exchange(ExchangeKind::Cut);
        self.exchanges.push(Exchange { command: format!("{writes:X}"), ..exchange });
        Ok(())
    }

    fn exchange(&self, kind: ExchangeKind) -> Exchange {
        Exchange {
            note: self.note.clone(),
            df: format!("{:04X}", self.df),
            kind,
            command: String::new(),
            response: String::new(),
            error: None,
            plain: None,
            reason: None,
        }
    }

    /// Follows the card to the DF it has selected: also when the wallet says that it is blocked, or the
    /// FCI cannot be made.
    fn follow(&mut self, command: &[u8], status: StatusWord) {
        let Ok(command) = Command::parse(command) else { return };
        let selects = command.class.0 == 0x00 && command.instruction == 0xA4;
        let selected =
            matches!(status.bytes(), [0x90 | 0x61, _] | [0x64, 0x00] | [0x6A, 0x81] | [0x93, 0x03]);
        let df = df(command.p1, command.data).filter(|_| selects && selected);
        if let Some(df) = df {
            (self.df, self.session) = (df, None);
        }
    }
}

fn lost(error: &ChannelError) -> Lost {
    Lost { removed: *error == ChannelError::Removed, text: error.to_string() }
}

/// What every case knows.
fn known(kind: Kind, student: [u8; 8], algorithm: Algorithm) -> Values {
    let [_, _, tail @ ..] = student;
    let number = [&[0x10, 0x00][..], &tail].concat();
    let serial = match kind {
        Kind::Student | Kind::Worn | Kind::Damaged => student,
        Kind::Management => MANAGEMENT_SERIAL,
        Kind::Psam => PSAM_SERIAL,
        Kind::Sam | Kind::Limited => SAM_SERIAL,
    };
    let management = match kind {
        Kind::Sam | Kind::Limited => SAM_MANAGEMENT_SERIAL,
        _ => MANAGEMENT_SERIAL,
    };
    let values: [(&str, &[u8]); 14] = [
        ("alg", &[algorithm.code()]),
        ("other-alg", &[3 - algorithm.code()]),
        ("profile", &[profile_code(algorithm)]),
        ("serial", &serial),
        ("student", &student),
        ("management", &management),
        ("number", &number),
        ("unit", &[0x11, 0x01, 0x05]),
        ("terminal", &[0, 0, 0, 0, 0, 0x01]),
        ("tsn", &[0, 0, 0, 0x01]),
        ("date", &[0x20, 0x26, 0x09, 0x01]),
        ("time", &[0x08, 0, 0]),
        ("pin", &[0x12, 0x34, 0x56]),
        ("reader", &[0, 0, 0, 0x01]),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

/// The DF that SELECT names, by identifier or by name.
fn df(p1: u8, data: &[u8]) -> Option<u16> {
    let by_identifier = match data {
        [] => Some(MF_FID),
        &[high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    };
    let kinds = [CardKind::Student, CardKind::Management, CardKind::Psam, CardKind::Sam];
    let mut dfs = kinds.into_iter().flat_map(|kind| kind.tree().all());
    let found = dfs.find(|df| match p1 {
        0x00 => by_identifier == Some(df.fid),
        _ => !df.name.is_empty() && df.name == data,
    });
    let alias = p1 == 0x04 && data == WALLET_ALIAS;
    found.map(|df| df.fid).or_else(|| alias.then_some(WALLET_FID))
}
