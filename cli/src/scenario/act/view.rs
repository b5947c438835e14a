//! What can be read from a card, and what follows from it.

use core::num::NonZeroU16;

use anyhow::Context;
use xuejika_card_model::CardError;
use xuejika_card_model::record::{ExtensionIndex, Issuance, Sector};
use xuejika_card_model::s70;
use xuejika_card_model::verdict::{Circumstances, Presented, Venue, Verdict, Warning, verdict};
use xuejika_reader::{CardContents, Error};

use super::super::found::Found;
use super::super::world::World;

impl World {
    pub(super) fn contents(
        &mut self,
        reader: &str,
        card: &str,
    ) -> anyhow::Result<Result<CardContents, Error>> {
        Ok(self.present(reader, card)?.and_then(|mut card| card.read()))
    }

    pub(super) fn read(&mut self, reader: &str, card: &str) -> anyhow::Result<Found> {
        Ok(match self.contents(reader, card)? {
            Ok(contents) => facts(&contents),
            Err(error) => error.into(),
        })
    }

    pub(super) fn verdict(
        &mut self,
        reader: &str,
        card: &str,
        application: (Option<NonZeroU16>, Option<u8>),
        wallet: bool,
    ) -> anyhow::Result<Found> {
        let today = self.date;
        let contents = self.contents(reader, card)?;
        let station = self.reader(reader)?;
        let (unit, lists) = (station.unit, station.office.lists()?);
        let lists = contents.as_ref().map(|contents| lists.about(contents)).unwrap_or_default();
        let venue = match application {
            _ if wallet => Venue::Wallet,
            (Some(application), Some(sector)) => {
                let sector = ExtensionIndex::new(sector).context("sector: expected 1 to 8")?;
                let mut card = self.present(reader, card)?;
                let card = card.as_mut().map(|card| card.application(sector, application));
                match card {
                    Ok(Ok(card)) => card.venue(),
                    _ => Venue::Application { sector, application, unit, key_accepted: false },
                }
            }
            _ => Venue::Education,
        };
        let at = Circumstances { today, venue, lists: &lists };
        let verdict = match &contents {
            Ok(contents) => verdict(&Presented::Card(contents.facts()), &at),
            Err(error) => match error.presented() {
                Some(presented) => verdict(&presented, &at),
                None => return Ok(error.clone().into()),
            },
        };
        Ok(decided(&verdict))
    }

    /// Puts the card's records into a sector image and back, and compares with what a reader reads.
    pub(super) fn compare_s70(&mut self, reader: &str, card: &str) -> anyhow::Result<Found> {
        let contents = match self.contents(reader, card)? {
            Ok(contents) => contents,
            Err(error) => return Ok(error.into()),
        };
        let exported = match s70::Contents::of(self.card(card)?.channel().model()) {
            Err(CardError::Structure) => {
                return Ok(Found::failed("no-room", "a sector card has four extension sectors"));
            }
            exported => exported?,
        };
        let image = exported.emit()?;
        let parsed = s70::Contents::parse(&image)?;
        let other = different(&contents, &parsed.contents);
        let text = format!("{} bytes", image.len());
        Ok(match other {
            None => Found::done(text).with("sectors", sectors(&contents)),
            Some(what) => Found::failed("different", what),
        })
    }
}

/// The first part in which a processor card and a sector card differ.
fn different(cpu: &CardContents, s70: &s70::Contents) -> Option<&'static str> {
    let pupil = s70.pupil.as_ref();
    let sectors = s70.extensions.iter().map(|extension| extension.sector);
    let parts = [
        ("status", cpu.status == s70.status),
        ("pupil", cpu.pupil.as_ref() == pupil.map(|(pupil, _)| pupil)),
        ("personalisation", cpu.personalisation.as_ref() == pupil.map(|(_, record)| record)),
        ("registrations", newest(&cpu.registrations, s70::REGISTRATIONS) == s70.registrations),
        ("transfers", newest(&cpu.transfers, s70::TRANSFERS) == s70.transfers),
        ("log", newest(&cpu.log, s70::LOGS) == s70.log),
        (
            "extensions",
            cpu.extensions.iter().map(|entry| entry.sector).take(s70::SECTORS).eq(sectors),
        ),
        ("issuance", Issuance { profile: s70.issuance.profile, ..cpu.issuance } == s70.issuance),
    ];
    parts.into_iter().find(|(_, same)| !same).map(|(part, _)| part)
}

fn newest<T>(records: &[T], room: usize) -> &[T] {
    records.get(..room).unwrap_or(records)
}

fn facts(contents: &CardContents) -> Found {
    let CardContents { issuance, status, pupil, personalisation, .. } = contents;
    let found = Found::done(status.state.english())
        .with("state", status.state)
        .with("previous", status.previous)
        .with("counter", status.counter)
        .with("temporary", status.flags.temporary)
        .with("rare", status.flags.rare_name)
        .with("issued", status.flags.issued)
        .with("generation", issuance.generation)
        .with("registrations", contents.registrations.len())
        .with("transfers", contents.transfers.len())
        .with("log", contents.log.len())
        .with("sectors", sectors(contents))
        .with("pupil", pupil.is_some());
    let found = match contents.transfers.first() {
        Some(transfer) => found.with("transfer", transfer.operation),
        None => found,
    };
    let found = match personalisation {
        Some(record) => found.with("personalised", record.count),
        None => found,
    };
    match pupil {
        Some(pupil) => found
            .with("name", pupil.identity.name)
            .with("student_number", pupil.identity.student_number)
            .with("unit", pupil.enrolment.unit)
            .with("stage", pupil.enrolment.stage)
            .with("grade", pupil.enrolment.grade)
            .with("valid_until", pupil.enrolment.valid_until)
            .with("colour", pupil.enrolment.stage.colour()),
        None => found,
    }
}

/// The numbers of the sectors that are open.
fn sectors(contents: &CardContents) -> String {
    let open = contents.extensions.iter().filter(|entry| matches!(entry.sector, Sector::Open(_)));
    open.map(|entry| entry.index.value().to_string()).collect::<Vec<_>>().join(", ")
}

fn decided(verdict: &Verdict) -> Found {
    match verdict {
        Verdict::Accept { registered_until } => {
            Found::done_as("accept", format!("registered until {registered_until}"))
                .with("until", registered_until)
        }
        Verdict::AcceptWithWarning { registered_until, warnings } => {
            let ids: Vec<_> = warnings.iter().map(Warning::id).collect();
            let words: Vec<_> = warnings.iter().map(ToString::to_string).collect();
            Found::done_as("warn", words.join("; "))
                .with("until", registered_until)
                .with("warnings", ids.join(", "))
        }
        Verdict::WalletRules => Found::done_as("wallet-rules", "the rules of the wallet decide"),
        Verdict::Refuse(reason) => {
            Found::refused(reason.id(), format!("{reason} {}", reason.chinese()))
        }
    }
}
