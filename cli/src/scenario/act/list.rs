//! Loss and freeze lists: reports, the way up and down, and to the readers.

use anyhow::Context;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::list::{
    Delta, Edition, EffectError, Entry, Form, Kind, List, ListError, ListMac, Lookup, Moment,
    key_id, key_path,
};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

use super::super::found::Found;
use super::super::script::{Delivery, Report};
use super::super::world::{Book, Station, World};

impl World {
    /// Takes a report and issues the list anew.
    pub(super) fn report(&mut self, report: &Report) -> anyhow::Result<Found> {
        let (serial, at) = (self.serial(&report.card)?, self.now());
        let generation = self.generation(&report.card)?;
        let effective = match report.kind.effective(at.date, report.effective, &self.holidays) {
            Ok(effective) => effective,
            Err(error @ EffectError::TooLate { .. }) => {
                return Ok(Found::refused("wrong-time", error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        self.counted(at.date, effective);
        let book = self.list(&report.list)?;
        let entry = Entry::new(serial, report.kind, book.scope, at, effective, report.reason);
        let entry = match entry {
            Ok(entry) => entry.of_generation(generation),
            Err(error) => return Ok(Found::refused("wrong-time", error.to_string())),
        };
        let edition = book.edition(at)?;
        let issued = match book.versions.last() {
            Some(before) => before.next(edition, [entry]),
            None => List::new(edition, [entry]),
        };
        Ok(book.issue(issued, format!("effective {effective}")).with("effective", effective))
    }

    /// Takes a card off a list.
    pub(super) fn unlist(
        &mut self,
        list: &str,
        kind: Kind,
        card: &str,
        by: Option<UnitCode>,
    ) -> anyhow::Result<Found> {
        let (serial, at) = (self.serial(card)?, self.now());
        let book = self.list(list)?;
        let by = by.unwrap_or(book.scope);
        let issued = match book.versions.last() {
            Some(list) => list.withdraw(book.edition(at)?, serial, kind, by, at),
            None => Err(ListError::NotListed(serial)),
        };
        Ok(book.issue(issued, "withdrawn".to_owned()))
    }

    /// Merges lists upwards.
    pub(super) fn merge(&mut self, list: &str, from: &[String]) -> anyhow::Result<Found> {
        let at = self.now();
        let mut lists = Vec::new();
        for name in from {
            lists.extend(self.list(name)?.versions.last().cloned());
        }
        let book = self.list(list)?;
        let issued = List::merge(book.edition(at)?, book.versions.last().into_iter().chain(&lists));
        Ok(book.issue(issued, format!("{} lists merged", lists.len())))
    }

    /// Takes a list's part out of a wider one.
    pub(super) fn part(&mut self, list: &str, of: &str) -> anyhow::Result<Found> {
        let at = self.now();
        let wider = self.list(of)?.versions.last().cloned();
        let wider = wider.with_context(|| format!("the list {of:?} is empty"))?;
        let book = self.list(list)?;
        let issued = wider.part(book.edition(at)?);
        Ok(book.issue(issued, "its part taken out".to_owned()))
    }

    /// Takes a list as a file to a reader, which checks it.
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> anyhow::Result<Found> {
        let book = self.list(&delivery.list)?;
        let (scope, newest) = (book.scope, book.versions.last());
        let newest = newest.with_context(|| format!("the list {:?} is empty", delivery.list))?;
        let mac = list_mac(delivery.signed_by.unwrap_or(scope))?;
        let mut file = match delivery.form {
            Form::Full | Form::Part => newest.emit(&mac),
            Form::Delta => {
                let version = newest.edition().version;
                let base = delivery.base.unwrap_or(version - 1);
                let base = book.versions.iter().find(|list| list.edition().version == base);
                newest.since(base.context("base: there is no such version")?)?.emit(&mac)
            }
        };
        if let Some(byte) = file.last_mut().filter(|_| delivery.damaged) {
            *byte ^= 1;
        }
        let station = self.reader(&delivery.reader)?;
        Ok(match station.take_list(&file, scope, delivery.form)? {
            Ok(list) => {
                let entries = list.entries().len();
                let version = list.edition().version;
                Found::done(format!("version {version}, {entries} entries"))
                    .with("version", version)
                    .with("entries", entries)
            }
            Err(error) => error.into(),
        })
    }

    /// Gives a reader the newest version of its own unit's list, if that has one it does not hold.
    pub(super) fn take_own_list(&mut self, reader: &str) -> anyhow::Result<()> {
        let unit = self.reader(reader)?.unit;
        let mac = list_mac(unit)?;
        let books = self.lists.values().filter(|book| book.scope == unit);
        let newest: Vec<_> =
            books.filter_map(|book| book.versions.last()).map(|list| list.emit(&mac)).collect();
        for file in newest {
            let lookup = Lookup::parse(&file, &mac)?;
            // One that is no newer than what the reader holds changes nothing.
            let _ = self.reader(reader)?.office.take_list(lookup)?;
        }
        Ok(())
    }

    /// What the newest version of a list says, of everything or of a card.
    pub(super) fn show_list(&mut self, list: &str, card: Option<&str>) -> anyhow::Result<Found> {
        let serial = card.map(|card| self.serial(card)).transpose()?;
        let newest = self.list(list)?.versions.last();
        let newest = newest.with_context(|| format!("the list {list:?} is empty"))?;
        let entries = newest.entries();
        let shown = serial.map_or_else(
            || entries.iter().collect(),
            |card| entries.of(card).iter().collect::<Vec<_>>(),
        );
        let open = shown.iter().filter(|entry| entry.withdrawn().is_none());
        let open: Vec<_> = open.map(|e| format!("{} {}", e.kind().english(), e.unit())).collect();
        Ok(Found::done(format!("version {}", newest.edition().version))
            .with("version", newest.edition().version)
            .with("entries", shown.len())
            .with("open", open.join(", "))
            .with("disagreements", entries.disagreements().count()))
    }

    /// Date and time.
    pub(super) const fn now(&self) -> Moment {
        Moment { date: self.date, time: self.time }
    }
}

impl Book {
    /// The next version.
    fn edition(&self, issued: Moment) -> anyhow::Result<Edition> {
        let version = 1 + u32::try_from(self.versions.len())?;
        Ok(Edition { scope: self.scope, version, issued })
    }

    fn issue(&mut self, issued: Result<List, ListError>, text: String) -> Found {
        match issued {
            Ok(list) => {
                let (version, entries) = (list.edition().version, list.entries().len());
                self.versions.push(list);
                Found::done(text).with("version", version).with("entries", entries)
            }
            Err(error) => error.into(),
        }
    }
}

impl Station {
    /// Checks a file and takes it into use.
    fn take_list(
        &mut self,
        file: &[u8],
        scope: UnitCode,
        form: Form,
    ) -> anyhow::Result<Result<&List, ListError>> {
        let mac = list_mac(scope)?;
        let place = |of| {
            let same = |held: &List| held.edition().scope == scope && held.of() == of;
            self.lists.iter().position(same)
        };
        let list = match (form, place(None).and_then(|at| self.lists.get(at))) {
            (Form::Full | Form::Part, _) => List::parse(file, &mac),
            (Form::Delta, held) => Delta::parse(file, &mac).and_then(|delta| match held {
                Some(held) => delta.apply(held),
                None => Err(ListError::Base { base: delta.base(), version: 0 }),
            }),
        };
        let list = match list {
            Ok(list) => list,
            Err(error) => return Ok(Err(error)),
        };
        let held = place(list.of());
        let lookup = Lookup::parse(&list.emit(&mac), &mac)?;
        if let Err(error) = self.office.take_list(lookup)? {
            return Ok(Err(error));
        }
        if let Some(at) = held {
            self.lists.remove(at);
        }
        self.lists.push(list);
        Ok(Ok(self.lists.last().context("a list was put there")?))
    }
}

fn list_mac(unit: UnitCode) -> anyhow::Result<ListMac> {
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    Ok(ListMac::new(&TestRoots.list_key(&id, key_path(unit))?, id))
}
