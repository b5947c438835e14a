//! What the demonstration works on: one card, one reader, one pupil, one morning.

use anyhow::bail;
use xuejika_apdu::status::Language;
use xuejika_card_model::date::Date;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{Profile, TerminalId};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::legacy;
use xuejika_reader::channel::trace::Trace;
use xuejika_reader::sam::SoftSam;
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{InDoubt, SoftLoadHost, Terminal, WalletCard};
use xuejika_reader::{CardContents, Locked, Reader, Stamp, StudentCard};

use crate::clock;
use crate::pupil_file;
use crate::recorder;
use crate::trace::{Exchange, Traced};

/// Algorithm of the card's keys.
pub(super) const ALGORITHM: Algorithm = Algorithm::Aes128;

/// Number of the gate at which the card pays.
const GATE: legacy::TerminalId = legacy::TerminalId([0x30, 0x00, 0x20, 0x00, 0x00, 0x01]);

/// Where the cards are, for the trace.
pub(super) const DEMO: &str = "demo";

/// A card with the log of what was said to it.
pub(super) type Field = Traced<VirtualCard>;

/// Everything the steps share.
pub(super) struct World {
    pub(super) env: Env,
    pub(super) card: Field,
    pub(super) office: Office,
    pub(super) pupil: Pupil,
    pub(super) stamp: Stamp,
    /// What the reader read last.
    pub(super) contents: Option<CardContents>,
    /// The gate (闸机) with its PSAM.
    pub(super) gate: Terminal<SoftPsam>,
    /// The operator's load host, with the books.
    pub(super) host: SoftLoadHost,
    /// A purchase whose answer was lost.
    pub(super) doubt: Option<InDoubt>,
    /// Writes the card made in a purchase.
    pub(super) purchase_writes: u64,
    language: Language,
    trace: Trace,
    /// What was said to management cards.
    exchanges: Vec<Exchange>,
}

/// The school's reader, in its three states.
pub(super) enum Office {
    /// The SAM before it is built in.
    Sam(SoftSam),
    Locked(Locked<SoftSam>),
    Unlocked(Reader<SoftSam>),
    /// In the hands of a step that failed.
    Lost,
}

impl World {
    /// The morning on which the seed's clock starts.
    pub(super) fn new(seed: u64, language: Language, trace: Trace) -> anyhow::Result<Self> {
        recorder::repeat(&trace);
        let mut env = Env::from_seed(seed);
        let Ok((date, time)) = clock::now(&env) else { bail!("the clock is not set") };
        let stamp = Stamp { date, time, terminal: TerminalId([0, 0, 0, 1]) };
        let Ok(pupil) = pupil_file::sample() else { bail!("the sample pupil is not valid") };
        let issuance = test_card::issuance("1100260100000014".parse()?, Profile::CpuAes)?;
        let memory = RamNvm::new(test_card::student_memory(&issuance)?);
        let card = VirtualCard::new(memory, Env::with_rng(clock::fork(&mut env)))?;
        let mut card = Traced::new(card, trace.tap(DEMO, "student card"), language);
        card.power_on()?;
        let serial = SamSerial { unit: pupil.enrolment.unit, number: "000042".parse()? };
        let rng = clock::fork(&mut env);
        let sam = SoftSam::test(ALGORITHM, serial, Self::unlocked_until()?, rng);
        Ok(Self {
            env,
            card,
            office: Office::Sam(sam),
            pupil,
            stamp,
            contents: None,
            gate: Terminal::new(SoftPsam::test(GATE)?)?,
            host: SoftLoadHost::test(),
            doubt: None,
            purchase_writes: 0,
            language,
            trace,
            exchanges: Vec::new(),
        })
    }

    /// Last day of the management card: the end of the school year.
    pub(super) fn unlocked_until() -> anyhow::Result<Date> {
        Ok("2027-08-31".parse()?)
    }

    /// Presents a test management card to the locked reader.
    pub(super) fn present(
        &mut self,
        unit: UnitCode,
        valid_until: Date,
    ) -> anyhow::Result<Result<(), xuejika_reader::Error>> {
        let Office::Locked(locked) = core::mem::replace(&mut self.office, Office::Lost) else {
            bail!("the reader is not locked");
        };
        let memory = test_card::management(ALGORITHM, unit, valid_until);
        let card = VirtualCard::new(memory, Env::with_rng(clock::fork(&mut self.env)))?;
        let mut card = Traced::new(card, self.trace.tap(DEMO, "management card"), self.language);
        card.power_on()?;
        let unlocked = locked.unlock(&mut card, self.stamp.date);
        self.exchanges.append(&mut card.take());
        Ok(match unlocked {
            Ok(reader) => {
                self.office = Office::Unlocked(reader);
                Ok(())
            }
            Err(still) => {
                self.office = Office::Locked(still.reader);
                Err(still.error)
            }
        })
    }

    /// The student card in the field of the unlocked reader.
    pub(super) fn connect(&mut self) -> anyhow::Result<StudentCard<'_, SoftSam, &mut Field>> {
        let Office::Unlocked(reader) = &mut self.office else {
            bail!("the reader is not unlocked");
        };
        Ok(reader.connect(&mut self.card, self.stamp.date)?)
    }

    /// The wallet of the student card.
    pub(super) fn wallet(&mut self) -> anyhow::Result<WalletCard<&mut Field>> {
        Ok(WalletCard::select(&mut self.card)?)
    }

    /// The moment of a wallet transaction.
    pub(super) const fn moment(&self) -> legacy::Moment {
        legacy::Moment { date: self.stamp.date.bytes(), time: self.stamp.time.bytes() }
    }

    /// What was said to cards since the last call.
    pub(super) fn take_exchanges(&mut self) -> Vec<Exchange> {
        let mut exchanges = core::mem::take(&mut self.exchanges);
        exchanges.append(&mut self.card.take());
        exchanges
    }
}
