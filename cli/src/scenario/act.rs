//! What each step does.

mod batch;
mod card;
mod desk;
mod field;
mod list;
mod purse;
mod view;

use super::found::Found;
use super::script::{Act, AtReader, InSector};
use super::world::World;

impl World {
    /// Does one thing.
    ///
    /// # Errors
    /// What makes the file unusable.
    pub(super) fn act(&mut self, act: &Act) -> anyhow::Result<Found> {
        match act {
            Act::Unlock { reader, unit, until } => self.unlock(reader, *unit, *until),
            Act::Restart { reader } => self.restart(reader),
            Act::ForeignReader { card } => self.foreign_reader(card),
            Act::Forge { card, of } => self.forge(card, of),
            Act::PowerCycle { card } => self.power_cycle(card),
            Act::Damage { card, copy } => self.damage(card, *copy),
            Act::Apdu { card, send } => self.apdu(card, send),
            Act::CheckPupil { pupil } => self.check_pupil(pupil),
            Act::Read(AtReader { card, reader }) => self.read(reader, card),
            Act::Verdict { card, reader, application, sector, wallet } => {
                self.verdict(reader, card, (*application, *sector), *wallet)
            }
            Act::CompareS70(AtReader { card, reader }) => self.compare_s70(reader, card),
            Act::Upload(AtReader { card, reader }) => self.upload(reader, card),
            Act::RecallSlip(AtReader { card, reader }) => self.recall_slip(reader, card),
            Act::Report(report) => self.report(report),
            Act::Unlist { list, kind, card, by } => self.unlist(list, *kind, card, *by),
            Act::Merge { list, from } => self.merge(list, from),
            Act::Part { list, of } => self.part(list, of),
            Act::Deliver(delivery) => self.deliver(delivery),
            Act::ApplyReplacement { list, card, pupil, cause, since } => {
                self.apply_replacement(list.as_deref(), card, pupil, (*cause, *since))
            }
            Act::FaultSheet { card, unit, district, city } => {
                self.fault_sheet(card, *unit, *district, *city)
            }
            Act::Deadline { limit, from } => self.deadline(limit, *from),
            Act::Load(money) => self.load(money),
            Act::Purchase(money) => self.purchase(money),
            Act::Wallet(wallet) => self.wallet(&wallet.card),
            Act::Suspend(wallet) => self.suspend(&wallet.card),
            Act::Resume(wallet) => self.resume(&wallet.card),
            Act::Refund(wallet) => self.refund(&wallet.card),
            Act::CheckBatch { cards, scrap, faults, breach } => {
                batch::check((*cards, *scrap), faults, *breach)
            }
            other => self.life(other),
        }
    }

    /// The operations of a card's life.
    fn life(&mut self, act: &Act) -> anyhow::Result<Found> {
        match act {
            Act::Personalise(with) | Act::TemporaryIssue(with) | Act::Correct(with) => {
                self.write_pupil(act, with)
            }
            Act::Register { card, reader, school_year, term } => {
                self.register(reader, card, *school_year, *term)
            }
            Act::Initialise(plain)
            | Act::Freeze(plain)
            | Act::Unfreeze(plain)
            | Act::Cancel(plain)
            | Act::Replace(plain)
            | Act::Fault(plain)
            | Act::Withdraw(plain)
            | Act::Recall(plain)
            | Act::Restock(plain)
            | Act::TemporaryReturn(plain) => self.event(act, plain),
            Act::TransferOut { card, reader, to, promotion } => {
                self.transfer_out(reader, card, *promotion, *to)
            }
            Act::TransferIn { card, reader, number } => self.transfer_in(reader, card, number),
            Act::OpenSector { card, reader, sector, application, owner, filing } => {
                let filing = filing.as_deref();
                self.open_sector(reader, card, (*sector, *application, *owner), filing)
            }
            Act::ReclaimSector(InSector { card, reader, sector }) => {
                self.reclaim_sector(reader, card, *sector)
            }
            Act::ReadSector(InSector { card, reader, sector }) => {
                self.read_sector(reader, card, *sector)
            }
            Act::WriteSector { card, reader, sector, data } => {
                self.write_sector(reader, card, *sector, data)
            }
            other => anyhow::bail!("{} is no operation of a card's life", other.name()),
        }
    }
}
