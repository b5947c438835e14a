//! Whole lists, the changes between two versions, and both as files.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::decoder::{MAC_LEN, read};
use super::entries::{Entries, Statements};
use super::entry::{Entry, Kind, Moment};
use super::error::ListError;
use super::header::{Form, Header, ListMac};
use super::standing::{Bearer, Listing};
use super::statement::Statement;
use crate::ident::{CardSerial, UnitCode};

/// Which version of which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Unit whose list it is: the entries are its own and of the units below.
    pub scope: UnitCode,
    /// Version, from 1.
    pub version: u32,
    /// When it was issued.
    pub issued: Moment,
}

impl Edition {
    /// Whether this is a later version than `earlier` of the same list, and was not issued before it.
    ///
    /// # Errors
    /// [`ListError::Unit`], [`ListError::Version`] or [`ListError::Issue`].
    pub fn follows(&self, earlier: &Self) -> Result<(), ListError> {
        if earlier.scope != self.scope {
            return Err(ListError::Unit { found: earlier.scope, expected: self.scope });
        }
        let (version, base) = (self.version, earlier.version);
        if version <= base {
            return Err(ListError::Version { version, base });
        }
        let (issued, before) = (self.issued, earlier.issued);
        if issued < before {
            return Err(ListError::Issue { version, issued, base, before });
        }
        Ok(())
    }

    /// Whether two lists can both be authentic: of one unit the later version was not issued before
    /// the earlier one, and two of one version are the same, as `same_content` says of their entries.
    ///
    /// # Errors
    /// [`ListError::Issue`] or [`ListError::Twice`].
    pub fn stands_beside(&self, other: &Self, same_content: bool) -> Result<(), ListError> {
        if self.scope != other.scope {
            return Ok(());
        }
        match self.version.cmp(&other.version) {
            Ordering::Greater => self.follows(other),
            Ordering::Less => other.follows(self),
            Ordering::Equal if self == other && same_content => Ok(()),
            Ordering::Equal => Err(ListError::Twice { scope: self.scope, version: self.version }),
        }
    }
}

/// Everything that a unit and those below it state about one thing, at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll<S> {
    edition: Edition,
    /// For a part: the unit out of whose list it was taken.
    of: Option<UnitCode>,
    entries: Statements<S>,
}

/// A whole list.
pub type List = Roll<Entry>;

/// What changed from one version of a list to a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    edition: Edition,
    base: u32,
    /// Digest of the list it leads to.
    digest: u32,
    changes: Entries,
}

impl<S: Statement> Roll<S> {
    /// Makes a list of statements in any order.
    ///
    /// # Errors
    /// [`ListError::Version`] for version 0, [`ListError::Entry`], [`ListError::Scope`] or
    /// [`ListError::AfterIssue`] for an entry that cannot stand in it, [`ListError::TooMany`].
    pub fn new(edition: Edition, entries: impl IntoIterator<Item = S>) -> Result<Self, ListError> {
        Self::from_entries(edition, entries.into_iter().collect())
    }

    /// Returns the next version of this list, with more statements in any order. A report that only
    /// repeats one that stands changes nothing: it neither delays the effect nor begins the loss
    /// period anew.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ListError::Unit`] for an edition of another unit, [`ListError::Version`] or
    /// [`ListError::Issue`] for one that is no later version, [`ListError::Part`] for a part.
    pub fn next(
        &self,
        edition: Edition,
        news: impl IntoIterator<Item = S>,
    ) -> Result<Self, ListError> {
        self.check_whole()?;
        edition.follows(&self.edition)?;
        let repeated = |entry: &S| {
            let standing = self.entries.of(entry.serial());
            standing.iter().any(|standing| entry.repeats(standing))
        };
        let news = news.into_iter().filter(|entry| !repeated(entry));
        Self::from_entries(edition, self.entries.iter().copied().chain(news).collect())
    }

    /// Merges lists upwards: schools into a district's list, districts into the city's. A list of
    /// `edition`'s own unit is an earlier version of it.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ListError::Unit`] for a list of a unit outside the scope,
    /// [`ListError::Version`] or [`ListError::Issue`] for an own list that is no earlier version,
    /// [`ListError::Part`] for a part, and as [`Self::stands_beside`] for two lists of one unit.
    pub fn merge<'a>(
        edition: Edition,
        lists: impl IntoIterator<Item = &'a Self>,
    ) -> Result<Self, ListError> {
        let mut entries = Vec::new();
        let mut merged: Vec<&Self> = Vec::new();
        for list in lists {
            list.check_whole()?;
            let scope = list.edition.scope;
            if !edition.scope.covers(scope) {
                return Err(ListError::Unit { found: scope, expected: edition.scope });
            }
            if scope == edition.scope {
                edition.follows(&list.edition)?;
            }
            merged.iter().try_for_each(|other| list.stands_beside(other))?;
            merged.push(list);
            entries.extend(&list.entries);
        }
        Self::from_entries(edition, entries.into_iter().collect())
    }

    /// Returns which version of which list this is.
    #[must_use]
    pub const fn edition(&self) -> &Edition {
        &self.edition
    }

    /// Whether two lists can both be authentic, see [`Edition::stands_beside`]. A unit's list and the
    /// part of another list for its readers have versions of their own.
    ///
    /// # Errors
    /// [`ListError::Issue`] or [`ListError::Twice`].
    pub fn stands_beside(&self, other: &Self) -> Result<(), ListError> {
        if self.of != other.of {
            return Ok(());
        }
        self.edition.stands_beside(&other.edition, self.entries == other.entries)
    }

    /// Whether this list may take the place of one that a reader holds: it is a later version, or the
    /// same list again.
    ///
    /// # Errors
    /// As [`Edition::follows`], and [`ListError::Twice`] for another list of the same version.
    pub fn replaces(&self, held: &Self) -> Result<(), ListError> {
        if self.edition.version == held.edition.version {
            return self.stands_beside(held);
        }
        self.edition.follows(&held.edition)
    }

    /// Returns the entries.
    #[must_use]
    pub const fn entries(&self) -> &Statements<S> {
        &self.entries
    }

    /// For a part, returns the unit out of whose list it was taken.
    #[must_use]
    pub const fn of(&self) -> Option<UnitCode> {
        self.of
    }

    /// Reads the file of a whole list or a part.
    ///
    /// # Errors
    /// Any damage, and [`ListError::Mac`] for a file that is not authentic.
    pub fn parse(file: &[u8], key: &ListMac) -> Result<Self, ListError> {
        let (header, entries) = read::<S, _>(file, key, Form::Full, |_| Vec::new())?;
        let entries = Statements::from_ordered(entries);
        Ok(Self { edition: edition(&header), of: header.of, entries })
    }

    /// Writes the file.
    #[must_use]
    pub fn emit(&self, key: &ListMac) -> Vec<u8> {
        let form = if self.of.is_some() { Form::Part } else { Form::Full };
        let digest = self.entries.digest();
        emit(header(form, &self.edition, self.of, digest, &self.entries, key), &self.entries, key)
    }

    fn from_entries(edition: Edition, entries: Statements<S>) -> Result<Self, ListError> {
        Self { edition, of: None, entries }.checked()
    }

    fn checked(self) -> Result<Self, ListError> {
        let Edition { scope, version, issued } = self.edition;
        if version == 0 {
            return Err(ListError::Version { version: 0, base: 0 });
        }
        u32::try_from(self.entries.len()).map_err(|_| ListError::TooMany)?;
        let of = self.of.unwrap_or(scope);
        for (index, entry) in (0..).zip(&self.entries) {
            entry.check().map_err(|error| ListError::Entry { index, error })?;
            admit(of, issued, entry)?;
        }
        Ok(self)
    }

    fn check_whole(&self) -> Result<(), ListError> {
        self.of.map_or(Ok(()), |of| Err(ListError::Part { of }))
    }
}

impl List {
    /// Returns what the readers of one unit need of this list: how the city's list goes down to a
    /// district and to venues (操作规程 三/六). Cards move, and any card of the city can be shown at any
    /// venue, so every entry that stands is in it, whichever unit reported it; withdrawn ones are not.
    /// A part is authenticated by the key of its readers' unit and goes no further: it is neither
    /// merged nor continued.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ListError::Unit`] for a unit outside the scope.
    pub fn part(&self, edition: Edition) -> Result<Self, ListError> {
        let (found, expected) = (self.edition.scope, edition.scope);
        if !found.covers(expected) {
            return Err(ListError::Unit { found, expected });
        }
        let stands = self.entries.iter().filter(|entry| entry.withdrawn().is_none()).copied();
        let of = self.of.unwrap_or(found);
        Self { edition, of: Some(of), entries: Entries::from_ordered(stands.collect()) }.checked()
    }

    /// Withdraws the reports of one kind (解挂, 解冻) that `unit` may end: its own and those of the
    /// units below it (操作规程 一/八(三)3). Other units' reports stay. The list becomes `edition`.
    ///
    /// # Errors
    /// [`ListError::NotListed`] when no report that `unit` may end stands, [`ListError::Replaced`] for
    /// a replaced card, [`ListError::Withdrawal`] for an impossible time, and as [`Self::next`].
    pub fn withdraw(
        &self,
        edition: Edition,
        serial: CardSerial,
        kind: Kind,
        unit: UnitCode,
        at: Moment,
    ) -> Result<Self, ListError> {
        if self.entries.open(serial, Kind::Replaced).next().is_some() {
            return Err(ListError::Replaced(serial));
        }
        let own = self.entries.open(serial, kind).filter(|entry| unit.covers(entry.unit()));
        let withdrawn = own
            .map(|entry| entry.withdraw(at))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ListError::Withdrawal { serial, error })?;
        if withdrawn.is_empty() {
            return Err(ListError::NotListed(serial));
        }
        self.next(edition, withdrawn)
    }

    /// Returns what the list says about a card.
    #[must_use]
    pub fn listing(&self, serial: CardSerial, bearer: &Bearer<'_>) -> Listing {
        let issued = self.edition.issued.date;
        Listing { issued, standing: self.entries.standing(serial, bearer, issued) }
    }

    /// Returns the change from an earlier version to this one.
    ///
    /// # Errors
    /// [`ListError::Unit`] for a list of another unit, [`ListError::Version`] or [`ListError::Issue`]
    /// when it is no earlier version, [`ListError::NotDescended`] when it says what this one does not
    /// know, [`ListError::Part`] for a part.
    pub fn since(&self, base: &Self) -> Result<Delta, ListError> {
        self.check_whole()?;
        base.check_whole()?;
        let (edition, before) = (self.edition, base.edition);
        edition.follows(&before)?;
        let changes = self.entries.since(&base.entries)?;
        Ok(Delta { edition, base: before.version, digest: self.entries.digest(), changes })
    }
}

impl Delta {
    /// Returns which version it leads to.
    #[must_use]
    pub const fn edition(&self) -> &Edition {
        &self.edition
    }

    /// Returns the version it starts from.
    #[must_use]
    pub const fn base(&self) -> u32 {
        self.base
    }

    /// Returns the entries that are new or changed.
    #[must_use]
    pub const fn changes(&self) -> &Entries {
        &self.changes
    }

    /// Leads from the version it was made from to its own.
    ///
    /// # Errors
    /// [`ListError::Unit`], [`ListError::Base`] or [`ListError::Part`] on another list,
    /// [`ListError::Issue`] on one that was issued later, and [`ListError::Digest`] on one that only
    /// pretends to be that version.
    pub fn apply(&self, list: &List) -> Result<List, ListError> {
        let (found, version) = (list.edition.scope, list.edition.version);
        if found != self.edition.scope {
            return Err(ListError::Unit { found, expected: self.edition.scope });
        }
        if version != self.base {
            return Err(ListError::Base { base: self.base, version });
        }
        list.check_whole()?;
        self.edition.follows(&list.edition)?;
        let entries = list.entries.join(&self.changes);
        let list = List { edition: self.edition, of: None, entries };
        match list.entries.digest() {
            found if found == self.digest => Ok(list),
            found => Err(ListError::Digest { found, expected: self.digest }),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`List::parse`].
    pub fn parse(file: &[u8], key: &ListMac) -> Result<Self, ListError> {
        let (header, changes) = read::<Entry, _>(file, key, Form::Delta, |_| Vec::new())?;
        Ok(Self {
            edition: edition(&header),
            base: header.base.unwrap_or(0),
            digest: header.digest,
            changes: Entries::from_ordered(changes),
        })
    }

    /// Writes the file.
    #[must_use]
    pub fn emit(&self, key: &ListMac) -> Vec<u8> {
        let header = header(Form::Delta, &self.edition, None, self.digest, &self.changes, key);
        emit(Header { base: Some(self.base), ..header }, &self.changes, key)
    }
}

/// Checks that an entry may stand in the list of a unit, issued at `issued`.
pub(super) fn admit<S: Statement>(
    scope: UnitCode,
    issued: Moment,
    entry: &S,
) -> Result<(), ListError> {
    let (serial, unit, changed) = (entry.serial(), entry.unit(), entry.changed());
    if !scope.covers(unit) {
        return Err(ListError::Scope { serial, unit, scope });
    }
    if changed > issued {
        return Err(ListError::AfterIssue { serial, changed, issued });
    }
    Ok(())
}

const fn edition(header: &Header) -> Edition {
    Edition { scope: header.scope, version: header.version, issued: header.issued }
}

fn header<S: Statement>(
    form: Form,
    edition: &Edition,
    of: Option<UnitCode>,
    digest: u32,
    entries: &Statements<S>,
    key: &ListMac,
) -> Header {
    Header {
        content: S::CONTENT,
        form,
        scope: edition.scope,
        of,
        version: edition.version,
        base: None,
        issued: edition.issued,
        // `List::checked` counted them, and a delta has no more than its list.
        count: u32::try_from(entries.len()).unwrap_or(u32::MAX),
        digest,
        key_version: key.version(),
        algorithm: key.algorithm(),
    }
}

fn emit<S: Statement>(header: Header, entries: &Statements<S>, key: &ListMac) -> Vec<u8> {
    let mut file = Vec::with_capacity(Header::LEN + entries.len() * S::LEN + MAC_LEN);
    file.extend(header.emit());
    entries.write(&mut file);
    let mac = key.start().with(&file).finish();
    file.extend(mac);
    file
}
