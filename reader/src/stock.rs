//! A card of a delivery before it goes into stock (点验): what it shows to anybody, and which keys it
//! proves to hold. Its keys come from the city's roots, not from a SAM: no reader is unlocked for it,
//! and nothing on the card changes but the counter of failed authentications.

use alloc::vec::Vec;

use xuejika_apdu::fci::SecurityInfo;
use xuejika_apdu::{CardChannel, Class, Command};
use xuejika_card_model::file::tree::{EDUCATION_NAME, sector_name, sfi};
use xuejika_card_model::record::ExtensionIndex;
use xuejika_keyscheme::auth::{CardId, ReaderId, TOKEN_LEN, respond};
use xuejika_keyscheme::key::{Card, Key};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

use crate::error::Error;
use crate::link;
use crate::session::read_binary;

/// A card of a delivery, its education zone selected.
#[derive(Debug)]
pub struct StockCard<C> {
    channel: C,
    zone: Zone,
    security: SecurityInfo,
}

/// What a card proved about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It holds the key.
    Held,
    /// It holds another key under this name, or does not tell.
    Other,
    /// It has no such version of the key.
    Absent,
}

impl<C: CardChannel> StockCard<C> {
    /// Selects the education zone.
    ///
    /// # Errors
    /// Returns an [`Error`] when the card is no student card.
    pub fn select(mut channel: C) -> Result<Self, Error> {
        let security = select(&mut channel, Zone::EDUCATION)?;
        Ok(Self { channel, zone: Zone::EDUCATION, security })
    }

    /// Serial of the card (SN.ICC), as SELECT answers it.
    #[must_use]
    pub const fn serial(&self) -> CardId {
        CardId(self.security.serial)
    }

    /// Algorithm of its keys; none if the code is unknown.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_code(self.security.algorithm)
    }

    /// The version in use of a key of the selected zone.
    #[must_use]
    pub fn version(&self, number: KeyNumber) -> Option<KeyVersion> {
        let key = self.security.keys.iter().find(|key| key.number == number.0)?;
        KeyVersion::new(key.active)
    }

    /// The issuance record (EF 05) as it stands on the card.
    ///
    /// # Errors
    /// Returns an [`Error`].
    pub fn issuance(&mut self) -> Result<Vec<u8>, Error> {
        self.enter(Zone::EDUCATION)?;
        link::command(&mut self.channel, "READ BINARY", &read_binary(sfi::ISSUANCE))
    }

    /// Lets the card prove in a mutual authentication that it holds this key. `nonce` is random.
    ///
    /// # Errors
    /// Returns an [`Error`] when the card is gone or answers nonsense. A wrong key is no error.
    pub fn prove(
        &mut self,
        id: KeyId,
        key: &Key<Card>,
        reader: ReaderId,
        nonce: [u8; TOKEN_LEN],
    ) -> Result<Proof, Error> {
        self.enter(id.zone)?;
        let version = id.version.number();
        let offers = |number| self.security.keys.iter().find(|key| key.number == number);
        if !offers(id.number.0).is_some_and(|key| [key.active, key.other].contains(&version)) {
            return Ok(Proof::Absent);
        }
        let reference = [0x80, 0x01, id.algorithm.code(), 0x83, 0x02, id.number.0, version];
        let set = Command::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&reference);
        match link::command(&mut self.channel, "MANAGE SECURITY ENVIRONMENT", &set) {
            Err(Error::Status { .. }) => return Ok(Proof::Other),
            other => other?,
        };
        let get = Command::new(Class::ISO, 0x84, 0, 0).with_ne(16);
        let challenge = link::command(&mut self.channel, "GET CHALLENGE", &get)?;
        let challenge =
            challenge.as_slice().try_into().map_err(|_| Error::Malformed("GET CHALLENGE"))?;
        let (request, awaiting) = respond(key, id, self.serial(), reader, challenge, nonce);
        let proof = request.emit();
        let prove = Command::new(Class::ISO, 0x82, 0, 0).with_data(&proof).with_ne(16);
        match link::command(&mut self.channel, "MUTUAL AUTHENTICATE", &prove) {
            Ok(token) if awaiting.verify(&token).is_ok() => Ok(Proof::Held),
            Ok(_) | Err(Error::Status { .. }) => Ok(Proof::Other),
            Err(error) => Err(error),
        }
    }

    /// The channel, given back.
    #[must_use]
    pub fn into_channel(self) -> C {
        self.channel
    }

    /// Selects another zone.
    fn enter(&mut self, zone: Zone) -> Result<(), Error> {
        if zone != self.zone {
            let security = select(&mut self.channel, zone)?;
            if security.serial != self.security.serial {
                return Err(Error::Malformed("SELECT"));
            }
            (self.zone, self.security) = (zone, security);
        }
        Ok(())
    }
}

fn select<C: CardChannel>(channel: &mut C, zone: Zone) -> Result<SecurityInfo, Error> {
    let sector = ExtensionIndex::all().find(|index| index.zone() == zone);
    let fci = match sector {
        Some(index) => link::select(channel, "extension sector", &sector_name(index.value()))?,
        None => link::select(channel, "education zone", &EDUCATION_NAME)?,
    };
    fci.security.ok_or(Error::Malformed("SELECT"))
}
