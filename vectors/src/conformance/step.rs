//! The steps of a case: one action each, with its arguments and what is expected of the answer.
//!
//! [`ACTIONS`] is the vocabulary: the name of an action, the arguments it takes, and whether an
//! answer of the card can be expected of it. The published schema is compared with it.

use std::collections::BTreeMap;
use std::fmt::Display;

use xuejika_keyscheme::legacy::TransactionType;

use super::bytes::{BytesError, Template, is_name};
use super::expect::{Capture, Data, Expect, Reply, Status};

/// An action of the vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct ActionSpec {
    /// The key that names it.
    pub name: &'static str,
    /// The other keys it takes, beside those of expectations.
    pub arguments: &'static [&'static str],
    /// Whether [`EXPECTATIONS`] apply.
    pub answered: bool,
}

const fn action(
    name: &'static str,
    arguments: &'static [&'static str],
    answered: bool,
) -> ActionSpec {
    ActionSpec { name, arguments, answered }
}

/// Arguments that name a key and the two sides of an authentication.
const PROOF: &[&str] = &["zone", "version", "unit", "owner", "serial"];

/// Every action.
pub const ACTIONS: [ActionSpec; 20] = [
    action("transmit", &["unwrap"], true),
    action("select", &[], true),
    action("authenticate", PROOF, true),
    action("respond", &["zone", "version", "unit", "owner", "serial", "challenge"], false),
    action("open", &[], false),
    action("protected", &["hold"], true),
    action("encipher", &[], false),
    action("seal", &["objects"], false),
    action("line", &["with", "secret", "challenge", "hold"], true),
    action("initialise", &["amount"], true),
    action("compute", &["over"], false),
    action("derive", PROOF, false),
    action("set", &["to"], false),
    action("reset", &[], true),
    action("power", &[], true),
    action("cut", &[], false),
    action("date", &[], false),
    action("admit", PROOF, true),
    action("receive", &[], true),
    action("answer", &[], false),
];

/// Keys that say what is expected.
pub const EXPECTATIONS: [&str; 4] = ["sw", "data", "capture", "reply"];

/// A step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Line of the case file.
    pub(super) line: usize,
    /// What it is for.
    pub(super) note: String,
    pub(super) action: Action,
    pub(super) expect: Expect,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Sends bytes as they are; the answer may be one under secure messaging.
    Transmit { command: Template, unwrap: bool },
    /// SELECT by identifier (2 bytes) or by name.
    Select(Template),
    /// The whole mutual authentication.
    Authenticate(Proof),
    /// Computes the reader's proof: `{request}` and `{token}`, the card's proof that is due.
    Respond { proof: Proof, challenge: Template },
    /// Opens the session of the last `respond`.
    Open,
    /// A command under secure messaging; held back, it is `{wire}` alone.
    Protected { command: Template, hold: bool },
    /// Enciphers whole blocks as the next command would be: `{cipher}`.
    Encipher(Template),
    /// Puts the checksum behind any objects: `{wire}`.
    Seal { header: Template, objects: Template },
    /// A command under line protection; held back, it is `{wire}` alone.
    Line(Line),
    /// INITIALIZE of a purse transaction; computes what follows it.
    Initialise { kind: TransactionType, amount: u32 },
    /// A value by a published rule: `{result}`.
    Compute { rule: Rule, over: Template },
    /// A card key: `{card-key}` and its check value `{kcv}`.
    Derive(Proof),
    /// A value.
    Set { name: String, to: Template },
    /// Warm reset; the data of the answer is the ATR.
    Reset,
    /// Power off and on; the data of the answer is the ATR.
    Power,
    /// Power goes after so many more writes.
    Cut(u64),
    /// The terminal's date from now on.
    Date(Template),
    /// As a card, has a SAM prove itself: `{token}`, the card's proof that is due.
    Admit(Proof),
    /// As a card, opens a command that a SAM protected.
    Receive(Template),
    /// As a card, protects an answer: `{wire}`.
    Answer(Template),
}

/// A key, and the two sides of an authentication under it.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) key: u8,
    pub(super) version: u8,
    /// The DF; by default the one selected last.
    pub(super) zone: Option<Template>,
    /// Unit of the SAM.
    pub(super) unit: Template,
    /// Unit that owns the key; by default the city.
    pub(super) owner: Option<Template>,
    /// Serial of the card; by default its own.
    pub(super) serial: Option<Template>,
}

/// A command of the operator.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) command: Template,
    /// Type of the key.
    pub(super) with: LineKeyType,
    /// Whether data is enciphered, in both directions.
    pub(super) secret: bool,
    /// By default the step takes one itself.
    pub(super) challenge: Option<Template>,
    pub(super) hold: bool,
}

/// Keys that protect commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKeyType {
    Line,
    PinUnblock,
}

/// Published rules that give one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Answer to EXTERNAL AUTHENTICATE, over a challenge.
    ExternalAuthentication,
    /// INTERNAL AUTHENTICATE, over blocks.
    InternalEncryption,
    /// The other direction.
    InternalDecryption,
    /// INTERNAL AUTHENTICATE, MAC over any bytes.
    InternalMac,
    /// MAC of RELOAD PIN, over the PIN.
    PinReload,
    /// MAC1 ‖ MAC2 of a purchase, over random (4) ‖ counter (2) ‖ amount (4) ‖ type (1) ‖ terminal
    /// (6) ‖ date (4) ‖ time (3) ‖ sequence number of the terminal (4).
    Purchase,
}

const RULES: [(&str, Rule); 6] = [
    ("external-authentication", Rule::ExternalAuthentication),
    ("internal-encryption", Rule::InternalEncryption),
    ("internal-decryption", Rule::InternalDecryption),
    ("internal-mac", Rule::InternalMac),
    ("pin-reload", Rule::PinReload),
    ("purchase", Rule::Purchase),
];

const TRANSACTIONS: [(&str, TransactionType); 4] = [
    ("load", TransactionType::WalletLoad),
    ("unload", TransactionType::Unload),
    ("purchase", TransactionType::WalletPurchase),
    ("compound-purchase", TransactionType::CompoundPurchase),
];

/// What a step gives, each text with its line.
pub(super) type Fields = BTreeMap<String, (String, usize)>;

/// What is wrong with a step, and where.
pub(super) type Wrong = (usize, String);

impl Step {
    /// Reads a step that stands at `line`.
    pub(super) fn parse(line: usize, fields: Fields) -> Result<Self, Wrong> {
        let named: Vec<_> =
            ACTIONS.iter().filter(|action| fields.contains_key(action.name)).collect();
        let [spec] = named.as_slice() else {
            let names: Vec<_> = ACTIONS.iter().map(|action| action.name).collect();
            return Err((line, format!("a step has one action of: {}", names.join(", "))));
        };
        let known = |key: &str| {
            key == spec.name
                || key == "note"
                || spec.arguments.contains(&key)
                || (spec.answered && EXPECTATIONS.contains(&key))
        };
        if let Some((key, (_, line))) = fields.iter().find(|(key, _)| !known(key)) {
            return Err((*line, format!("{:?} takes no field {key:?}", spec.name)));
        }
        let reader = Reader { line, fields };
        let note = reader.text("note").unwrap_or_default().to_owned();
        let action = reader.action(spec.name)?;
        let expect = reader.expect()?;
        Ok(Self { line, note, action, expect })
    }
}

/// The fields of a step.
struct Reader {
    line: usize,
    fields: Fields,
}

impl Reader {
    fn action(&self, name: &str) -> Result<Action, Wrong> {
        Ok(match name {
            "transmit" => {
                Action::Transmit { command: self.template(name)?, unwrap: self.flag("unwrap")? }
            }
            "select" => Action::Select(self.template(name)?),
            "authenticate" => Action::Authenticate(self.proof(name)?),
            "respond" => {
                Action::Respond { proof: self.proof(name)?, challenge: self.template("challenge")? }
            }
            "open" => Action::Open,
            "protected" => {
                Action::Protected { command: self.template(name)?, hold: self.flag("hold")? }
            }
            "encipher" => Action::Encipher(self.template(name)?),
            "seal" => {
                Action::Seal { header: self.template(name)?, objects: self.template("objects")? }
            }
            "line" => Action::Line(self.line_command()?),
            "initialise" => Action::Initialise {
                kind: self.choice(name, &TRANSACTIONS)?,
                amount: self.number("amount", None)?,
            },
            "compute" => {
                Action::Compute { rule: self.choice(name, &RULES)?, over: self.template("over")? }
            }
            "derive" => Action::Derive(self.proof(name)?),
            "set" => {
                let to = self.template("to")?;
                let name = self.required(name)?;
                if !is_name(name) {
                    return Err(self.wrong("set", format!("{name:?} is no name")));
                }
                Action::Set { name: name.to_owned(), to }
            }
            "reset" => Action::Reset,
            "power" => Action::Power,
            "cut" => Action::Cut(self.number(name, None)?.into()),
            "date" => Action::Date(self.template(name)?),
            "admit" => Action::Admit(self.proof(name)?),
            "receive" => Action::Receive(self.template(name)?),
            _ => Action::Answer(self.template("answer")?),
        })
    }

    fn expect(&self) -> Result<Expect, Wrong> {
        let status = self.text("sw").unwrap_or("9000");
        let status = Status::parse(status).ok_or_else(|| {
            self.wrong("sw", format!("{status:?}: expected forms: 9000, 61xx, 9000|61xx"))
        })?;
        let data = self.text("data").map(Data::parse).transpose();
        let captures = Capture::parse_all(self.text("capture").unwrap_or_default());
        let reply = match self.text("reply") {
            None | Some("given") => Reply::Given,
            Some("lost") => Reply::Lost,
            Some("either") => Reply::Either,
            Some(other) => {
                let message = format!("{other:?}: expected given, lost or either");
                return Err(self.wrong("reply", message));
            }
        };
        Ok(Expect {
            status,
            data: data.map_err(|error| self.wrong("data", error))?,
            captures: captures.map_err(|error| self.wrong("capture", error))?,
            reply,
        })
    }

    fn proof(&self, name: &str) -> Result<Proof, Wrong> {
        let version = self.text("version").unwrap_or("01");
        Ok(Proof {
            key: self.byte(name, self.required(name)?)?,
            version: self.byte("version", version)?,
            zone: self.optional("zone")?,
            unit: self.parse("unit", self.text("unit").unwrap_or("{unit}"))?,
            owner: self.optional("owner")?,
            serial: self.optional("serial")?,
        })
    }

    fn line_command(&self) -> Result<Line, Wrong> {
        let keys = [("line", LineKeyType::Line), ("pin-unblock", LineKeyType::PinUnblock)];
        let with = match self.text("with") {
            Some(_) => self.choice("with", &keys)?,
            None => LineKeyType::Line,
        };
        Ok(Line {
            command: self.template("line")?,
            with,
            secret: self.flag("secret")?,
            challenge: self.optional("challenge")?,
            hold: self.flag("hold")?,
        })
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(|(text, _)| text.as_str())
    }

    fn required(&self, key: &str) -> Result<&str, Wrong> {
        self.text(key).ok_or_else(|| (self.line, format!("field {key:?} is missing")))
    }

    fn template(&self, key: &str) -> Result<Template, Wrong> {
        self.parse(key, self.required(key)?)
    }

    fn optional(&self, key: &str) -> Result<Option<Template>, Wrong> {
        self.text(key).map(|text| self.parse(key, text)).transpose()
    }

    fn parse(&self, key: &str, text: &str) -> Result<Template, Wrong> {
        Template::parse(text).map_err(|error: BytesError| self.wrong(key, error))
    }

    fn flag(&self, key: &str) -> Result<bool, Wrong> {
        match self.text(key) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(self.wrong(key, format!("{other:?}: expected true or false"))),
        }
    }

    fn number(&self, key: &str, default: Option<u32>) -> Result<u32, Wrong> {
        let text = match (self.text(key), default) {
            (None, Some(default)) => return Ok(default),
            (None, None) => self.required(key)?,
            (Some(text), _) => text,
        };
        text.parse().map_err(|_| self.wrong(key, format!("{text:?}: expected a whole number")))
    }

    fn byte(&self, key: &str, text: &str) -> Result<u8, Wrong> {
        u8::from_str_radix(text, 16)
            .map_err(|_| self.wrong(key, format!("{text:?}: expected a byte in hexadecimal")))
    }

    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
        let text = self.required(key)?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.wrong(key, format!("{text:?}: expected one of {}", names.join(", ")))
        })
    }

    fn wrong(&self, key: &str, message: impl Display) -> Wrong {
        let line = self.fields.get(key).map_or(self.line, |(_, line)| *line);
        (line, format!("{key}: {message}"))
    }
}
