//! Which card a command works on, and the road to it.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::path::{Path, PathBuf};

use anyhow::Context;
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::Profile;
use xuejika_emulator::file_store::{self, ImageFileError};
use xuejika_emulator::{Env, FileNvm, VirtualCard, test_card};
use xuejika_reader::channel::TcpChannel;
use xuejika_reader::channel::trace::{Event, Tap, Trace};

use crate::clock::fork;
use crate::exit::{Failure, Outcome};
use crate::keys;

/// Serial of the test card in process.
pub(crate) const SERIAL: &str = "1100260100000014";

/// Serial of another test card.
const OTHER_SERIAL: &str = "1100070100000017";

/// The serial of a test card that is another than this card, of 8 bytes.
pub(crate) fn other_serial(serial: &[u8]) -> &'static str {
    if crate::hex::emit(serial) == SERIAL { OTHER_SERIAL } else { SERIAL }
}

/// Longest wait for an answer over TCP; longer than a card may take there.
const PATIENCE: Duration = Duration::from_secs(15);

/// A card, as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `emu:PROFILE`: a new test card in process.
    Fresh(Profile),
    /// `emu:FILE`: the card in an image file, in process.
    Image(PathBuf),
    /// `tcp://HOST:PORT`: a card that listens.
    Tcp(String),
    /// `pcsc:READER`: a card in a reader, by index or name.
    Pcsc(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let after = |prefix| text.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty());
        if let Some(name) = after("emu:") {
            return match name {
                "cpu-aes" => Ok(Self::Fresh(Profile::CpuAes)),
                "cpu-sm4" => Ok(Self::Fresh(Profile::CpuSm4)),
                "s70" => Err("profile s70 is no processor card and cannot be emulated".into()),
                file => Ok(Self::Image(file.into())),
            };
        }
        let tcp = after("tcp://").map(|address| Self::Tcp(address.into()));
        let pcsc = || after("pcsc:").map(|reader| Self::Pcsc(reader.into()));
        tcp.or_else(pcsc).ok_or_else(|| {
            "expected emu:cpu-aes, emu:cpu-sm4, emu:FILE, tcp://HOST:PORT or pcsc:READER".into()
        })
    }
}

impl Target {
    /// Whether the card is outside this process, so that it can be reached anew.
    pub(crate) const fn is_remote(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Pcsc(_))
    }

    /// Reaches the card and powers it on. The trace calls it `name`.
    pub(crate) fn open(&self, env: &mut Env, trace: &Trace, name: &str) -> Outcome<Channel> {
        let road = match self {
            Self::Fresh(profile) => {
                keys::announce();
                let card = VirtualCard::new(fresh_memory(*profile)?, Env::with_rng(fork(env)));
                Road::Fresh(powered(card.map_err(Failure::device)?)?)
            }
            Self::Image(path) => Road::Image(powered(open_image(path, env)?)?),
            Self::Tcp(address) => Road::Tcp(TcpChannel::connect(address, PATIENCE)?),
            Self::Pcsc(reader) => open_reader(reader)?,
        };
        let channel = Channel { road, tap: trace.tap(&self.to_string(), name) };
        channel.tap.event(Event::Power);
        channel.tap.atr(&channel.atr());
        Ok(channel)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh(profile) => write!(f, "emu:{profile}"),
            Self::Image(path) => write!(f, "emu:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Pcsc(reader) => write!(f, "pcsc:{reader}"),
        }
    }
}

/// Memory of the test card in process.
pub(crate) fn fresh_memory(profile: Profile) -> Outcome<RamNvm> {
    memory_of(SERIAL, profile)
}

/// Memory of a test card with this serial.
pub(crate) fn memory_of(serial: &str, profile: Profile) -> Outcome<RamNvm> {
    let memory = || -> anyhow::Result<RamNvm> {
        let issuance = test_card::issuance(serial.parse()?, profile)?;
        Ok(RamNvm::new(test_card::student_memory(&issuance)?))
    };
    memory().map_err(Failure::device)
}

/// The card in an image file, without power, every commit stored.
pub(crate) fn open_image(path: &Path, env: &mut Env) -> Outcome<VirtualCard<FileNvm>> {
    let card = image_card(path, FileNvm::open(path), env)?;
    keys::announce_on(card.model());
    Ok(card)
}

/// A card with the contents of an image file, without power; the file stays as it is.
pub(crate) fn copy_image(path: &Path, env: &mut Env) -> Outcome<VirtualCard> {
    let card = image_card(path, file_store::read_image(path).map(RamNvm::new), env)?;
    keys::announce_on(card.model());
    Ok(card)
}

fn image_card<N: Nvm>(
    path: &Path,
    nvm: Result<N, ImageFileError>,
    env: &mut Env,
) -> Outcome<VirtualCard<N>> {
    VirtualCard::new(nvm?, Env::with_rng(fork(env)))
        .with_context(|| path.display().to_string())
        .map_err(Failure::usage)
}

fn powered<N: Nvm>(mut card: VirtualCard<N>) -> Outcome<Box<VirtualCard<N>>> {
    card.power_on().map_err(Failure::device)?;
    Ok(Box::new(card))
}

#[cfg(feature = "pcsc")]
fn open_reader(reader: &str) -> Outcome<Road> {
    Ok(Road::Pcsc(xuejika_reader::channel::PcscChannel::open(reader)?))
}

#[cfg(not(feature = "pcsc"))]
fn open_reader(reader: &str) -> Outcome<Road> {
    Err(Failure::usage(anyhow::anyhow!(
        "pcsc:{reader}: this program was built without PC/SC; build it with --features pcsc"
    )))
}

/// The road to a powered card, written down in the trace of the run.
#[derive(Debug)]
pub(crate) struct Channel {
    road: Road,
    tap: Tap,
}

/// Where the card is.
#[derive(Debug)]
enum Road {
    /// In process, contents lost at the end.
    Fresh(Box<VirtualCard>),
    /// In process, contents in a file.
    Image(Box<VirtualCard<FileNvm>>),
    /// Behind a TCP port.
    Tcp(TcpChannel),
    /// In a PC/SC reader.
    #[cfg(feature = "pcsc")]
    Pcsc(xuejika_reader::channel::PcscChannel),
}

impl Channel {
    /// The answer to the last reset.
    pub(crate) fn atr(&self) -> Result<Vec<u8>, ChannelError> {
        Ok(match &self.road {
            Road::Fresh(card) => card.atr().to_vec(),
            Road::Image(card) => card.atr().to_vec(),
            Road::Tcp(channel) => channel.atr().to_vec(),
            #[cfg(feature = "pcsc")]
            Road::Pcsc(channel) => channel.atr()?,
        })
    }

    /// Why the last command was refused, which only a card in process tells.
    pub(crate) fn refusal(&self) -> Option<String> {
        let refusal = match &self.road {
            Road::Fresh(card) => card.last_refusal(),
            Road::Image(card) => card.last_refusal(),
            _ => None,
        };
        refusal.map(ToString::to_string)
    }

    /// Takes power away and gives it back; returns the answer to reset.
    pub(crate) fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.tap.event(Event::Power);
        let atr = self.road.power_cycle().map_err(|error| self.road.reason(error));
        self.tap.atr(&atr);
        atr
    }
}

impl Road {
    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        match self {
            Self::Fresh(_) | Self::Image(_) => self.channel().reset(),
            Self::Tcp(channel) => {
                channel.power_off()?;
                Ok(channel.power_on()?.to_vec())
            }
            #[cfg(feature = "pcsc")]
            Self::Pcsc(channel) => channel.power_cycle(),
        }
    }

    /// Why no answer came: the file of a card in process says more than the card can.
    fn reason(&self, error: ChannelError) -> ChannelError {
        let failure = match self {
            Self::Image(card) => card.model().nvm().failure(),
            _ => None,
        };
        failure.map_or(error, ChannelError::io)
    }

    fn channel(&mut self) -> &mut dyn CardChannel {
        match self {
            Self::Fresh(card) => &mut **card,
            Self::Image(card) => &mut **card,
            Self::Tcp(channel) => channel,
            #[cfg(feature = "pcsc")]
            Self::Pcsc(channel) => channel,
        }
    }
}

impl CardChannel for Channel {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.tap.command(command);
        let answered = self.road.channel().transmit(command, response);
        let answered = answered.map_err(|error| self.road.reason(error));
        self.tap.answer(&answered, response, self.refusal().as_deref());
        answered
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.tap.event(Event::Reset);
        let atr = self.road.channel().reset().map_err(|error| self.road.reason(error));
        self.tap.atr(&atr);
        atr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_target() {
        let target = |text: &str| text.parse::<Target>();
        assert_eq!(target("emu:cpu-aes"), Ok(Target::Fresh(Profile::CpuAes)));
        assert_eq!(target("emu:cpu-sm4"), Ok(Target::Fresh(Profile::CpuSm4)));
        assert_eq!(target("emu:./cpu-sm4"), Ok(Target::Image("./cpu-sm4".into())));
        assert_eq!(target("tcp://localhost:1"), Ok(Target::Tcp("localhost:1".into())));
        assert_eq!(target("pcsc:ACME 0"), Ok(Target::Pcsc("ACME 0".into())));
        for text in ["", "emu:", "emu:s70", "card.img", "tcp://", "pcsc:"] {
            assert!(target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_card_in_process_has_a_valid_serial() {
        assert!(SERIAL.parse::<xuejika_card_model::ident::CardSerial>().is_ok());
    }
}
