//! `card create`, `card show` and `card export`.

mod sector;
mod show;

use core::fmt;
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::card::{Header, Privacy};
use xuejika_card_model::factory;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::{ExtensionSet, Profile};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::{Card, file::tree::CardKind};
use xuejika_emulator::{file_store, test_card};
use xuejika_keyscheme::Algorithm;

use crate::args::{Atr, CreateArgs, Kind, Uid};
use crate::exit::{Code, Failure, Outcome};
use crate::hex;
use crate::keys;
use crate::output::Output;

pub(crate) use sector::export;

/// Makes the image of a new card.
pub(crate) fn create(args: &CreateArgs, out: &Output) -> Outcome<Code> {
    if args.blank && args.kind != Kind::Student {
        return Err(Failure::usage(anyhow!("only a student card can be blank")));
    }
    let lent = args.holder.lent()?;
    if lent.is_some() && !matches!(args.kind, Kind::Management | Kind::Sam) {
        return Err(Failure::usage(anyhow!("--sectors is for a SAM or a management card")));
    }
    let mut memory = match args.kind {
        Kind::Student => student(args)?,
        Kind::Management => management(args, lent)?,
        Kind::Psam => test_card::psam(args.terminal).map_err(Failure::usage)?,
        Kind::Sam => sam(args, lent)?,
    };
    let privacy =
        Privacy { random_uid: args.uid == Uid::Random, plain_atr: args.atr == Atr::Plain };
    factory::keep_private(&mut memory, privacy).map_err(Failure::device)?;
    let card = Card::open(memory).map_err(Failure::device)?;
    file_store::create(&args.output, xuejika_card_model::nvm::Nvm::bytes(card.nvm()))?;
    keys::announce();
    out.report(&Summary::new(&args.output, &card)?)?;
    Ok(Code::AsExpected)
}

fn student(args: &CreateArgs) -> Outcome<RamNvm> {
    let serial =
        args.serial.ok_or_else(|| Failure::usage(anyhow!("a student card needs --serial")))?;
    let profile = profile(args)?;
    let memory = || -> anyhow::Result<RamNvm> {
        let issuance = test_card::issuance(serial, profile)?;
        Ok(RamNvm::new(match args.blank {
            true => test_card::blank_student_memory(&issuance)?,
            false => test_card::student_memory(&issuance)?,
        }))
    };
    memory().map_err(Failure::usage)
}

fn management(args: &CreateArgs, lent: Option<ExtensionSet>) -> Outcome<RamNvm> {
    Ok(test_card::management_for(algorithm(args)?, unit(args)?, lent, args.valid_until))
}

fn sam(args: &CreateArgs, lent: Option<ExtensionSet>) -> Outcome<RamNvm> {
    let number = Digits::new(1).map_err(Failure::device)?;
    let serial = SamSerial { unit: unit(args)?, number };
    Ok(test_card::sam_for(algorithm(args)?, serial, lent, args.valid_until))
}

fn unit(args: &CreateArgs) -> Outcome<UnitCode> {
    args.unit.ok_or_else(|| Failure::usage(anyhow!("this kind of card needs --unit")))
}

fn algorithm(args: &CreateArgs) -> Outcome<Algorithm> {
    Ok(match profile(args)? {
        Profile::CpuSm4 => Algorithm::Sm4,
        _ => Algorithm::Aes128,
    })
}

fn profile(args: &CreateArgs) -> Outcome<Profile> {
    let profile = args.profile.map(Profile::from);
    profile.ok_or_else(|| Failure::usage(anyhow!("this kind of card needs --profile")))
}

/// Shows what an image holds.
pub(crate) fn show(path: &Path, out: &Output) -> Outcome<Code> {
    if sector::is_image(path) {
        return sector::show(path, out);
    }
    let memory = file_store::read_image(path)?;
    let card = Card::open(RamNvm::new(memory)).map_err(|error| {
        Failure::usage(anyhow::Error::from(error).context(path.display().to_string()))
    })?;
    out.report(&show::View::new(Summary::new(path, &card)?, &card))?;
    Ok(Code::AsExpected)
}

/// What a card is, in a few words.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    file: String,
    kind: &'static str,
    profile: &'static str,
    serial: String,
    uid: String,
    state: &'static str,
    #[serde(skip)]
    chinese: [&'static str; 2],
}

impl Summary {
    fn new(path: &Path, card: &Card<RamNvm>) -> Outcome<Self> {
        let state = card.state().map_err(|error| {
            Failure::usage(anyhow::Error::from(error).context(path.display().to_string()))
        })?;
        Ok(Self::of(path.display().to_string(), card.header(), state))
    }

    /// Of the card called `name`.
    pub(crate) fn of(name: String, header: &Header, state: LifeCycleState) -> Self {
        let (kind, chinese) = match header.kind {
            CardKind::Student => ("student-record card", "学籍卡"),
            CardKind::Management => ("management card", "管理卡"),
            CardKind::Psam => ("PSAM", "终端安全模块"),
            CardKind::Sam => ("SAM", "SAM卡"),
        };
        let profile = match (header.kind, header.algorithm) {
            (CardKind::Psam, _) => "psam",
            (_, Algorithm::Aes128) => "cpu-aes",
            (_, Algorithm::Sm4) => "cpu-sm4",
        };
        Self {
            file: name,
            kind,
            profile,
            serial: hex::emit(&header.serial.0),
            uid: uid(header),
            state: state.english(),
            chinese: [chinese, state.chinese()],
        }
    }
}

/// The radio identifier, if it is always the same one.
fn uid(header: &Header) -> String {
    if header.privacy.random_uid { "random".to_owned() } else { hex::emit(&header.uid) }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, kind, profile, serial, uid, state, chinese: [kind_zh, state_zh] } = self;
        write!(f, "{file}: {kind} {kind_zh}, {profile}, serial {serial}, UID {uid}, ")?;
        write!(f, "{state} {state_zh}")
    }
}
