//! The implementation conformance statement (`card.ics.toml`): what a card claims to be. It decides
//! which cases apply, and is checked for contradictions before anything runs.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use xuejika_card_model::date::Date;
use xuejika_card_model::ident::CardSerial;
use xuejika_keyscheme::Algorithm;

use super::case::Kind;
use super::hash::Hash;
use super::source::{Place, SourceError};

/// What a card may claim, and the least it then has to be able to do.
pub const OPTIONS: [(&str, &str); 6] = [
    ("education", "education zone (教育区)"),
    ("extension", "extension sectors (扩展扇区)"),
    ("wallet", "transit wallet (电子钱包)"),
    ("chaining", "command chaining"),
    ("extended-lengths", "extended length fields"),
    ("plain-atr", "answer to reset without the card serial"),
];

/// Numbers a card may state.
pub const LIMITS: [(&str, &str); 3] = [
    ("command-data", "data bytes of one command"),
    ("chain-data", "data bytes of a chain"),
    ("wallet-ceiling", "largest balance of the wallet, fen"),
];

/// What the road to the card can do, beside the card's own options.
pub const ABILITIES: [(&str, &str); 1] = [("cut", "power can be cut after so many writes")];

/// A statement.
#[derive(Clone, Debug)]
pub struct Ics {
    /// Algorithm of the profile.
    pub algorithm: Algorithm,
    /// Kinds of cards that are there.
    pub kinds: Vec<Kind>,
    /// Serial of the student card, where it is stated.
    pub serial: Option<CardSerial>,
    /// Faults that are known and tolerated for a time.
    pub waivers: Vec<Waiver>,
    /// Over the text.
    pub hash: Hash,
    options: BTreeMap<String, bool>,
    limits: BTreeMap<String, u64>,
}

/// A known fault, tolerated for a time.
#[derive(Clone, Debug)]
pub struct Waiver {
    /// Cases, with `*` for any text.
    pub case: String,
    /// Where the fault is dealt with.
    pub ticket: String,
    /// Last day.
    pub until: Date,
}

/// What a case asks of a card or of the road to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// An option, or its absence.
    Option(String, bool),
    /// The profile's algorithm.
    Profile(Algorithm),
    /// A limit of at least this.
    Limit(String, u64),
    /// An ability of the road.
    Ability(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIcs {
    schema: Spanned<u32>,
    card: RawCard,
    #[serde(default)]
    options: BTreeMap<String, Spanned<bool>>,
    #[serde(default)]
    limits: BTreeMap<String, Spanned<u64>>,
    #[serde(default)]
    waiver: Vec<RawWaiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCard {
    profile: Spanned<String>,
    kinds: Spanned<Vec<Kind>>,
    serial: Option<Spanned<String>>,
    /// Maker and product, for readers of the file.
    #[serde(default, rename = "product")]
    _product: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    case: String,
    ticket: String,
    until: Spanned<String>,
}

impl Ics {
    /// Reads a statement and checks it for contradictions.
    ///
    /// # Errors
    /// Returns every contradiction with its line, or the one slip that keeps it from being read.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<SourceError>> {
        let place = Place::new(file, text);
        let raw: RawIcs = place.parse().map_err(|error| vec![error])?;
        let mut found = Found { place: &place, errors: Vec::new() };
        if *raw.schema.get_ref() != 1 {
            found.add(&raw.schema, format!("schema {}, expected 1", raw.schema.get_ref()));
        }
        let algorithm = found.profile(&raw.card.profile);
        let serial = raw.card.serial.as_ref().and_then(|text| found.serial(text));
        let waivers = raw.waiver.iter().filter_map(|waiver| found.waiver(waiver)).collect();
        found.names(&raw);
        found.contradictions(&raw);
        if !found.errors.is_empty() {
            return Err(found.errors);
        }
        Ok(Self {
            algorithm,
            kinds: raw.card.kinds.into_inner(),
            serial,
            waivers,
            hash: Hash::of(text.as_bytes()),
            options: raw.options.into_iter().map(|(name, on)| (name, on.into_inner())).collect(),
            limits: raw.limits.into_iter().map(|(name, to)| (name, to.into_inner())).collect(),
        })
    }

    /// Whether the card claims an option.
    #[must_use]
    pub fn claims(&self, option: &str) -> bool {
        self.options.get(option).copied().unwrap_or(false)
    }

    /// Why a condition is not met, `None` when it is. `abilities` are those of the road.
    #[must_use]
    pub fn lacks(&self, condition: &Condition, abilities: &[&str]) -> Option<String> {
        let reason = match condition {
            Condition::Option(name, wanted) if self.claims(name) != *wanted => {
                let verb = if *wanted { "does not claim" } else { "claims" };
                format!("the card {verb} {name}")
            }
            Condition::Profile(algorithm) if self.algorithm != *algorithm => {
                format!("the card is no {}", profile_name(*algorithm))
            }
            Condition::Limit(name, least) => match self.limits.get(name) {
                Some(limit) if limit >= least => return None,
                Some(limit) => format!("{name} is {limit}, the case needs {least}"),
                None => format!("the card states no {name}, the case needs {least}"),
            },
            Condition::Ability(name) if !abilities.contains(&name.as_str()) => {
                format!("the target has no ability {name:?}")
            }
            _ => return None,
        };
        Some(reason)
    }
}

impl Condition {
    /// Reads `wallet`, `!wallet`, `profile cpu-aes`, `chain-data >= 1024` or an ability.
    ///
    /// # Errors
    /// Returns a message that names what is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known =
            |names: &[(&str, &str)], name: &str| names.iter().any(|(known, _)| *known == name);
        if let Some(profile) = text.strip_prefix("profile ") {
            return profile_algorithm(profile.trim())
                .map(Self::Profile)
                .ok_or_else(|| format!("{text:?}: there is no such profile"));
        }
        if let Some((name, least)) = text.split_once(">=") {
            let name = name.trim();
            return match least.trim().parse() {
                Ok(least) if known(&LIMITS, name) => Ok(Self::Limit(name.to_owned(), least)),
                _ => Err(format!("{text:?}: expected LIMIT >= NUMBER")),
            };
        }
        let (name, wanted) = match text.strip_prefix('!') {
            Some(name) => (name, false),
            None => (text, true),
        };
        if known(&OPTIONS, name) {
            Ok(Self::Option(name.to_owned(), wanted))
        } else if known(&ABILITIES, name) && wanted {
            Ok(Self::Ability(name.to_owned()))
        } else {
            Err(format!("{text:?} is no condition"))
        }
    }
}

const fn profile_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Aes128 => "cpu-aes",
        Algorithm::Sm4 => "cpu-sm4",
    }
}

fn profile_algorithm(name: &str) -> Option<Algorithm> {
    [Algorithm::Aes128, Algorithm::Sm4].into_iter().find(|it| profile_name(*it) == name)
}

/// What is wrong with a statement.
struct Found<'a> {
    place: &'a Place<'a>,
    errors: Vec<SourceError>,
}

impl Found<'_> {
    fn add<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.errors.push(self.place.error(at.span().start, message));
    }

    fn profile(&mut self, name: &Spanned<String>) -> Algorithm {
        profile_algorithm(name.get_ref()).unwrap_or_else(|| {
            let message = format!("profile {:?}, expected cpu-aes or cpu-sm4", name.get_ref());
            self.add(name, message);
            Algorithm::Aes128
        })
    }

    fn serial(&mut self, text: &Spanned<String>) -> Option<CardSerial> {
        let serial = text.get_ref().parse::<CardSerial>();
        serial.map_err(|error| self.add(text, error.to_string())).ok()
    }

    fn waiver(&mut self, raw: &RawWaiver) -> Option<Waiver> {
        let until = raw.until.get_ref().parse::<Date>();
        let until = until.map_err(|error| self.add(&raw.until, error.to_string())).ok()?;
        if raw.ticket.trim().is_empty() {
            self.add(&raw.until, "a waiver needs a ticket");
        }
        Some(Waiver { case: raw.case.clone(), ticket: raw.ticket.clone(), until })
    }

    fn names(&mut self, raw: &RawIcs) {
        for (name, value) in &raw.options {
            if !OPTIONS.iter().any(|(known, _)| known == name) {
                self.add(value, format!("there is no option {name:?}"));
            }
        }
        for (name, value) in &raw.limits {
            if !LIMITS.iter().any(|(known, _)| known == name) {
                self.add(value, format!("there is no limit {name:?}"));
            }
        }
    }

    fn contradictions(&mut self, raw: &RawIcs) {
        let kinds = raw.card.kinds.get_ref();
        let mut sorted = kinds.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if kinds.is_empty() || sorted.len() != kinds.len() {
            self.add(&raw.card.kinds, "kinds: expected one or more, each once");
        }
        let claimed = |name: &str| raw.options.get(name).filter(|on| *on.get_ref());
        let limit = |name: &str| raw.limits.get(name);
        if let (Some(option), None) = (claimed("extension"), claimed("education")) {
            self.add(option, "extension sectors are opened by events of the education zone, which is not claimed");
        }
        if !kinds.contains(&Kind::Student) {
            for name in ["education", "extension", "wallet"] {
                if let Some(option) = claimed(name) {
                    self.add(option, format!("{name} is claimed, and there is no student card"));
                }
            }
            if let Some(serial) = &raw.card.serial {
                self.add(serial, "a serial is stated, and there is no student card");
            }
        }
        match (claimed("chaining"), limit("chain-data")) {
            (Some(option), None) => self.add(option, "chaining is claimed without chain-data"),
            (None, Some(limit)) => self.add(limit, "chain-data is stated, chaining is not claimed"),
            (Some(_), Some(limit)) if *limit.get_ref() < 256 => {
                self.add(
                    limit,
                    "a chain that carries less than 256 bytes carries no more than one command",
                );
            }
            _ => {}
        }
        match (claimed("extended-lengths"), limit("command-data")) {
            (Some(_), Some(limit)) if *limit.get_ref() < 256 => {
                self.add(
                    limit,
                    "extended lengths are claimed, and a command carries less than 256 bytes",
                );
            }
            (None, Some(limit)) if *limit.get_ref() > 255 => {
                self.add(limit, "a command of more than 255 bytes needs extended lengths, which are not claimed");
            }
            _ => {}
        }
        if let (None, Some(limit)) = (claimed("wallet"), limit("wallet-ceiling")) {
            self.add(limit, "wallet-ceiling is stated, wallet is not claimed");
        }
    }
}

/// The statement of the cards of this project.
#[must_use]
pub fn own_statement(algorithm: Algorithm) -> String {
    include_str!("../../conformance/card.ics.toml").replace("cpu-aes", profile_name(algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let errors = Ics::parse("card.ics.toml", text).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_projects_own_statement_holds() {
        for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
            let ics = Ics::parse("own", &own_statement(algorithm)).unwrap();
            assert_eq!(ics.algorithm, algorithm);
            let condition = Condition::parse("wallet").unwrap();
            assert_eq!(ics.lacks(&condition, &[]), None);
            assert!(ics.lacks(&Condition::parse("cut").unwrap(), &[]).is_some());
            assert_eq!(ics.lacks(&Condition::parse("cut").unwrap(), &["cut"]), None);
            assert!(ics.lacks(&Condition::parse("!wallet").unwrap(), &[]).is_some());
            assert!(ics.lacks(&Condition::parse("chain-data >= 1025").unwrap(), &[]).is_some());
        }
    }

    #[test]
    fn contradictions_are_named_with_their_line() {
        let text = "schema = 1\n[card]\nprofile = \"s70\"\nkinds = [\"psam\"]\nserial = \"1\"\n\
                    [options]\nwallet = true\nwings = true\nchaining = true\n\
                    [limits]\nchain-data = 10\ncommand-data = 256\n";
        let errors = errors(text);
        let expected = [
            "card.ics.toml:3: profile \"s70\"",
            "card.ics.toml:5: ",
            "card.ics.toml:8: there is no option \"wings\"",
            "card.ics.toml:7: wallet is claimed, and there is no student card",
            "card.ics.toml:5: a serial is stated",
            "card.ics.toml:11: a chain",
            "card.ics.toml:12: a command of more",
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
        for (error, expected) in errors.iter().zip(expected) {
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn slips_and_unknown_conditions_are_named() {
        assert!(errors("schema = 1\n[card]\nprofile = 1\n")[0].starts_with("card.ics.toml:3: "));
        assert!(errors("schema = 1\nwings = 2\n")[0].contains("wings"));
        for text in ["wings", "!cut", "profile s70", "chain-data >= x", "wings >= 1"] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }
}
