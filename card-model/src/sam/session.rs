//! What a SAM has in RAM: whether it is unlocked, and its session with one card at a time.

use alloc::boxed::Box;
use alloc::vec::Vec;

use xuejika_keyscheme::auth::{AwaitingCard, CardId, Request, SessionKeys, TOKEN_LEN, respond};
use xuejika_keyscheme::key::{Card as CardKey, Key, Root};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};
use zeroize::Zeroizing;

use super::store::NamedRoot;
use super::{Grant, Respond, SamError, SamStore};
use crate::date::Date;
use crate::event::{self, Body, OwnerKey};
use crate::key_load::KeyData;
use crate::management::{Authorisation, AuthorisationError, Role, key_path};

/// Everything volatile of a SAM; `M` is the reader's end of secure messaging.
pub struct SamSession<M> {
    unlocked: Option<Unlocked>,
    handshake: Handshake<M>,
}

/// What a management card has brought.
struct Unlocked {
    grant: Grant,
    roots: Box<[NamedRoot]>,
}

/// The card at the other end, and the key by which both have proved themselves.
#[derive(Clone, Copy)]
struct Peer {
    card: CardId,
    key: KeyId,
}

/// Secrets are boxed: moved from one state to the next, they would stay behind in the place they left.
enum Handshake<M> {
    None,
    Awaiting(Peer, Box<AwaitingCard>),
    Open(Peer, Box<M>),
}

/// What a command is about that the host wants to have protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It reads the contents of a management card: all of them, which is what [`SamSession::unlock`]
    /// takes.
    Authorisation,
    /// It loads a key into the card.
    Key,
    /// Anything else.
    Other,
}

impl<M> SamSession<M> {
    /// After a reset: locked, no session.
    pub const START: Self = Self { unlocked: None, handshake: Handshake::None };

    /// What was granted; `None` while locked.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        self.unlocked.as_ref().map(|unlocked| &unlocked.grant)
    }

    /// The newest of the offered versions of a key that it holds and may use.
    ///
    /// # Errors
    /// Returns [`SamError::Locked`], [`SamError::NotPermitted`] or [`SamError::NoVersion`].
    pub fn version(
        &self,
        store: &SamStore,
        (zone, number, algorithm): (Zone, KeyNumber, Algorithm),
        offered: &[KeyVersion],
    ) -> Result<KeyVersion, SamError> {
        let id = |version| KeyId { zone, number, version, algorithm };
        let usable = |version: &KeyVersion| self.root(store, &id(*version)).is_ok();
        let refusal = || {
            let first = offered.first().copied().unwrap_or(KeyVersion::FIRST);
            self.root(store, &id(first)).err().unwrap_or(SamError::NoVersion(number))
        };
        offered.iter().copied().filter(usable).max().ok_or_else(refusal)
    }

    /// Answers a card's challenge with this nonce, dropping any session before.
    ///
    /// # Errors
    /// Returns a [`SamError`] when the key may not be used.
    pub fn respond(
        &mut self,
        store: &SamStore,
        &Respond { id, path, card, challenge }: &Respond,
        nonce: [u8; TOKEN_LEN],
    ) -> Result<Request, SamError> {
        self.close();
        let key = self.card_key(store, &id, path, card)?;
        let (request, awaiting) = respond(&key, id, card, store.id(), challenge, nonce);
        self.handshake = Handshake::Awaiting(Peer { card, key: id }, Box::new(awaiting));
        Ok(request)
    }

    /// Checks the card's proof and opens the session; `start` makes secure messaging of its keys.
    ///
    /// # Errors
    /// Returns [`SamError::NoSession`] when no proof is awaited and [`SamError::NotGenuine`] for a
    /// wrong one.
    pub fn open(
        &mut self,
        token: &[u8],
        start: impl FnOnce(&SessionKeys) -> M,
    ) -> Result<(), SamError> {
        match core::mem::replace(&mut self.handshake, Handshake::None) {
            Handshake::Awaiting(peer, awaiting) => {
                let keys = awaiting.verify(token).map_err(|_| SamError::NotGenuine)?;
                self.handshake = Handshake::Open(peer, Box::new(start(&keys)));
                Ok(())
            }
            _ => Err(SamError::NoSession),
        }
    }

    /// Secure messaging of the open session, for a command of the host. With a management card that
    /// is the reading of its contents and nothing else; and no command of a host carries a key: who
    /// has an unlocked SAM for a moment could leave keys of their own in cards for good.
    ///
    /// # Errors
    /// As [`Self::messaging`], and when the session is none for such a command.
    pub fn messaging_for(&mut self, carried: Carried) -> Result<&mut M, SamError> {
        let of_management = self.peer()?.key.number == KeyNumber::MANAGEMENT;
        match carried {
            Carried::Authorisation => self.messaging(),
            Carried::Other if !of_management => self.messaging(),
            Carried::Other | Carried::Key => Err(SamError::NoSession),
        }
    }

    /// Secure messaging of the open session. Whoever gets an error from it that is beyond repair
    /// calls [`Self::close`].
    ///
    /// # Errors
    /// Returns [`SamError::NoSession`].
    pub fn messaging(&mut self) -> Result<&mut M, SamError> {
        match &mut self.handshake {
            Handshake::Open(_, messaging) => Ok(messaging),
            _ => Err(SamError::NoSession),
        }
    }

    /// Whether an unwrapped answer may be told: of a management card only that it carries no data.
    ///
    /// # Errors
    /// Returns [`SamError::Confidential`]; the session has ended then.
    pub fn check_answer(&mut self, data: &[u8]) -> Result<(), SamError> {
        if self.peer()?.key.number == KeyNumber::MANAGEMENT && !data.is_empty() {
            self.close();
            return Err(SamError::Confidential);
        }
        Ok(())
    }

    /// The data of PUT KEY with the named key of the session's card, and its check value. The session
    /// is under K0, which loads keys; who has not proved K0 of a card gets no key of it.
    ///
    /// # Errors
    /// Returns [`SamError::NoSession`] without such a session, and a [`SamError`] when the key may not
    /// be used or is none that PUT KEY loads.
    pub fn key_data(
        &self,
        store: &SamStore,
        id: &KeyId,
    ) -> Result<(Zeroizing<[u8; KeyData::LEN]>, [u8; 3]), SamError> {
        let card = self.peer_under(KeyNumber::MASTER)?;
        let key = self.card_key(store, id, Path::City, card)?;
        if id.zone != Zone::EDUCATION {
            return Err(SamError::NoVersion(id.number));
        }
        Ok((KeyData::emit(&key), key.kcv().bytes()))
    }

    /// The data of CHANGE LIFE CYCLE that opens an extension sector: the event, then its owner's key
    /// for the session's card in this version. The session is under K6, the key of that event.
    ///
    /// # Errors
    /// As [`Self::key_data`]; [`SamError::NoSector`] when `request` opens no sector.
    pub fn opening_data(
        &self,
        store: &SamStore,
        request: &event::Request,
        version: KeyVersion,
    ) -> Result<Zeroizing<Vec<u8>>, SamError> {
        let Body::Open(opening) = request.body else { return Err(SamError::NoSector) };
        // A SAM and its cards share one algorithm.
        let (number, algorithm) = (KeyNumber::APPLICATION, store.algorithm());
        let id = KeyId { zone: opening.index.zone(), number, version, algorithm };
        let card = self.peer_under(KeyNumber::EXTENSION)?;
        let key = self.card_key(store, &id, key_path(opening.owner), card)?;
        let kcv = key.kcv().bytes();
        let request = request.emit();
        // All its room at once: a container that grows leaves what it held behind.
        let mut data = Zeroizing::new(Vec::with_capacity(request.len() + OwnerKey::LEN));
        data.extend_from_slice(&request);
        data.extend_from_slice(&OwnerKey { version, data: KeyData { key, kcv } }.emit());
        Ok(data)
    }

    /// Ends the session, if one is open.
    pub fn close(&mut self) {
        self.handshake = Handshake::None;
    }

    /// Takes the contents of the management card at the other end of the session, ends the session
    /// and unlocks. Locked before, it stays locked when this fails; unlocked, it is locked.
    ///
    /// # Errors
    /// Returns a [`SamError`] naming why the card does not unlock this SAM.
    pub fn unlock(
        &mut self,
        store: &SamStore,
        contents: &[u8],
        today: Date,
    ) -> Result<Grant, SamError> {
        let peer = self.peer();
        self.lock();
        let peer = peer?;
        if peer.key.number != KeyNumber::MANAGEMENT {
            return Err(SamError::NoSession);
        }
        let contents = contents.try_into().map_err(|_| AuthorisationError::Checksum)?;
        let authorisation = Authorisation::parse(contents)?;
        if authorisation.unit != store.serial().unit {
            return Err(SamError::OtherUnit);
        }
        store.check_date(today)?;
        check_validity(today, authorisation.valid_until)?;
        let roots = store.open_key_file(&authorisation, peer.card)?;
        let grant = Grant {
            role: authorisation.role,
            unit: authorisation.unit,
            valid_until: authorisation.valid_until,
            permitted: authorisation.permitted,
            floor: authorisation.floor,
        };
        self.unlocked = Some(Unlocked { grant, roots });
        Ok(grant)
    }

    /// Takes the date of a day on which the reader works. After the last day of the grant it locks.
    ///
    /// # Errors
    /// Returns [`SamError::Locked`], [`SamError::ClockWentBack`] or [`SamError::Expired`].
    pub fn set_date(&mut self, store: &SamStore, today: Date) -> Result<(), SamError> {
        let valid_until = self.grant().ok_or(SamError::Locked)?.valid_until;
        store.check_date(today)?;
        let checked = check_validity(today, valid_until);
        if checked.is_err() {
            self.lock();
        }
        checked
    }

    /// Locks: every key is forgotten, the session ends.
    pub fn lock(&mut self) {
        self.close();
        self.unlocked = None;
    }

    fn peer(&self) -> Result<Peer, SamError> {
        match &self.handshake {
            Handshake::Open(peer, _) => Ok(*peer),
            _ => Err(SamError::NoSession),
        }
    }

    /// The card of the open session, if that is under this key of the education zone.
    fn peer_under(&self, number: KeyNumber) -> Result<CardId, SamError> {
        let Peer { card, key } = self.peer()?;
        let right = (key.zone, key.number) == (Zone::EDUCATION, number);
        if right { Ok(card) } else { Err(SamError::NoSession) }
    }

    /// A key of a card, as far as the lock lets it be used. Keys of applications alone have units on
    /// their way from the root; an application unit goes the way of its own unit, so that it does
    /// not come to a sector that another unit lends under the same number.
    fn card_key(
        &self,
        store: &SamStore,
        id: &KeyId,
        path: Path,
        card: CardId,
    ) -> Result<Key<CardKey>, SamError> {
        let root = self.root(store, id)?;
        let own_way = match self.grant() {
            Some(grant) if id.number == KeyNumber::APPLICATION => {
                grant.role != Role::Application || path == key_path(grant.unit)
            }
            _ => path == Path::City,
        };
        if !own_way {
            return Err(SamError::NoVersion(id.number));
        }
        Ok(path.derive(root, id, card))
    }

    /// The root of a key, as far as the lock lets it be used.
    fn root<'a>(&'a self, store: &'a SamStore, id: &KeyId) -> Result<&'a Key<Root>, SamError> {
        if id.number == KeyNumber::MANAGEMENT {
            return store.management_root(id).ok_or(SamError::NoVersion(id.number));
        }
        let Unlocked { grant, roots } = self.unlocked.as_ref().ok_or(SamError::Locked)?;
        if !grant.permitted.contains(id.number) {
            return Err(SamError::NotPermitted(id.number));
        }
        let floor = grant.floor.get(usize::from(id.number.0)).copied().unwrap_or(u8::MAX);
        let recent = id.version.number() >= floor;
        roots
            .iter()
            .find(|(known, _)| recent && known == id)
            .map(|(_, root)| root)
            .ok_or(SamError::NoVersion(id.number))
    }
}

/// The last day of a grant is still valid.
fn check_validity(today: Date, valid_until: Date) -> Result<(), SamError> {
    if today <= valid_until { Ok(()) } else { Err(SamError::Expired(valid_until)) }
}

impl<M> core::fmt::Debug for SamSession<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let lock = if self.unlocked.is_some() { "unlocked" } else { "locked" };
        write!(f, "SamSession({lock})")
    }
}
