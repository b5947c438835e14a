//! A SAM in software. It keeps keys in the host's memory and therefore takes test keys only; its
//! bytes, states and refusals are those of a hardware SAM.

use alloc::boxed::Box;
use alloc::vec::Vec;

use rand_core::CryptoRng;
use xuejika_apdu::sm::{ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{self, Body, OwnerKey};
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::management::{self, Authorisation, SamSerial, key_path};
use xuejika_card_model::record::ExtensionIndex;
use xuejika_keyscheme::auth::{AwaitingCard, CardId, ReaderId, Request, TOKEN_LEN, respond};
use xuejika_keyscheme::key::{Key, Root, Sam as SamPurpose};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

use super::{Grant, Sam, SamError};

/// Versions of the keys a test SAM holds: the one new cards have, and one to roll over to.
const TEST_VERSIONS: [u8; 2] = [1, 2];

/// First bytes of a key file's authenticated header.
const KEY_FILE_MAGIC: [u8; 8] = *b"XJKKEYS1";

/// Bytes of one entry of a key file: key identifier, root.
const ENTRY_LEN: usize = KeyId::LEN + 16;

/// INS of PUT KEY (project-defined after GlobalPlatform).
pub(crate) const PUT_KEY: u8 = 0xD8;

/// INS of CHANGE LIFE CYCLE (project-defined).
pub(crate) const CHANGE_LIFE_CYCLE: u8 = 0xF0;

/// A SAM in software, for test keys.
pub struct SoftSam {
    id: ReaderId,
    secret: Key<SamPurpose>,
    /// Root of the key shared with management cards.
    management_root: Key<Root>,
    /// The card keys' roots, sealed under a key that a management card completes.
    key_file: Vec<u8>,
    rng: Box<dyn CryptoRng + Send>,
    roots: Vec<(KeyId, Key<Root>)>,
    grant: Option<Grant>,
    peer: Option<CardId>,
    session: Session,
}

enum Session {
    None,
    Awaiting(AwaitingCard),
    Open(Box<ReaderSm>),
}

impl SoftSam {
    /// A test SAM with this number, whose key file opens to the test management card of its unit
    /// that is good until `valid_until`.
    #[must_use]
    pub fn test(
        algorithm: Algorithm,
        serial: SamSerial,
        valid_until: Date,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        let id = serial.reader();
        let secret = test_keys::sam(algorithm);
        let (management, authorisation) = management::test_card(serial.unit, valid_until);
        let kek = secret.unlock(&authorisation.unlock_context(id, management));
        let versions = TEST_VERSIONS.into_iter().filter_map(KeyVersion::new);
        let entries: Vec<_> = versions
            .flat_map(|version| {
                let education = KeyNumber::EDUCATION.map(|number| (Zone::EDUCATION, number));
                let sectors =
                    ExtensionIndex::all().map(|index| (index.zone(), KeyNumber::APPLICATION));
                education.into_iter().chain(sectors).map(move |(zone, number)| {
                    let key = key_id(zone, number, version, algorithm);
                    (key, test_keys::root(&key))
                })
            })
            .collect();
        let key_file = kek.seal(&key_file_header(id), &emit_entries(&entries));
        let management_root = test_keys::root(&management_key(algorithm));
        Self {
            id,
            secret,
            management_root,
            key_file,
            rng: Box::new(rng),
            roots: Vec::new(),
            grant: None,
            peer: None,
            session: Session::None,
        }
    }

    /// The root of a key, as far as the lock lets it be used.
    fn root(&self, id: &KeyId) -> Result<&Key<Root>, SamError> {
        if id.number == KeyNumber::MANAGEMENT {
            return Ok(&self.management_root);
        }
        let grant = self.grant.as_ref().ok_or(SamError::Locked)?;
        if !grant.permitted.contains(id.number) {
            return Err(SamError::NotPermitted(id.number));
        }
        self.roots
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, root)| root)
            .ok_or(SamError::NoVersion(id.number))
    }

    /// Runs one step of the open session; any error ends it.
    fn in_session<T>(
        &mut self,
        step: impl FnOnce(&mut ReaderSm) -> Result<T, SmError>,
    ) -> Result<T, SamError> {
        let Session::Open(sm) = &mut self.session else { return Err(SamError::NoSession) };
        let result = step(sm);
        // What cannot be carried has changed nothing; everything else is beyond repair.
        if matches!(result, Err(error) if error != SmError::NotCarried) {
            self.session = Session::None;
        }
        Ok(result?)
    }
}

impl Sam for SoftSam {
    fn id(&self) -> ReaderId {
        self.id
    }

    fn version(
        &self,
        zone: Zone,
        number: KeyNumber,
        algorithm: Algorithm,
        offered: &[KeyVersion],
    ) -> Result<KeyVersion, SamError> {
        let floor = match (&self.grant, number) {
            (_, KeyNumber::MANAGEMENT) => 0,
            (None, _) => return Err(SamError::Locked),
            (Some(grant), number) => {
                grant.floor.get(usize::from(number.0)).copied().unwrap_or(u8::MAX)
            }
        };
        let usable = |version: &&KeyVersion| {
            version.number() >= floor
                && self.root(&key_id(zone, number, **version, algorithm)).is_ok()
        };
        match offered.iter().filter(usable).max() {
            Some(version) => Ok(*version),
            None => {
                let first = offered.first().copied().unwrap_or(KeyVersion::FIRST);
                self.root(&key_id(zone, number, first, algorithm))?;
                Err(SamError::NoVersion(number))
            }
        }
    }

    fn respond(
        &mut self,
        id: KeyId,
        path: Path,
        card: CardId,
        challenge: [u8; TOKEN_LEN],
    ) -> Result<Request, SamError> {
        self.close();
        let key = path.derive(self.root(&id)?, &id, card);
        let mut nonce = [0; TOKEN_LEN];
        self.rng.fill_bytes(&mut nonce);
        let (request, awaiting) = respond(&key, id, card, self.id, challenge, nonce);
        self.session = Session::Awaiting(awaiting);
        self.peer = Some(card);
        Ok(request)
    }

    fn open(&mut self, card_token: &[u8]) -> Result<(), SamError> {
        match core::mem::replace(&mut self.session, Session::None) {
            Session::Awaiting(awaiting) => {
                let keys = awaiting.verify(card_token).map_err(|_| SamError::NotGenuine)?;
                self.session = Session::Open(Box::new(ReaderSm::new(&keys)));
                Ok(())
            }
            _ => Err(SamError::NoSession),
        }
    }

    fn wrap(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), SamError> {
        self.in_session(|sm| sm.wrap_command(command, out))
    }

    fn unwrap(
        &mut self,
        response: &Response<'_>,
        out: &mut Vec<u8>,
    ) -> Result<StatusWord, SamError> {
        self.in_session(|sm| sm.unwrap_response(response, out))
    }

    fn wrap_key(&mut self, id: KeyId, out: &mut Vec<u8>) -> Result<[u8; 3], SamError> {
        let card = self.peer.ok_or(SamError::NoSession)?;
        let key = self.root(&id)?.card(&id, card);
        let data = KeyData::emit(&key);
        let put = Command::new(Class::OWN, PUT_KEY, id.number.0, id.version.number())
            .with_data(&*data)
            .with_ne(256);
        self.in_session(|sm| sm.wrap_command(&put, out))?;
        Ok(key.kcv().bytes())
    }

    fn wrap_open(
        &mut self,
        request: &event::Request,
        version: KeyVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), SamError> {
        let Body::Open(opening) = request.body else { return Err(SamError::NoSector) };
        let card = self.peer.ok_or(SamError::NoSession)?;
        let zone = opening.index.zone();
        // A SAM and its cards share one algorithm.
        let algorithm = self.secret.algorithm();
        let id = key_id(zone, KeyNumber::APPLICATION, version, algorithm);
        let key = key_path(opening.owner).derive(self.root(&id)?, &id, card);
        let kcv = key.kcv().bytes();
        let mut data = zeroize::Zeroizing::new(request.emit());
        data.extend_from_slice(&OwnerKey { version, data: KeyData { key, kcv } }.emit());
        let change = Command::new(Class::OWN, CHANGE_LIFE_CYCLE, request.event.code(), 0)
            .with_data(&data)
            .with_ne(256);
        self.in_session(|sm| sm.wrap_command(&change, out))
    }

    fn close(&mut self) {
        self.session = Session::None;
        self.peer = None;
    }

    fn unlock(&mut self, contents: &Response<'_>, today: Date) -> Result<Grant, SamError> {
        self.lock_keys();
        let management = self.peer.ok_or(SamError::NoSession)?;
        let mut plain = zeroize::Zeroizing::new(Vec::new());
        let status = self.unwrap(contents, &mut plain)?;
        self.close();
        if !status.is_success() {
            return Err(SamError::Refused(status));
        }
        let contents = plain.first_chunk().ok_or(SamError::ForeignGrant)?;
        let authorisation = Authorisation::parse(contents)?;
        if today > authorisation.valid_until {
            return Err(SamError::Expired(authorisation.valid_until));
        }
        let kek = self.secret.unlock(&authorisation.unlock_context(self.id, management));
        let entries = kek
            .open(&key_file_header(self.id), &self.key_file)
            .map_err(|_| SamError::ForeignGrant)?;
        self.roots = parse_entries(&entries).ok_or(SamError::ForeignGrant)?;
        let grant = Grant {
            role: authorisation.role,
            unit: authorisation.unit,
            valid_until: authorisation.valid_until,
            permitted: authorisation.permitted,
            floor: authorisation.floor,
        };
        self.grant = Some(grant);
        Ok(grant)
    }

    fn lock(&mut self) {
        self.lock_keys();
        self.close();
    }
}

impl SoftSam {
    fn lock_keys(&mut self) {
        self.roots.clear();
        self.grant = None;
    }
}

impl core::fmt::Debug for SoftSam {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let lock = if self.grant.is_some() { "unlocked" } else { "locked" };
        write!(f, "SoftSam({lock})")
    }
}

const fn key_id(zone: Zone, number: KeyNumber, version: KeyVersion, algorithm: Algorithm) -> KeyId {
    KeyId { zone, number, version, algorithm }
}

const fn management_key(algorithm: Algorithm) -> KeyId {
    key_id(Zone::MANAGEMENT, KeyNumber::MANAGEMENT, KeyVersion::FIRST, algorithm)
}

fn key_file_header(id: ReaderId) -> [u8; 16] {
    let mut header = [0; 16];
    let fields = KEY_FILE_MAGIC.into_iter().chain(id.0);
    header.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    header
}

fn emit_entries(entries: &[(KeyId, Key<Root>)]) -> zeroize::Zeroizing<Vec<u8>> {
    let entries = entries.iter().flat_map(|(id, root)| id.emit().into_iter().chain(*root.expose()));
    zeroize::Zeroizing::new(entries.collect())
}

fn parse_entries(bytes: &[u8]) -> Option<Vec<(KeyId, Key<Root>)>> {
    let (entries, []) = bytes.as_chunks::<ENTRY_LEN>() else { return None };
    entries
        .iter()
        .map(|&[z1, z2, number, version, algorithm, ref root @ ..]| {
            let algorithm = Algorithm::from_code(algorithm)?;
            let zone = Zone(u16::from_be_bytes([z1, z2]));
            let id = key_id(zone, KeyNumber(number), KeyVersion::new(version)?, algorithm);
            Some((id, Key::new(algorithm, *root)))
        })
        .collect()
}
