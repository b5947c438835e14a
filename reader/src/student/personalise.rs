//! Writing a pupil onto a card: personalisation, correction, temporary card.

use alloc::vec::Vec;

use xuejika_apdu::CardChannel;
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{Body, Outcome};
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::ident::{CardSerial, Stage, StudentNumber};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{Enrolment, Identity, RecordKind, Status, Transfer};
use xuejika_card_model::state::LifeCycleState::{self, Active, Personalising, TransferredIn};
use xuejika_card_model::verdict::Warning;
use xuejika_keyscheme::KeyNumber;

use super::{Stamp, StudentCard, life, records, status};
use crate::error::Error;
use crate::lists::NoLoss;
use crate::sam::Sam;
use crate::session::Session;

/// What a personalisation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personalised {
    /// Status before.
    pub before: Status,
    /// State and counter afterwards.
    pub outcome: Outcome,
    /// Whether an interrupted personalisation was found and completed.
    pub resumed: bool,
    /// As [`Change::notes`](super::Change::notes).
    pub notes: Vec<Warning>,
}

impl Personalised {
    /// The records the card has written, status first, log last.
    #[must_use]
    pub const fn written(&self) -> &'static [RecordKind] {
        use RecordKind as R;
        &[R::Status, R::Identity, R::Enrolment, R::Personalisation, R::Log]
    }
}

impl<S: Sam, C: CardChannel> StudentCard<'_, S, C> {
    /// Personalises (个人化): begin, files, read back, commit. An interrupted personalisation is
    /// completed by doing it again.
    ///
    /// # Errors
    /// Returns an [`Error`]; [`Error::Listed`] for a card that a list of the reader refuses,
    /// [`Error::EnrolmentEnded`] for a pupil who has left senior school. Before the
    /// commit the card is not in use; present it again.
    pub fn personalise(
        &mut self,
        pupil: &Pupil,
        stamp: Stamp,
        issued: bool,
    ) -> Result<Personalised, Error> {
        self.write_pupil(pupil, stamp, issued, |_| Ok(Event::PersonaliseBegin))
    }

    /// Personalises a card of the stock as a temporary card (临时卡办理) in the place of the card
    /// `lost`, whose loss stands on a list of the reader. It ends with the pupil's valid-until date,
    /// which lies on [`temporary_card_until`](xuejika_card_model::calendar::temporary_card_until) at the
    /// latest; `holidays` tell the working days. An interrupted one is completed by doing it again.
    ///
    /// # Errors
    /// As [`Self::personalise`]; [`Error::NoLoss`] and [`Error::TooLong`] (暂行办法 六(二)).
    pub fn temporary_issue(
        &mut self,
        pupil: &Pupil,
        lost: CardSerial,
        holidays: &Holidays,
        stamp: Stamp,
        issued: bool,
    ) -> Result<Personalised, Error> {
        let (desk, serial) = (self.desk, self.issuance.card_serial);
        let Enrolment { unit, valid_until, .. } = pupil.enrolment;
        self.write_pupil(pupil, stamp, issued, |before| {
            if lost == serial {
                return Err(Error::NoLoss { lost, why: NoLoss::SameCard });
            }
            desk.lists.admit_temporary(lost, unit, valid_until, desk.today, holidays)?;
            Ok(match before.state {
                // Its answer may have been lost with the card's power.
                Personalising | Active if before.flags.temporary => Event::PersonaliseBegin,
                _ => Event::TemporaryIssue,
            })
        })
    }

    /// Corrects the data of the pupil whose card it is; the student number stays. An interrupted
    /// correction is completed by doing it again.
    ///
    /// # Errors
    /// As [`Self::personalise`]; [`Error::State`] for a card that is not in use.
    pub fn correct(&mut self, pupil: &Pupil, stamp: Stamp) -> Result<Personalised, Error> {
        self.write_pupil(pupil, stamp, false, |before| match origin(before) {
            Active => Ok(Event::PersonaliseBegin),
            _ => Err(Error::State { operation: "correct", state: before.state }),
        })
    }

    fn write_pupil(
        &mut self,
        pupil: &Pupil,
        stamp: Stamp,
        issued: bool,
        begin: impl FnOnce(&Status) -> Result<Event, Error>,
    ) -> Result<Personalised, Error> {
        pupil.check()?;
        let (desk, issuance) = (self.desk, self.issuance);
        if pupil.enrolment.unit != desk.unit {
            return Err(Error::ForeignUnit { pupil: pupil.enrolment.unit, reader: desk.unit });
        }
        let (identity, enrolment) = (pupil.identity.emit(), pupil.enrolment.emit());
        let mut session = self.session(KeyNumber::PERSONALISE)?;
        let before = status(&mut session)?;
        let begin = begin(&before)?;
        if origin(&before) != Active {
            refuse_graduate(&pupil.enrolment, desk.today)?;
        }
        let notes = desk.ask(&mut session, (&issuance, &before), begin, stamp.date)?;
        if begin.next(before.state, before.previous).is_some() {
            check_number(&mut session, &before, pupil.identity.student_number)?;
        }
        life::ask(&mut session, &before, &stamp.event(begin, Body::None))?;
        session.update_file(sfi::IDENTITY, 0, &identity)?;
        session.update_file(sfi::ENROLMENT, 0, &enrolment)?;
        if session.read_file(sfi::IDENTITY)? != identity
            || session.read_file(sfi::ENROLMENT)? != enrolment
        {
            return Err(Error::ReadBack);
        }
        let commit = stamp.event(Event::PersonaliseCommit, Body::Commit { issued });
        let outcome = life::ask(&mut session, &before, &commit)?;
        Ok(Personalised { before, outcome, resumed: before.state == Personalising, notes })
    }
}

/// Who has graduated gets no card; between two stages a pupil may still need one (操作规程 一/五).
fn refuse_graduate(enrolment: &Enrolment, today: Date) -> Result<(), Error> {
    let ended = enrolment.valid_until;
    if enrolment.stage == Stage::Senior && today > ended {
        return Err(Error::EnrolmentEnded { ended, today });
    }
    Ok(())
}

/// The state from which a personalisation began, or would begin.
const fn origin(status: &Status) -> LifeCycleState {
    match status.state {
        Personalising => status.previous,
        state => state,
    }
}

/// The card takes the number it has, or after a transfer the new one; another is refused before
/// anything is written.
fn check_number<S: Sam, C: CardChannel>(
    session: &mut Session<'_, S, C>,
    before: &Status,
    given: StudentNumber,
) -> Result<(), Error> {
    let on_card = match origin(before) {
        Active => {
            let identity = session.read_file(sfi::IDENTITY)?;
            let number = identity.get(Identity::STUDENT_NUMBER).unwrap_or(&[]);
            let number = number.try_into().map(StudentNumber::from_bytes);
            Some(number.ok().and_then(Result::ok).ok_or(Error::Malformed("READ BINARY"))?)
        }
        TransferredIn => {
            let newest = records(session, sfi::TRANSFER, Transfer::parse)?.into_iter().next();
            newest.and_then(|record| record.new_number)
        }
        _ => None,
    };
    match on_card {
        Some(on_card) if on_card != given => Err(Error::OtherPupil { on_card, given }),
        _ => Ok(()),
    }
}
