//! Cards in this process, and cards behind a port or a reader.

use std::path::Path;

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Cut, RamNvm};
use xuejika_card_model::record::Profile;
use xuejika_emulator::file_store::read_image;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::legacy::TerminalId;
use xuejika_reader::channel::trace::Trace;
use xuejika_vectors::conformance::{Bench, BenchError, Hash, Kind};

use crate::clock;
use crate::exit::{Failure, Outcome};
use crate::target::{Channel, SERIAL, Target, fresh_memory};

/// What every road leads to: plans for them all hold no other cards.
pub(super) const PORTABLE: &[Kind] = &[Kind::Student];

/// Unit of the management card and of the SAM.
const UNIT: [u8; 3] = [0x11, 0x01, 0x05];
/// Number of the SAM in its unit.
const SAM: u32 = 42;
/// Last day of the grant of the management card.
const VALID_UNTIL: &str = "2027-08-31";
/// Terminal that the PSAM makes.
const TERMINAL: TerminalId = TerminalId([0, 0, 0, 0, 0, 1]);

/// Cards in this process: each case gets a new one, with randomness of its own that is the same in
/// every run.
#[derive(Debug)]
pub(super) struct InProcess {
    /// Memory of a new card of each kind.
    new: Vec<(Kind, Vec<u8>)>,
    kinds: Vec<Kind>,
    card: Option<VirtualCard>,
}

impl InProcess {
    /// The test cards of a profile.
    pub(super) fn new(profile: Profile) -> Outcome<Self> {
        let algorithm = match profile {
            Profile::CpuSm4 => Algorithm::Sm4,
            _ => Algorithm::Aes128,
        };
        let unit = UnitCode::from_bytes(UNIT).map_err(Failure::device)?;
        let until: Date = VALID_UNTIL.parse().map_err(Failure::device)?;
        // The city's: it is granted every key.
        let number = Digits::new(SAM.into()).map_err(Failure::device)?;
        let sam = SamSerial { unit: UnitCode::CITY, number };
        let psam = test_card::psam(TERMINAL).map_err(Failure::device)?;
        let issuance = SERIAL.parse().map_err(Failure::device)?;
        let issuance = test_card::issuance(issuance, profile).map_err(Failure::device)?;
        let worn = test_card::worn_memory(&issuance).map_err(Failure::device)?;
        let cards = [
            (Kind::Student, fresh_memory(profile)?),
            (Kind::Management, test_card::management(algorithm, unit, until)),
            (Kind::Psam, psam),
            (Kind::Sam, test_card::sam(algorithm, sam, until)),
            (Kind::Limited, test_card::limited_sam(algorithm, sam, until)),
            (Kind::Worn, RamNvm::new(worn)),
            (Kind::Damaged, fresh_memory(profile)?),
        ];
        Ok(Self::holding(cards.map(|(kind, nvm)| (kind, nvm.into_bytes())).into()))
    }

    /// Copies of the card in an image file.
    pub(super) fn of_image(path: &Path) -> Outcome<Self> {
        let memory = read_image(path)?;
        let card = VirtualCard::new(RamNvm::new(memory.clone()), Env::from_seed(0));
        let kind = match card.map_err(Failure::usage)?.header().kind {
            CardKind::Management => Kind::Management,
            CardKind::Psam => Kind::Psam,
            CardKind::Sam => Kind::Sam,
            CardKind::Student => Kind::Student,
        };
        Ok(Self::holding(vec![(kind, memory)]))
    }

    fn holding(new: Vec<(Kind, Vec<u8>)>) -> Self {
        let kinds = new.iter().map(|(kind, _)| *kind).collect();
        Self { new, kinds, card: None }
    }

    fn card(&mut self) -> Result<&mut VirtualCard, ChannelError> {
        self.card.as_mut().ok_or(ChannelError::Removed)
    }
}

impl CardChannel for InProcess {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        CardChannel::transmit(self.card()?, command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        CardChannel::reset(self.card()?)
    }
}

impl Bench for InProcess {
    fn begin(&mut self, case: &str, kind: Kind) -> Result<(), BenchError> {
        let [a, b, c, d, e, f, g, h, ..] = Hash::of(case.as_bytes()).bytes();
        let env = Env::from_seed(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        let memory = self.new.iter().find(|(of, _)| *of == kind);
        let (_, memory) = memory.ok_or(BenchError::Absent(kind))?;
        let card = VirtualCard::new(RamNvm::new(memory.clone()), env);
        let mut card = card.map_err(|error| ChannelError::io(&error))?;
        card.power_on().map_err(|error| ChannelError::io(&error))?;
        if kind == Kind::Damaged {
            test_card::damage(&mut card).map_err(|error| ChannelError::io(&error))?;
        }
        self.card = Some(card);
        Ok(())
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        let card = self.card()?;
        card.power_off();
        // A cut that was planned for the time before does not hit the recovery.
        card.nvm_mut().arm(None);
        CardChannel::reset(card)
    }

    fn cut_after(&mut self, writes: u64) -> Result<(), BenchError> {
        self.card()?.cut_power(Cut::before_write(writes));
        Ok(())
    }

    fn abilities(&self) -> &[&str] {
        &["cut"]
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn renews(&self) -> bool {
        true
    }

    fn reason(&self) -> Option<String> {
        self.card.as_ref()?.last_refusal().map(ToString::to_string)
    }
}

/// A card behind a port or in a reader. What of it is new for each case, its server decides.
#[derive(Debug)]
pub(super) struct Remote {
    target: Target,
    channel: Option<Channel>,
    /// Whether loss of power makes it a new card.
    fresh_on_power: bool,
}

impl Remote {
    pub(super) const fn new(target: Target, fresh_on_power: bool) -> Self {
        Self { target, channel: None, fresh_on_power }
    }

    /// Opens the channel anew, which powers the card up from nothing.
    fn open(&mut self) -> Result<&mut Channel, ChannelError> {
        let mut env = clock::env(None).map_err(|error| said(&error))?;
        // What goes over it is written down by whoever tests.
        let trace = Trace::default();
        let channel = self.target.open(&mut env, &trace, "card").map_err(|error| said(&error))?;
        Ok(self.channel.insert(channel))
    }

    fn channel(&mut self) -> Result<&mut Channel, ChannelError> {
        self.channel.as_mut().ok_or(ChannelError::Removed)
    }

    /// After an error a connection is of no more use.
    fn dropping<T>(&mut self, result: Result<T, ChannelError>) -> Result<T, ChannelError> {
        if result.is_err() {
            self.channel = None;
        }
        result
    }
}

fn said(error: &Failure) -> ChannelError {
    ChannelError::Io(error.text())
}

impl CardChannel for Remote {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        let result = self.channel()?.transmit(command, response);
        self.dropping(result)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        let result = match &mut self.channel {
            Some(channel) => channel.reset(),
            None => self.open()?.atr(),
        };
        self.dropping(result)
    }
}

impl Bench for Remote {
    fn begin(&mut self, _case: &str, kind: Kind) -> Result<(), BenchError> {
        if kind != Kind::Student {
            return Err(BenchError::Absent(kind));
        }
        let result = match &mut self.channel {
            None => self.open().map(drop),
            Some(channel) if self.fresh_on_power => channel.power_cycle().map(drop),
            Some(channel) => channel.reset().map(drop),
        };
        Ok(self.dropping(result)?)
    }

    /// Where loss of power makes a new card, a warm reset takes its place: a card does the same.
    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        if self.fresh_on_power {
            return self.reset();
        }
        let result = self.channel()?.power_cycle();
        self.dropping(result)
    }

    fn kinds(&self) -> &[Kind] {
        PORTABLE
    }

    fn renews(&self) -> bool {
        self.fresh_on_power
    }
}

/// In the place of a card that cannot be asked who it is.
#[derive(Debug)]
pub(super) struct Gone(pub(super) ChannelError);

impl CardChannel for Gone {
    fn transmit(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), ChannelError> {
        Err(self.0.clone())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        Err(self.0.clone())
    }
}

impl Bench for Gone {
    fn begin(&mut self, _: &str, _: Kind) -> Result<(), BenchError> {
        Err(self.0.clone().into())
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        Err(self.0.clone())
    }

    fn renews(&self) -> bool {
        false
    }
}
