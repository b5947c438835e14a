//! An image into contents. Every error is reported, nothing is repaired.

use alloc::vec::Vec;

use super::error::{S70Errors, S70Problem};
use super::map::{self, Place, Ring, Rings};
use super::{Contents, Extension, PAYLOAD_LEN, Parsed, is_blank};
use crate::pupil::Pupil;
use crate::record::{
    Enrolment, ExtensionEntry, FieldErrors, Identity, Issuance, LogEntry, Personalisation, Profile,
    RecordKind, Registration, Sector, StatusPair, Transfer,
};
use crate::state::LifeCycleState;

impl Contents {
    /// Reads an image of [`LEN`](super::LEN) bytes.
    ///
    /// # Errors
    /// Every block that breaks a rule of the map or of its record. Of two status copies one may be
    /// damaged.
    pub fn parse(image: &[u8]) -> Result<Parsed, S70Errors> {
        let mut errors = S70Errors::default();
        if image.len() != map::LEN {
            let first = Place { sector: 0, block: 0 };
            errors.push(first, S70Problem::Length(image.len()));
            return Err(errors);
        }
        let mut image = Image { bytes: image, errors };
        image.check_trailers();
        for place in map::RESERVED {
            image.expect_empty(place, map::BLOCK_LEN);
        }
        let parsed = image.contents();
        image.errors.into_result(parsed)
    }
}

struct Image<'a> {
    bytes: &'a [u8],
    errors: S70Errors,
}

impl Image<'_> {
    fn contents(&mut self) -> Option<Parsed> {
        let issuance = self.issuance();
        let status = StatusPair::parse(self.at(map::STATUS, StatusPair::LEN));
        let status = self.errors.note(map::STATUS, status);
        let pupil = self.pupil();
        if status.is_some_and(|pair| pair.current.state == LifeCycleState::Active)
            && pupil == Some(None)
        {
            self.errors.push(map::IDENTITY, S70Problem::NoPupil);
        }
        let rings = self.rings();
        let extensions = self.extensions();
        let [registrations, transfers, log] = rings?;
        let registrations = self.ring(
            (map::REGISTRATION, map::REGISTRATIONS),
            Registration::LEN,
            registrations,
            Registration::parse,
        );
        let transfers =
            self.ring((map::TRANSFER, map::TRANSFERS), Transfer::LEN, transfers, Transfer::parse);
        let log = self.ring((map::LOG, map::LOGS), LogEntry::LEN, log, LogEntry::parse);
        let status = status?;
        Some(Parsed {
            contents: Contents {
                issuance: issuance?,
                status: status.current,
                pupil: pupil?,
                registrations,
                transfers,
                extensions: extensions?,
                log,
            },
            damaged_status: status.other_damaged.then(|| status.slot.other()),
        })
    }

    fn at(&self, place: Place, len: usize) -> &[u8] {
        self.bytes.get(place.range(len)).unwrap_or_default()
    }

    fn issuance(&mut self) -> Option<Issuance> {
        let issuance = Issuance::parse(self.at(map::ISSUANCE, Issuance::LEN));
        let issuance = self.errors.note(map::ISSUANCE, issuance)?;
        if issuance.profile != Profile::S70 {
            self.errors.push(map::ISSUANCE, S70Problem::Profile(issuance.profile));
        }
        Some(issuance)
    }

    /// The outer `None` after an error.
    fn pupil(&mut self) -> Option<Option<(Pupil, Personalisation)>> {
        let identity = self.at(map::IDENTITY, Identity::LEN);
        let enrolment = self.at(map::ENROLMENT, Enrolment::LEN);
        let personalisation = self.at(map::PERSONALISATION, Personalisation::LEN);
        if [identity, enrolment, personalisation].into_iter().all(is_blank) {
            return Some(None);
        }
        let pupil = Pupil::parse(identity, enrolment);
        let personalisation = Personalisation::parse(personalisation);
        let place = |kind| match kind {
            RecordKind::Enrolment => map::ENROLMENT,
            _ => map::IDENTITY,
        };
        let pupil = pupil
            .map_err(|errors| self.errors.add(&errors, |error| place(error.field.record)))
            .ok();
        let personalisation = self.errors.note(map::PERSONALISATION, personalisation);
        Some(Some((pupil?, personalisation?)))
    }

    fn rings(&mut self) -> Option<[Ring; 3]> {
        let rings = Rings::parse(self.at(map::RINGS, map::BLOCK_LEN));
        if rings.is_none() {
            self.errors.push(map::RINGS, S70Problem::Rings);
        }
        rings.map(|rings| rings.0)
    }

    /// The records of a ring, newest first; slots not in use must be empty.
    fn ring<T>(
        &mut self,
        (place, room): (Place, usize),
        len: usize,
        ring: Ring,
        parse: impl Fn(&[u8]) -> Result<T, FieldErrors>,
    ) -> Vec<T> {
        let (newest, used) = (usize::from(ring.newest), usize::from(ring.used));
        for slot in used..room {
            self.expect_empty(place.behind(slot * len), len);
        }
        let mut records = Vec::with_capacity(used);
        for age in 0..used {
            let slot = place.behind((newest + room - age) % room * len);
            let record = parse(self.at(slot, len));
            records.extend(self.errors.note(slot, record));
        }
        records
    }

    fn extensions(&mut self) -> Option<[Extension; map::SECTORS]> {
        let mut extensions = [None; map::SECTORS];
        let places = map::DIRECTORY.into_iter().zip(map::EXTENSIONS);
        for ((extension, number), (entry, payload)) in extensions.iter_mut().zip(1..).zip(places) {
            *extension = self.extension(number, entry, payload);
        }
        let [Some(a), Some(b), Some(c), Some(d)] = extensions else { return None };
        Some([a, b, c, d])
    }

    fn extension(&mut self, number: u8, entry: Place, place: Place) -> Option<Extension> {
        let parsed = ExtensionEntry::parse(self.at(entry, ExtensionEntry::LEN));
        let ExtensionEntry { index, sector } = self.errors.note(entry, parsed)?;
        if index.value() != number {
            self.errors.push(entry, S70Problem::OtherEntry(index.value()));
        }
        if sector == Sector::Closed {
            self.expect_empty(place, PAYLOAD_LEN);
        }
        let payload = self.at(place, PAYLOAD_LEN).try_into().ok()?;
        Some(Extension { sector, payload })
    }

    fn expect_empty(&mut self, place: Place, len: usize) {
        for block in 0..len / map::BLOCK_LEN {
            let block = place.behind(block * map::BLOCK_LEN);
            if !is_blank(self.at(block, map::BLOCK_LEN)) {
                self.errors.push(block, S70Problem::NotEmpty);
            }
        }
    }

    fn check_trailers(&mut self) {
        for sector in map::FIRST_SECTOR..map::SECTOR_COUNT {
            let place = Place::trailer(sector);
            let &[a1, a2, a3, a4, a5, a6, c1, c2, c3, c4, b1, b2, b3, b4, b5, b6] =
                self.at(place, map::BLOCK_LEN)
            else {
                continue;
            };
            let keys = [('A', [a1, a2, a3, a4, a5, a6]), ('B', [b1, b2, b3, b4, b5, b6])];
            for (name, key) in keys {
                if !map::NO_KEYS.contains(&key) {
                    self.errors.push(place, S70Problem::Key(name));
                }
            }
            let access = [c1, c2, c3, c4];
            if access != map::ACCESS {
                self.errors.push(place, S70Problem::Access(access));
            }
        }
    }
}
