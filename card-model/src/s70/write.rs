//! Contents into an image.

use alloc::vec;
use alloc::vec::Vec;

use super::error::{S70Errors, S70Problem};
use super::map::{self, Place, Ring, Rings};
use super::{Contents, is_blank};
use crate::record::{
    ExtensionEntry, ExtensionIndex, LogEntry, Profile, Registration, Sector, Status, Transfer,
};

impl Contents {
    /// Writes an image of [`LEN`](super::LEN) bytes. Both copies of the status record are current;
    /// sectors of others are empty, all keys blank.
    ///
    /// # Errors
    /// Contents that [`Self::parse`] would refuse: another profile, more records than there is room
    /// for, a closed sector that is not empty.
    pub fn emit(&self) -> Result<Vec<u8>, S70Errors> {
        let mut image = Image { bytes: vec![0; map::LEN], errors: S70Errors::default() };
        image.trailers();
        if self.issuance.profile != Profile::S70 {
            image.errors.push(map::ISSUANCE, S70Problem::Profile(self.issuance.profile));
        }
        image.put(map::ISSUANCE, &self.issuance.emit());
        let status = self.status.emit();
        image.put(map::STATUS, &status);
        image.put(map::STATUS.behind(Status::LEN), &status);
        if let Some((pupil, personalisation)) = &self.pupil {
            image.put(map::IDENTITY, &pupil.identity.emit());
            image.put(map::ENROLMENT, &pupil.enrolment.emit());
            image.put(map::PERSONALISATION, &personalisation.emit());
        }
        let rings = [
            image.ring(
                map::REGISTRATION,
                map::REGISTRATIONS,
                &self.registrations,
                Registration::emit,
            ),
            image.ring(map::TRANSFER, map::TRANSFERS, &self.transfers, Transfer::emit),
            image.ring(map::LOG, map::LOGS, &self.log, LogEntry::emit),
        ];
        image.put(map::RINGS, &Rings(rings).emit());
        self.extensions(&mut image);
        let Image { bytes, errors } = image;
        // Whatever else contradicts itself is found by reading it back.
        errors.into_result(Some(()))?;
        Self::parse(&bytes)?;
        Ok(bytes)
    }

    fn extensions(&self, image: &mut Image) {
        let places = map::DIRECTORY.into_iter().zip(map::EXTENSIONS);
        for ((extension, index), (entry, payload)) in
            self.extensions.iter().zip(ExtensionIndex::all()).zip(places)
        {
            image.put(entry, &ExtensionEntry { index, sector: extension.sector }.emit());
            if extension.sector == Sector::Closed && !is_blank(&extension.payload) {
                image.errors.push(payload, S70Problem::NotEmpty);
            }
            image.put(payload, &extension.payload);
        }
    }
}

struct Image {
    bytes: Vec<u8>,
    errors: S70Errors,
}

impl Image {
    fn put(&mut self, place: Place, bytes: &[u8]) {
        if let Some(to) = self.bytes.get_mut(place.range(bytes.len())) {
            to.copy_from_slice(bytes);
        }
    }

    /// Trailers without keys: blank as a dump shows them, or the transport key where nobody moved in.
    fn trailers(&mut self) {
        let [blank, transport] = map::NO_KEYS;
        for sector in 0..map::SECTOR_COUNT {
            let (key, access) = if sector < map::FIRST_SECTOR {
                (transport, map::TRANSPORT)
            } else {
                (blank, map::ACCESS)
            };
            let trailer: Vec<u8> = key.into_iter().chain(access).chain(key).collect();
            self.put(Place::trailer(sector), &trailer);
        }
    }

    /// Fills a ring with records that come newest first.
    fn ring<T, const N: usize>(
        &mut self,
        place: Place,
        room: usize,
        records: &[T],
        emit: impl Fn(&T) -> [u8; N],
    ) -> Ring {
        let found = records.len();
        if found > room {
            self.errors.push(place, S70Problem::TooMany { found, room });
        }
        for (slot, record) in records.iter().take(room).rev().enumerate() {
            self.put(place.behind(slot * N), &emit(record));
        }
        Ring::of(found.min(room))
    }
}
