//! What each step does.

mod batch;
mod books;
mod card;
mod desk;
mod field;
mod list;
mod purse;
mod uploads;
mod view;

use xuejika_card_model::wallet::EnableFlag;
use xuejika_reader::wallet::Direction;

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
            Act::Unlock { reader, of, unit, until } => {
                self.unlock(reader, of.as_deref(), (*unit, *until))
            }
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
            Act::CheckUploads {} => Ok(self.check_uploads()),
            Act::RecallSlip { card, reader, unit, passed } => {
                self.recall_slip(reader, card, *unit, *passed)
            }
            Act::Report(report) => self.report(report),
            Act::Unlist { list, kind, card, by } => self.unlist(list, *kind, card, *by),
            Act::Merge { list, from } => self.merge(list, from),
            Act::Part { list, of } => self.part(list, of),
            Act::Deliver(delivery) => self.deliver(delivery),
            Act::ShowList { list, card } => self.show_list(list, card.as_deref()),
            Act::ApplyReplacement { list, card, pupil, cause, since } => {
                self.apply_replacement(list.as_deref(), card, pupil, (*cause, *since))
            }
            Act::FaultSheet(sheet) => self.fault_sheet(sheet),
            Act::Allocate(school) => Ok(Self::allocate(school)),
            Act::Stock(books) => self.stock(books),
            Act::Deadline { limit, from } => self.deadline(limit, *from),
            Act::Load(money) => self.transfer(Direction::Load, money),
            Act::Unload(money) => self.transfer(Direction::Unload, money),
            Act::Prove { card, transaction, sequence } => self.prove(card, *transaction, *sequence),
            Act::Purchase(money) => self.purchase(money),
            Act::Wallet(wallet) => self.wallet(&wallet.card),
            Act::Suspend(wallet) => self.set_flag(&wallet.card, EnableFlag::Suspended),
            Act::OpenWallet(wallet) | Act::Resume(wallet) => {
                self.set_flag(&wallet.card, EnableFlag::Open)
            }
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
            Act::Personalise(with) | Act::Correct(with) => self.write_pupil(act, with),
            Act::TemporaryIssue(temporary) => self.temporary_issue(temporary),
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
            Act::TransferOut { card, reader, to, promotion, reason } => {
                self.transfer_out(reader, card, (*promotion, *to), *reason)
            }
            Act::TransferIn { card, reader, number, reason } => {
                self.transfer_in(reader, card, number, *reason)
            }
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
            Act::WriteSector { card, reader, sector, offset, data } => {
                self.write_sector(reader, card, (*sector, *offset), data)
            }
            Act::LoadKey { card, reader, key, version } => {
                self.key(reader, card, *key, Some(*version))
            }
            Act::RetireKey { card, reader, key } => self.key(reader, card, *key, None),
            other => anyhow::bail!("{} is no operation of a card's life", other.name()),
        }
    }
}
