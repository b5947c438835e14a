//! The command line.

use core::num::NonZeroU16;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use xuejika_apdu::status::Language;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::ident::{CardSerial, StudentNumber, UnitCode};
use xuejika_card_model::record::{ExtensionIndex, ExtensionSet, Profile, Term, TerminalId};
use xuejika_keyscheme::legacy::TerminalId as TerminalNumber;

use crate::districts::DistrictArgs;
use crate::exit::{Failure, Outcome};
use crate::hex::Expected;
use crate::reader::life::{application, sector};
use crate::target::Target;

const ENDING: &str = "\
Exit status:
  0  everything was as expected
  1  findings: the card refused, a status word or a check was not as expected
  2  the command line or an input cannot be used
  3  the card, the reader or the machine failed
  4  refused for safety

Targets (T):
  emu:cpu-aes, emu:cpu-sm4  a new test card in this process
  emu:FILE                  the card in an image file, each change stored
  tcp://HOST:PORT           a card that listens (xuejika emulate --listen)
  pcsc:INDEX-OR-NAME        a card in a PC/SC reader (feature pcsc)

Examples:
  xuejika demo -v
  xuejika card create --profile cpu-aes --serial 1100260100000014 -o card.img
  xuejika reader personalise --target emu:card.img --pupil pupil.toml --issued
  xuejika reader register --target tcp://A --sam tcp://B --management tcp://C
  xuejika wallet load --target emu:card.img --amount 10.00
  xuejika apdu --target emu:card.img 00A4040007F0424A4544550100";

/// Virtual student-record cards (学籍卡), their reader, and checks.
#[derive(Debug, Parser)]
#[command(name = "xuejika", version, after_help = ENDING)]
pub(crate) struct Cli {
    /// Print one JSON object per line instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print more: the commands sent and what the card said.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Language of status words.
    #[arg(long, global = true, value_enum, default_value = "en")]
    pub(crate) lang: Lang,
    #[command(flatten)]
    pub(crate) trace: crate::recorder::TraceArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A language of status words.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Lang {
    /// English.
    En,
    /// Chinese (中文).
    Zh,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Zh => Self::Chinese,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job in one go, in this process and without set-up.
    Demo(DemoArgs),
    /// Make and show card images.
    #[command(subcommand)]
    Card(CardCommand),
    /// Serve the card in an image file to a PC/SC driver or over TCP.
    Emulate(EmulateArgs),
    /// Send commands and show the answers.
    Apdu(ApduArgs),
    /// Send the commands of a script and compare the status words.
    Script(ScriptArgs),
    /// Act as a school's reader.
    #[command(subcommand)]
    Reader(ReaderCommand),
    /// Load, pay and the operator's acts, on the transit wallet (电子钱包).
    #[command(subcommand)]
    Wallet(crate::wallet::WalletCommand),
    /// Make, split, wrap and check root keys.
    #[cfg(unix)]
    #[command(subcommand)]
    Keys(crate::key_verbs::KeysCommand),
    /// Make and check initialisation batches (初始化批次).
    #[cfg(unix)]
    #[command(subcommand)]
    Batch(crate::batch::BatchCommand),
    /// Make, merge and check loss and freeze lists (挂失冻结名单).
    #[cfg(unix)]
    #[command(subcommand)]
    List(crate::list::ListCommand),
    /// Write the records that desks pass to each other (业务单据).
    Desk(crate::desk::DeskArgs),
    /// Test any card against the card profile, case by case.
    #[command(subcommand)]
    Conformance(crate::conformance::ConformanceCommand),
    /// Look at traces that --trace has recorded.
    #[command(subcommand)]
    Trace(crate::recorder::TraceCommand),
    /// Play careers of cards from scenario files (情景).
    #[command(subcommand)]
    Scenario(crate::scenario::ScenarioCommand),
    /// Check the cryptography against test vectors.
    #[command(subcommand)]
    Vectors(VectorsCommand),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write all of them.
    Man {
        /// Folder for one page per command.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

impl Command {
    /// Whether there is something to record.
    pub(crate) const fn talks_to_cards(&self) -> bool {
        use crate::scenario::ScenarioCommand;
        match self {
            Self::Demo(_) | Self::Emulate(_) | Self::Apdu(_) | Self::Script(_) => true,
            Self::Reader(_) | Self::Wallet(_) | Self::Desk(_) => true,
            Self::Conformance(command) => command.talks_to_cards(),
            Self::Scenario(command) => matches!(command, ScenarioCommand::Run(_)),
            #[cfg(unix)]
            Self::Batch(command) => matches!(command, crate::batch::BatchCommand::Readback(_)),
            _ => false,
        }
    }
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Seed of all randomness; the same seed prints the same bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// `card`.
#[derive(Debug, Subcommand)]
pub(crate) enum CardCommand {
    /// Make the image of a new card with test keys.
    Create(CreateArgs),
    /// Show what an image holds, decoded; of keys only the check values.
    Show {
        /// The image.
        #[arg(value_name = "FILE")]
        image: PathBuf,
    },
    /// Write the records of a card as the image of a first-generation sector card, without keys.
    Export(ExportArgs),
}

/// `card export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The image.
    #[arg(value_name = "FILE")]
    pub(crate) image: PathBuf,
    /// As a sector card of 4 KB (S70).
    #[arg(long, required = true)]
    pub(crate) s70: bool,
    /// The image to write; an existing file is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// `card create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What kind of card.
    #[arg(long, value_enum, default_value = "student")]
    pub(crate) kind: Kind,
    /// Algorithm of the keys; a PSAM has one of its own.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<CpuProfile>,
    /// Serial of a student-record card: 16 digits, the last one a check digit.
    #[arg(long, value_name = "S")]
    pub(crate) serial: Option<CardSerial>,
    /// Leave a student card blank (空白): `reader initialise` makes it ready.
    #[arg(long)]
    pub(crate) blank: bool,
    /// Unit of a SAM, or whose readers a management card unlocks: 6 digits.
    #[arg(long)]
    pub(crate) unit: Option<UnitCode>,
    #[command(flatten)]
    pub(crate) holder: HolderArgs,
    /// Last day on which a management card unlocks; the test SAM takes only the default, a SAM made
    /// here only the one it was made with.
    #[arg(long, value_name = "DATE", default_value = crate::reader::VALID_UNTIL)]
    pub(crate) valid_until: Date,
    /// Number of the terminal that a PSAM makes: 12 hexadecimal digits.
    #[arg(long, value_name = "ID", default_value = "000000000001", value_parser = terminal_number)]
    pub(crate) terminal: TerminalNumber,
    /// Radio identifier: the same for ever, or a new one at each power-up.
    #[arg(long, value_enum, default_value = "fixed")]
    pub(crate) uid: Uid,
    /// Answer to reset: with the last digits of the serial, or without.
    #[arg(long, value_enum, default_value = "serial")]
    pub(crate) atr: Atr,
    /// The image to write; an existing file is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Who works with a SAM and its management card.
#[derive(Debug, Args)]
pub(crate) struct HolderArgs {
    /// Who works with the reader whose test SAM and test management card these are. By default the
    /// office of its unit, with --sectors an application unit.
    #[arg(long, value_enum)]
    role: Option<ReaderRole>,
    /// Extension sectors that its unit lends to the application unit, such as 2,3: the SAM has the
    /// keys of these, and K1 to read the pupil, and no other.
    #[arg(long, value_name = "N,N")]
    sectors: Option<ExtensionSet>,
}

impl HolderArgs {
    /// The sectors of an application unit; `None` for an office.
    pub(crate) fn lent(&self) -> Outcome<Option<ExtensionSet>> {
        let refused = match (self.role, self.sectors) {
            (Some(ReaderRole::Application), None) => {
                "--role application needs --sectors: the sectors lent to it, such as 2,3"
            }
            (Some(ReaderRole::Office), Some(_)) => {
                "--sectors is for --role application: an office has the keys of all sectors"
            }
            (_, sectors) => return Ok(sectors),
        };
        Err(Failure::usage(anyhow!(refused)))
    }
}

/// Who works with a reader on behalf of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReaderRole {
    /// The card office of city, district or school (管理单位).
    Office,
    /// An application unit (应用单位), such as a canteen or a library.
    Application,
}

/// The radio identifier of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Uid {
    /// Seven bytes made from the serial.
    Fixed,
    /// 08 and three random bytes, so that nobody near can follow the card by it.
    Random,
}

/// The answer to reset of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Atr {
    /// Ends in the last ten digits of the serial.
    Serial,
    /// The same for all cards of a kind.
    Plain,
}

/// What kind of card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Student-record card (学籍卡).
    Student,
    /// Management card (管理卡).
    Management,
    /// Purchase SAM of a terminal (PSAM, 终端安全模块).
    Psam,
    /// SAM of a reader (SAM卡).
    Sam,
}

pub(crate) fn terminal_number(text: &str) -> Result<TerminalNumber, String> {
    let bytes = crate::hex::parse(text).map_err(|error| error.to_string())?;
    let bytes = bytes.try_into().map_err(|_| "expected 12 hexadecimal digits")?;
    Ok(TerminalNumber(bytes))
}

/// A profile with a processor.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CpuProfile {
    /// AES-128.
    CpuAes,
    /// SM4.
    CpuSm4,
}

impl From<CpuProfile> for Profile {
    fn from(profile: CpuProfile) -> Self {
        match profile {
            CpuProfile::CpuAes => Self::CpuAes,
            CpuProfile::CpuSm4 => Self::CpuSm4,
        }
    }
}

/// `emulate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("road").required(true).args(["vpcd", "listen"]))]
pub(crate) struct EmulateArgs {
    /// The image.
    #[cfg_attr(unix, arg(value_name = "FILE", required_unless_present = "batch"))]
    #[cfg_attr(not(unix), arg(value_name = "FILE", required = true))]
    pub(crate) image: Option<PathBuf>,
    #[cfg(unix)]
    #[command(flatten)]
    pub(crate) deck: crate::batch::serve::DeckArgs,
    /// Dial the virtual PC/SC driver there, and again after every loss.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) vpcd: Option<String>,
    /// Wait there for hosts, one at a time; port 0 picks a free one.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Take challenges from this seed: repeatable, not secret.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Keep changes in memory and leave the image as it is.
    #[arg(long)]
    pub(crate) volatile: bool,
    /// Be a new copy of the image after every loss of power; the image stays as it is.
    #[arg(long, conflicts_with = "volatile")]
    pub(crate) fresh: bool,
    /// Misbehave, as ID or ID:N from the N-th occasion on (xuejika conformance reader list); the image
    /// stays as it is.
    #[arg(long, value_name = "ID[:N]", requires = "image", conflicts_with_all = ["volatile", "fresh"])]
    pub(crate) misbehave: Option<xuejika_emulator::misbehave::Plan>,
    /// Allow other addresses than this machine's own.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// The card to work on.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The card; see the end of `xuejika --help`.
    #[arg(short, long, value_name = "T")]
    pub(crate) target: Target,
    /// Take randomness and the clock from this seed.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// `apdu`.
#[derive(Debug, Args)]
pub(crate) struct ApduArgs {
    #[command(flatten)]
    pub(crate) card: TargetArgs,
    /// Status word of the last command, such as 6A82, 61xx or 9000|6283; those before must succeed.
    #[arg(long, value_name = "SW")]
    pub(crate) expect: Option<Expected>,
    /// Commands in hexadecimal, one per argument; `-` reads one per line from stdin.
    #[arg(value_name = "HEX", required = true)]
    pub(crate) commands: Vec<String>,
}

/// `script`.
#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    #[command(flatten)]
    pub(crate) card: TargetArgs,
    /// The script, `-` for stdin. A line is a command in hexadecimal, with `-> SW` or `= SW` behind
    /// it where the answer matters, or `reset`; notes begin with # or //.
    #[arg(value_name = "FILE")]
    pub(crate) script: PathBuf,
}

/// `reader`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReaderCommand {
    /// Read everything on the card.
    Read(ReaderArgs),
    /// Personalise the card for a pupil (个人化).
    Personalise(PersonaliseArgs),
    /// Register the card for a term (学籍注册).
    Register(RegisterArgs),
    /// Say whether a venue accepts the card; status 0 accepts, 1 refuses.
    Verdict(VerdictArgs),
    /// Load a newer version of a key under K0, for the city; the SAM derives it.
    LoadKey(LoadKeyArgs),
    /// Retire the old version of a key that a newer one has replaced, under K0, for the city.
    RetireKey(KeyArgs),
    /// The rest of a card's life, and its extension sectors.
    #[command(flatten)]
    Life(crate::reader::life::LifeCommand),
}

/// `reader verdict`.
#[derive(Debug, Args)]
pub(crate) struct VerdictArgs {
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// For the application with this code (应用代码) in --sector, rather than for education in general:
    /// 4 hexadecimal digits.
    #[arg(long, value_name = "CODE", value_parser = application, requires = "sector")]
    pub(crate) application: Option<NonZeroU16>,
    /// Extension sector of the application, 1 to 8.
    #[arg(long, value_name = "N", value_parser = sector, requires = "application")]
    pub(crate) sector: Option<ExtensionIndex>,
}

/// `reader retire-key`.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// Number of the key, 0 to 6.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=6))]
    pub(crate) key: u8,
}

/// `reader load-key`.
#[derive(Debug, Args)]
pub(crate) struct LoadKeyArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The version to load, 1 to 254. Test SAMs hold versions 1 and 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=254))]
    pub(crate) version: u8,
}

/// What all reader commands take.
#[derive(Debug, Args)]
pub(crate) struct ReaderArgs {
    #[command(flatten)]
    pub(crate) station: StationArgs,
    /// A loss and freeze list (挂失冻结名单) the reader holds; again for more. What would put a listed
    /// card to use, or keep it there, is refused; any other operation notes what the lists say.
    #[arg(long = "list", value_name = "FILE")]
    pub(crate) lists: Vec<PathBuf>,
}

/// A card, a reader and when.
#[derive(Debug, Args)]
pub(crate) struct StationArgs {
    #[command(flatten)]
    pub(crate) card: TargetArgs,
    /// The SAM (SAM卡) that holds the reader's keys: `test`, in this process, or a card like --target.
    #[arg(long, value_name = "T3", default_value = "test", value_parser = desk_card)]
    pub(crate) sam: DeskCard,
    /// Unit of the reader: 6 digits. By default the one whose operation it is; a SAM that is a card
    /// has its own.
    #[arg(long, value_name = "UNIT")]
    pub(crate) sam_unit: Option<UnitCode>,
    #[command(flatten)]
    pub(crate) holder: HolderArgs,
    /// The management card that unlocks the reader: `test`, or a card like --target.
    #[arg(long, value_name = "T2", default_value = "test", value_parser = desk_card)]
    pub(crate) management: DeskCard,
    /// Today, as 2026-09-01. By default the date in Beijing.
    #[arg(long)]
    pub(crate) date: Option<Date>,
    /// Time of day, as 08:30:00. By default the time in Beijing.
    #[arg(long)]
    pub(crate) time: Option<Time>,
    /// Number of the terminal: 8 hexadecimal digits.
    #[arg(long, value_name = "ID", default_value = "00000001")]
    pub(crate) terminal: TerminalId,
}

/// A management card or a SAM.
#[derive(Clone, Debug)]
pub(crate) enum DeskCard {
    /// The published one, in this process.
    Test,
    /// Another.
    Card(Target),
}

fn desk_card(text: &str) -> Result<DeskCard, String> {
    match text {
        "test" => Ok(DeskCard::Test),
        target => target.parse().map(DeskCard::Card),
    }
}

/// `reader correct`.
#[derive(Debug, Args)]
pub(crate) struct PupilArgs {
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// The pupil's data, a .toml or a .csv file. By default a fictional pupil.
    #[arg(long, value_name = "FILE")]
    pub(crate) pupil: Option<PathBuf>,
    /// Line of the .csv file, 1 being the first below the heading.
    #[arg(long, value_name = "N", requires = "pupil", conflicts_with = "number")]
    pub(crate) row: Option<usize>,
    /// Student number (学籍号) of the line of the .csv file.
    #[arg(long, value_name = "学籍号", requires = "pupil")]
    pub(crate) number: Option<StudentNumber>,
    #[command(flatten)]
    pub(crate) districts: DistrictArgs,
}

/// `reader personalise`.
#[derive(Debug, Args)]
pub(crate) struct PersonaliseArgs {
    #[command(flatten)]
    pub(crate) pupil: PupilArgs,
    /// Note on the card that it is handed out.
    #[arg(long)]
    pub(crate) issued: bool,
    #[command(flatten)]
    pub(crate) admission: AdmissionArgs,
}

/// What a desk asks before it personalises.
#[derive(Debug, Args)]
pub(crate) struct AdmissionArgs {
    /// Uploads (个人化信息) to ask first: nobody gets a second card, or another pupil's number. The
    /// lists tell what was lost and replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) uploads: Option<PathBuf>,
    /// The pupil is another than the one of the same name, birthday and sex who has a card.
    #[arg(long, requires = "uploads")]
    pub(crate) namesake: bool,
}

/// `reader register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// Year in which the school year begins. By default by the date.
    #[arg(long, value_name = "YEAR")]
    pub(crate) school_year: Option<u16>,
    /// Term: autumn or spring. By default by the date.
    #[arg(long)]
    pub(crate) term: Option<Term>,
}

/// `vectors`.
#[derive(Debug, Subcommand)]
pub(crate) enum VectorsCommand {
    /// Run all vectors of the given files, or of the bundled ones.
    Verify {
        /// Vector files (JSON).
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
