//! A new card in process for each case.

use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::date::Date;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Cut, RamNvm};
use xuejika_card_model::record::Profile;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::legacy::TerminalId;
use xuejika_vectors::conformance::{Bench, BenchError, Hash, Kind};

/// Serial of the student card.
pub(crate) const SERIAL: &str = "1100260100000014";

/// Memory of a new card of each kind.
#[derive(Clone)]
pub(crate) struct Cards(Vec<(Kind, Vec<u8>)>);

impl Cards {
    pub(crate) fn new() -> Self {
        let (algorithm, unit) = (Algorithm::Aes128, "110105".parse().unwrap());
        let until: Date = "2027-08-31".parse().unwrap();
        let sam = SamSerial { unit: UnitCode::CITY, number: "000042".parse().unwrap() };
        let issuance = test_card::issuance(SERIAL.parse().unwrap(), Profile::CpuAes).unwrap();
        let student = test_card::student_memory(&issuance).unwrap();
        let terminal = TerminalId([0, 0, 0, 0, 0, 1]);
        Self(vec![
            (Kind::Student, student.clone()),
            (Kind::Management, test_card::management(algorithm, unit, until).into_bytes()),
            (Kind::Psam, test_card::psam(terminal).unwrap().into_bytes()),
            (Kind::Sam, test_card::sam(algorithm, sam, until).into_bytes()),
            (Kind::Limited, test_card::limited_sam(algorithm, sam, until).into_bytes()),
            (Kind::Worn, test_card::worn_memory(&issuance).unwrap()),
            (Kind::Damaged, student),
        ])
    }
}

/// The cards, and the one a case has.
pub(crate) struct InProcess {
    cards: Cards,
    card: Option<VirtualCard>,
}

impl InProcess {
    pub(crate) const fn new(cards: Cards) -> Self {
        Self { cards, card: None }
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
        let seed = Hash::of(case.as_bytes()).bytes();
        let env = Env::from_seed(u64::from_be_bytes(seed[..8].try_into().unwrap()));
        let (_, memory) = self.cards.0.iter().find(|(of, _)| *of == kind).unwrap();
        let card = VirtualCard::new(RamNvm::new(memory.clone()), env);
        let mut card = card.map_err(|error| ChannelError::io(&error))?;
        card.power_on().map_err(|error| ChannelError::io(&error))?;
        if kind == Kind::Damaged {
            test_card::damage(&mut card).unwrap();
        }
        self.card = Some(card);
        Ok(())
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        let card = self.card()?;
        card.power_off();
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

    fn renews(&self) -> bool {
        true
    }
}
