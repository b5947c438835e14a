//! What happened to the card so far, and what must stand on it therefore. The walk keeps this by the
//! rules of the seed; it is never read from the card.

use super::deed::{Act, AtTheOperator, Body, Day, Deed, Event, Form, Number, Unit};
use super::record;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum State {
    Blank = 0x00,
    Stock = 0x10,
    Personalising = 0x18,
    Active = 0x20,
    Out = 0x30,
    In = 0x38,
    Frozen = 0x40,
    Cancelled = 0x50,
    Recalled = 0x60,
    Faulty = 0x70,
}

/// Who set a freeze, recall, fault or cancellation, when and why.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) maker: Unit,
    pub(crate) day: Day,
    pub(crate) reason: u8,
}

/// A transfer under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) to: Option<Unit>,
    pub(crate) promotion: bool,
    pub(crate) old: Number,
    pub(crate) day: Day,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sector {
    pub(crate) owner: Unit,
    pub(crate) filing: u8,
    pub(crate) day: Day,
    pub(crate) byte: u8,
}

/// The wallet, as far as the education zone may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purse {
    Never,
    Open,
    Suspended,
    Closed,
}

/// A pupil's data as last written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) number: Number,
    pub(crate) form: Form,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) state: State,
    /// The state under a freeze.
    pub(crate) under: State,
    /// The state in which it broke.
    pub(crate) broke_in: State,
    /// The state from which the personalisation began.
    pub(crate) begun_from: State,
    /// The school in whose charge the card is.
    pub(crate) home: Option<Unit>,
    /// The school that gave up personalising the card.
    pub(crate) left_by: Option<Unit>,
    pub(crate) mark: Option<Mark>,
    pub(crate) temporary: bool,
    pub(crate) handed_out: bool,
    pub(crate) identity: Option<Written>,
    pub(crate) enrolment: Option<Written>,
    /// The pupil the card was last personalised for.
    pub(crate) pupil: Option<Number>,
    /// The number of the pupil taken in, until personalised.
    pub(crate) awaited: Option<Number>,
    pub(crate) moving: Option<Move>,
    pub(crate) sectors: [Option<Sector>; 8],
    pub(crate) wallet: Purse,
    pub(crate) balance: u32,
    /// Newest version of K0 to K6.
    pub(crate) versions: [u8; 7],
    /// The version of each that was last used.
    pub(crate) used: [u8; 7],
    pub(crate) generation: u8,
    pub(crate) good_until: u8,
    /// EF 09 without its checksum.
    pub(crate) personalised: Option<[u8; 14]>,
    /// EF 0A, 0B and 0D, newest first, without checksums.
    pub(crate) registrations: Vec<[u8; 14]>,
    pub(crate) moves: Vec<[u8; 32]>,
    pub(crate) log: Vec<(Event, Day, Unit)>,
}

pub(crate) const REGISTRATIONS: usize = 24;
pub(crate) const MOVES: usize = 8;
pub(crate) const LOG: usize = 15;

impl Card {
    pub(crate) fn new(blank: bool) -> Self {
        Self {
            state: if blank { State::Blank } else { State::Stock },
            under: State::Stock,
            broke_in: State::Stock,
            begun_from: State::Stock,
            home: None,
            left_by: None,
            mark: None,
            temporary: false,
            handed_out: false,
            identity: None,
            enrolment: None,
            pupil: None,
            awaited: None,
            moving: None,
            sectors: [None; 8],
            wallet: Purse::Never,
            balance: 0,
            versions: [1; 7],
            used: [1; 7],
            generation: 0,
            good_until: 0x38,
            personalised: None,
            registrations: Vec::new(),
            moves: Vec::new(),
            log: Vec::new(),
        }
    }

    /// The unit in whose charge the card is; of a card without a pupil, the unit that marked it.
    pub(crate) fn keeper(&self) -> Option<Unit> {
        self.home.or(self.mark.map(|mark| mark.maker))
    }

    pub(crate) fn sector(&self, number: u8) -> Option<Sector> {
        self.sectors[usize::from(number) - 1]
    }

    pub(crate) fn version(&self, key: u8) -> u8 {
        self.versions.get(usize::from(key)).copied().unwrap_or(1)
    }

    pub(crate) fn used(&self, key: u8) -> u8 {
        self.used.get(usize::from(key)).copied().unwrap_or(1)
    }

    /// A session under a key: older versions of it are done with.
    pub(crate) fn use_key(&mut self, key: u8) {
        let version = self.version(key);
        if let Some(used) = self.used.get_mut(usize::from(key)) {
            *used = version;
        }
    }

    /// Enters what the card has accepted.
    pub(crate) fn enter(&mut self, act: &Act) {
        match act.deed {
            Deed::Event(event, body) => self.event(act, event, &body),
            Deed::WriteIdentity(number, form) => self.identity = Some(Written { number, form }),
            Deed::WriteEnrolment(number, form) => self.enrolment = Some(Written { number, form }),
            Deed::WriteIssuance(year) => self.good_until = year,
            Deed::PutKey(number, ahead) => {
                let version = &mut self.versions[usize::from(number)];
                *version = version.saturating_add_signed(ahead).max(1);
            }
            Deed::WriteSector(byte) => {
                if let Some(sector) = &mut self.sectors[usize::from(act.zone) - 1] {
                    sector.byte = byte;
                }
            }
            Deed::Wallet(what) => self.operator(what),
            Deed::ReadFile(_) | Deed::ReadSector | Deed::RetireKey(_) | Deed::WriteFile(_) => {}
        }
    }

    fn operator(&mut self, what: AtTheOperator) {
        match what {
            AtTheOperator::Open | AtTheOperator::Resume => self.wallet = Purse::Open,
            AtTheOperator::Load => self.balance += record::LOAD,
            AtTheOperator::Pay => self.balance -= record::PRICE,
            AtTheOperator::Suspend => self.wallet = Purse::Suspended,
            AtTheOperator::Refund => (self.wallet, self.balance) = (Purse::Closed, 0),
        }
    }

    fn event(&mut self, act: &Act, event: Event, body: &Body) {
        if !self.takes_effect(event, body) {
            return;
        }
        let mark = Some(Mark { maker: act.unit, day: act.day, reason: act.reason });
        match event {
            Event::Initialise => self.state = State::Stock,
            Event::Begin => {
                if self.state != State::Personalising {
                    self.begun_from = self.state;
                }
                (self.state, self.home) = (State::Personalising, Some(act.unit));
            }
            Event::Commit => self.personalise(act, body.handed_out),
            Event::TemporaryIssue => {
                (self.temporary, self.begun_from) = (true, State::Stock);
                (self.state, self.home) = (State::Personalising, Some(act.unit));
            }
            Event::Register => {
                push(&mut self.registrations, record::registration(act, body), REGISTRATIONS);
            }
            Event::Freeze => {
                (self.under, self.state, self.mark) = (self.state, State::Frozen, mark);
            }
            Event::Unfreeze => (self.state, self.mark) = (self.under, None),
            Event::Cancel | Event::Replace => {
                self.give_up();
                (self.state, self.mark) = (State::Cancelled, mark);
            }
            Event::Open => {
                let (owner, filing, day) = (body.owner, body.filing, act.day);
                let sector = Sector { owner, filing, day, byte: 0 };
                self.sectors[usize::from(body.sector) - 1] = Some(sector);
            }
            Event::Reclaim => self.sectors[usize::from(body.sector) - 1] = None,
            Event::TransferOut | Event::TransferIn | Event::Withdraw => {
                self.transfer(act, event, body);
            }
            Event::Recall => {
                self.wipe();
                (self.state, self.mark) = (State::Recalled, mark);
            }
            Event::Restock if self.state == State::Recalled => {
                (self.state, self.mark) = (State::Stock, None);
                self.generation += 1;
            }
            Event::Restock => {
                self.state = self.broke_in;
                self.mark = mark.filter(|_| self.state == State::Recalled);
                if self.state == State::Personalising {
                    self.go_on();
                }
            }
            Event::Fault => {
                self.broke_in = self.state;
                self.give_up();
                (self.state, self.mark) = (State::Faulty, mark);
            }
            Event::TemporaryReturn => {
                self.wipe();
                (self.state, self.mark) = (State::Stock, None);
            }
        }
        self.log((event, act.day, act.unit));
    }

    pub(crate) fn log(&mut self, entry: (Event, Day, Unit)) {
        push(&mut self.log, entry, LOG);
    }

    /// Whether an accepted event changes anything.
    pub(crate) fn takes_effect(&self, event: Event, body: &Body) -> bool {
        match event {
            Event::Freeze => self.state != State::Frozen,
            Event::Unfreeze => self.state == State::Frozen,
            Event::Cancel | Event::Replace => self.state != State::Cancelled,
            Event::Fault => !matches!(self.state, State::Cancelled | State::Faulty),
            Event::Recall => !matches!(self.state, State::Stock | State::Recalled),
            Event::Begin => self.state != State::Personalising,
            Event::Reclaim => self.sector(body.sector).is_some(),
            Event::Register => !self.is_registered(body.term),
            _ => true,
        }
    }

    pub(crate) fn is_registered(&self, term: (u16, u8)) -> bool {
        self.registrations.iter().any(|entry| record::term_of(entry) == term)
    }

    fn personalise(&mut self, act: &Act, handed_out: bool) {
        let count = self.personalised.map_or(0, |entry| u16::from_be_bytes([entry[0], entry[1]]));
        self.handed_out |= handed_out;
        self.personalised = Some(record::personalisation(count + 1, act, self.handed_out));
        self.state = State::Active;
        self.pupil = self.identity.map(|written| written.number);
        (self.awaited, self.moving) = (None, None);
    }

    fn transfer(&mut self, act: &Act, event: Event, body: &Body) {
        let from = self.home.unwrap();
        let old = self.pupil.unwrap();
        let out = |body: &Body| Move {
            to: (body.to != Unit::CITY).then_some(body.to),
            promotion: body.promotion,
            old,
            day: act.day,
        };
        match event {
            Event::TransferOut => {
                let moving = out(body);
                push(&mut self.moves, record::transfer_out(&moving, from), MOVES);
                (self.state, self.moving) = (State::Out, Some(moving));
            }
            Event::TransferIn => {
                let moving = self.moving.unwrap();
                push(&mut self.moves, record::transfer_in(&moving, from, act, body.number), MOVES);
                (self.state, self.home) = (State::In, Some(act.unit));
                (self.awaited, self.moving) = (Some(body.number), None);
                // Applications of another district stay behind.
                for sector in &mut self.sectors {
                    *sector = sector.filter(|sector| sector.owner.covers(act.unit));
                }
            }
            _ => {
                let moving = self.moving.unwrap();
                push(&mut self.moves, record::withdrawal(&moving, from), MOVES);
                (self.state, self.moving) = (State::Active, None);
            }
        }
    }

    /// A personalisation that is not finished any more has made the card nobody's.
    fn give_up(&mut self) {
        if self.state == State::Personalising {
            self.left_by = self.home.take();
        }
    }

    /// A personalisation that a fault interrupted, though there was none: a card of the stock is stock
    /// again, whoever else began goes on.
    fn go_on(&mut self) {
        let school = self.left_by.take();
        if self.begun_from == State::Stock {
            self.wipe();
            self.state = State::Stock;
        } else {
            self.home = school;
        }
    }

    fn wipe(&mut self) {
        (self.home, self.pupil, self.awaited, self.moving) = (None, None, None, None);
        (self.identity, self.enrolment, self.personalised) = (None, None, None);
        (self.temporary, self.handed_out) = (false, false);
        self.sectors = [None; 8];
        self.registrations.clear();
        self.moves.clear();
    }
}

fn push<T>(newest_first: &mut Vec<T>, entry: T, most: usize) {
    newest_first.insert(0, entry);
    newest_first.truncate(most);
}
