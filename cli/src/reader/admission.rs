//! The desk's question before it personalises: do the uploads and lists allow it?

use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{Candidate, Conflict, Uploads};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::list::List;
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::Issuance;

use super::lists;
use crate::args::{AdmissionArgs, PupilArgs};
use crate::exit::{Code, Failure, Outcome};

/// What a school or those above it know about personalised cards.
pub(super) struct Admission {
    uploads: Uploads,
    lists: Vec<List>,
    namesake: bool,
}

impl Admission {
    /// Reads the files, if any were given.
    pub(super) fn open(args: &AdmissionArgs, of: &PupilArgs) -> Outcome<Option<Self>> {
        let Some(path) = &args.uploads else { return Ok(None) };
        let uploads = lists::read_uploads(path)?;
        let lists = &of.reader.lists;
        let lists = lists.iter().map(|path| lists::read_whole(path)).collect::<Outcome<_>>()?;
        Ok(Some(Self { uploads, lists, namesake: args.namesake }))
    }

    /// Asks; a conflict is a finding.
    pub(super) fn ask(
        &self,
        pupil: &Pupil,
        card: &Issuance,
        lost: Option<CardSerial>,
        on: Date,
    ) -> Outcome<()> {
        let lists: Vec<_> = self.lists.iter().collect();
        match self.uploads.admits(&Candidate { pupil, card, lost, on }, &lists) {
            Ok(()) => Ok(()),
            Err(Conflict::SamePerson(_)) if self.namesake => Ok(()),
            Err(conflict) => Err(Failure::Because(Code::Findings, conflict.into())),
        }
    }
}
