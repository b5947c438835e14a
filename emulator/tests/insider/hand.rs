//! Carries out a try through real commands.

use xuejika_apdu::Command;
use xuejika_apdu::sm::ReaderSm;
use xuejika_card_model::file::Df;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::wallet::EnableFlag;
use xuejika_emulator::{Env, test_card};
use xuejika_keyscheme::auth::{self, ReaderId};
use xuejika_keyscheme::key::{Card as CardKey, Key};
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion};

use super::deed::{Act, AtTheOperator, Body, Day, Deed, Digits, Event, STOLEN, Unit};
use super::ledger::Card;
use super::record;
use super::support::wallet::{Wallet, memory_with, setup};
use super::support::{Session, choose, model, mutual_authenticate, power_up_with};
use super::support::{challenge, memory, select, send};

/// A virtual card, and who is with it.
pub(crate) struct World {
    pub(crate) wallet: Wallet,
}

/// What became of a try.
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    pub(crate) sw: u16,
    /// Whether there was a session.
    pub(crate) entered: bool,
    /// Whether the command changed a byte that the card keeps.
    pub(crate) changed: bool,
}

impl World {
    pub(crate) fn new(blank: bool, seed: u64) -> Self {
        let setup = setup();
        let memory = if blank { blank_memory() } else { memory_with(&setup) };
        let card = power_up_with(RamNvm::new(memory), Env::from_seed(seed));
        Self { wallet: Wallet { card, keys: setup.keys } }
    }

    /// Opens a session under K0 to K6 of a zone.
    pub(crate) fn session(&mut self, zone: u8, key: (u8, u8), unit: Unit) -> Result<Session, u16> {
        let id = self.key_id(zone, key);
        let key = model::key(&id, self.wallet.card.header().serial);
        self.open(zone, &id, &key, unit)
    }

    /// Opens a session under the KA of a unit.
    fn application(&mut self, sector: u8, owner: Unit, unit: Unit) -> Result<Session, u16> {
        let id = self.key_id(sector, (7, 1));
        self.open(sector, &id, &application_key(sector, owner), unit)
    }

    fn key_id(&self, number: u8, (key, version): (u8, u8)) -> KeyId {
        let version = KeyVersion::new(version).unwrap();
        let algorithm = self.wallet.card.header().algorithm;
        KeyId { zone: zone(number).zone(), number: KeyNumber(key), version, algorithm }
    }

    fn open(
        &mut self,
        number: u8,
        id: &KeyId,
        key: &Key<CardKey>,
        unit: Unit,
    ) -> Result<Session, u16> {
        let card = &mut self.wallet.card;
        let [a, b, c] = unit.0;
        let reader = ReaderId([0, 0, a, b, c, 0, 0, 0x42]);
        let serial = card.header().serial;
        select(card, zone(number));
        let chosen = choose(card, id);
        if chosen.sw != 0x9000 {
            return Err(chosen.sw);
        }
        let challenge = challenge(card);
        let (request, awaiting) = auth::respond(key, *id, serial, reader, challenge, [0xC0; 16]);
        let reply = send(card, &mutual_authenticate(&request));
        if reply.sw != 0x9000 {
            return Err(reply.sw);
        }
        let keys = awaiting.verify(&reply.data).expect("the card proves itself");
        Ok(Session::new(ReaderSm::new(&keys)))
    }

    /// Tries it.
    pub(crate) fn carry_out(&mut self, ledger: &Card, act: &Act) -> Answer {
        if let Deed::Wallet(what) = act.deed {
            let sw = self.operator(ledger, what);
            return Answer { allowed: sw == 0x9000, sw, entered: false, changed: false };
        }
        let apdu = self.command(ledger, act);
        let command = Command::parse(&apdu).unwrap();
        let mut session = match self.session_of(ledger, act).transpose() {
            Ok(session) => session,
            Err(sw) => return Answer { allowed: false, sw, entered: false, changed: false },
        };
        let before = memory(&self.wallet.card);
        let card = &mut self.wallet.card;
        let reply = match &mut session {
            Some(session) => session.send(card, &command),
            None => {
                select(card, zone(act.zone));
                send(card, &apdu)
            }
        };
        let journal = CardKind::Student.tree().journal;
        let changed = before[..journal] != memory(card)[..journal];
        // A file of records may have none.
        let allowed =
            reply.sw == 0x9000 || matches!(act.deed, Deed::ReadFile(_)) && reply.sw == 0x6A83;
        Answer { allowed, sw: reply.sw, entered: session.is_some(), changed }
    }

    fn session_of(&mut self, ledger: &Card, act: &Act) -> Option<Result<Session, u16>> {
        let (zone, unit) = (act.zone, act.unit);
        let key = act.key?;
        Some(match key {
            7 => self.application(zone, unit, unit),
            STOLEN => {
                let owner = ledger.sector(zone).map_or(unit, |sector| sector.owner);
                self.application(zone, owner, unit)
            }
            _ if zone == 0 => self.session(zone, (key, ledger.version(key)), unit),
            _ => self.session(zone, (key, 1), unit),
        })
    }

    fn command(&self, ledger: &Card, act: &Act) -> Vec<u8> {
        match act.deed {
            Deed::Event(event, body) => {
                let data = record::event(act, &Self::body(event, &body));
                apdu([0x80, 0xF0, event as u8, 0x00], &data, Some(0))
            }
            Deed::WriteIdentity(number, form) => {
                apdu([0x00, 0xD6, 0x87, 0], &record::identity(number, form), None)
            }
            Deed::WriteEnrolment(number, form) => {
                apdu([0x00, 0xD6, 0x88, 0], &record::enrolment(number, form), None)
            }
            Deed::WriteIssuance(year) => {
                apdu([0x00, 0xD6, 0x85, 32], &record::validity(year), None)
            }
            Deed::WriteFile(sfi) => apdu([0x00, 0xD6, 0x80 | sfi, 0], &[0x01], None),
            Deed::ReadFile(sfi) if sfi < 0x0A => apdu([0x00, 0xB0, 0x80 | sfi, 0], &[], Some(0)),
            Deed::ReadFile(sfi) => apdu([0x00, 0xB2, 0x01, sfi << 3 | 4], &[], Some(0)),
            Deed::PutKey(number, ahead) => {
                let version = ledger.version(number).saturating_add_signed(ahead).max(1);
                let id = self.key_id(0, (number, version));
                let data = key_data(&model::key(&id, self.wallet.card.header().serial));
                apdu([0x80, 0xD8, number, version], &data, Some(0))
            }
            Deed::RetireKey(number) => apdu([0x80, 0xD8, number, 0xFF], &[], None),
            Deed::ReadSector => apdu([0x00, 0xB0, 0x81, 0], &[], Some(0)),
            Deed::WriteSector(byte) => apdu([0x00, 0xD6, 0x81, 0], &[byte], None),
            Deed::Wallet(_) => Vec::new(),
        }
    }

    fn body(event: Event, body: &Body) -> Vec<u8> {
        match event {
            Event::Commit => vec![u8::from(body.handed_out)],
            Event::Register => {
                let year = Day::new(body.term.0, 1, 1).0;
                vec![year[0], year[1], body.term.1]
            }
            Event::Open => {
                let key = key_data(&application_key(body.sector, body.owner));
                let head = [body.sector, record::APPLICATION, body.sector];
                let filing = [0, 0, 0, body.filing];
                [&head[..], &body.owner.0, &filing, &[1], &key].concat()
            }
            Event::Reclaim => vec![body.sector],
            Event::TransferOut => [&[1 + u8::from(body.promotion)][..], &body.to.0].concat(),
            Event::TransferIn => body.number.0.to_vec(),
            _ => Vec::new(),
        }
    }

    fn operator(&mut self, ledger: &Card, what: AtTheOperator) -> u16 {
        self.wallet.select();
        let done = |result: Result<(), u16>| result.err().unwrap_or(0x9000);
        match what {
            AtTheOperator::Open | AtTheOperator::Resume => self.wallet.set_flag(EnableFlag::Open),
            AtTheOperator::Load => done(self.wallet.load(record::LOAD)),
            AtTheOperator::Pay => done(self.wallet.pay(record::PRICE)),
            AtTheOperator::Suspend => self.wallet.set_flag(EnableFlag::Suspended),
            AtTheOperator::Refund if ledger.balance > 0 => done(self.wallet.unload(ledger.balance)),
            AtTheOperator::Refund => self.wallet.set_flag(EnableFlag::Closed),
        }
    }
}

/// The education zone, or an extension sector.
pub(crate) fn zone(number: u8) -> &'static Df {
    let tree = CardKind::Student.tree();
    let fid = if number == 0 { 0xDF01 } else { 0xDF10 + u16::from(number) };
    tree.all().find(|df| df.fid == fid).expect("a DF of the card")
}

/// The key of an application by its owner, as published.
fn application_key(sector: u8, owner: Unit) -> Key<CardKey> {
    model::scene::application_key(sector, &Digits(owner).to_string())
}

/// A key as PUT KEY takes it.
fn key_data(key: &Key<CardKey>) -> Vec<u8> {
    [&[0x01, 0x01][..], key.expose(), &key.kcv().bytes()].concat()
}

fn blank_memory() -> Vec<u8> {
    let serial = "1100070100000017".parse().unwrap();
    let profile = xuejika_card_model::record::Profile::CpuAes;
    test_card::blank_student_memory(&test_card::issuance(serial, profile).unwrap()).unwrap()
}

fn apdu(header: [u8; 4], data: &[u8], le: Option<u8>) -> Vec<u8> {
    let mut apdu = header.to_vec();
    if !data.is_empty() {
        apdu.push(u8::try_from(data.len()).unwrap());
        apdu.extend(data);
    }
    apdu.extend(le);
    apdu
}
