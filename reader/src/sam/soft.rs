//! A SAM in software: the model of the card, without the card. It keeps keys in the host's memory and
//! therefore takes test keys only; its bytes, states and refusals are those of a SAM that is a card.

use alloc::boxed::Box;
use alloc::vec::Vec;

use rand_core::CryptoRng;
use xuejika_apdu::sm::{ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::event;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::{Authorisation, SamSerial};
use xuejika_card_model::record::ExtensionSet;
use xuejika_card_model::sam::{Carried, Respond, SamSession, SamStore};
use xuejika_keyscheme::auth::{CardId, ReaderId, Request, TOKEN_LEN};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};
use zeroize::Zeroizing;

use super::{CHANGE_LIFE_CYCLE, Grant, PUT_KEY, Sam, SamError};

/// A SAM in software, for test keys.
pub struct SoftSam {
    store: SamStore,
    session: SamSession<ReaderSm>,
    rng: Box<dyn CryptoRng + Send>,
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
        Self::test_for(algorithm, serial, None, valid_until, rng)
    }

    /// As [`Self::test`]; with `lent`, that of an application unit (应用单位) which has the use of these
    /// extension sectors for its unit: it has no key of another.
    #[must_use]
    pub fn test_for(
        algorithm: Algorithm,
        serial: SamSerial,
        lent: Option<ExtensionSet>,
        valid_until: Date,
        rng: impl CryptoRng + Send + 'static,
    ) -> Self {
        Self::new(SamStore::test(algorithm, serial, lent, valid_until), rng)
    }

    /// A SAM with what a test card keeps; `None` when its secrets are no published test keys.
    #[must_use]
    pub fn holding(store: SamStore, rng: impl CryptoRng + Send + 'static) -> Option<Self> {
        store.is_test().then(|| Self::new(store, rng))
    }

    fn new(store: SamStore, rng: impl CryptoRng + Send + 'static) -> Self {
        Self { store, session: SamSession::START, rng: Box::new(rng) }
    }

    /// Runs one step of the open session; any error ends it.
    fn in_session<T>(
        &mut self,
        step: impl FnOnce(&mut ReaderSm) -> Result<T, SmError>,
    ) -> Result<T, SamError> {
        let result = step(self.session.messaging()?);
        // What cannot be carried has changed nothing; everything else is beyond repair.
        if matches!(result, Err(error) if error != SmError::NotCarried) {
            self.session.close();
        }
        result.map_err(|error| match error {
            SmError::OutOfTurn => SamError::NoSession,
            error => error.into(),
        })
    }

    /// The contents of a management card, verified and decrypted.
    fn contents(&mut self, response: &Response<'_>) -> Result<Zeroizing<Vec<u8>>, SamError> {
        let mut contents = Zeroizing::new(Vec::new());
        let status = self.in_session(|sm| sm.unwrap_response(response, &mut contents))?;
        if status.is_success() { Ok(contents) } else { Err(SamError::Unreadable) }
    }
}

impl Sam for SoftSam {
    fn id(&self) -> ReaderId {
        self.store.id()
    }

    fn version(
        &mut self,
        zone: Zone,
        number: KeyNumber,
        algorithm: Algorithm,
        offered: &[KeyVersion],
    ) -> Result<KeyVersion, SamError> {
        Ok(self.session.version(&self.store, (zone, number, algorithm), offered)?)
    }

    fn respond(
        &mut self,
        id: KeyId,
        path: Path,
        card: CardId,
        challenge: [u8; TOKEN_LEN],
    ) -> Result<Request, SamError> {
        let mut nonce = [0; TOKEN_LEN];
        self.rng.fill_bytes(&mut nonce);
        let respond = Respond { id, path, card, challenge };
        Ok(self.session.respond(&self.store, &respond, nonce)?)
    }

    fn open(&mut self, card_token: &[u8]) -> Result<(), SamError> {
        Ok(self.session.open(card_token, ReaderSm::new)?)
    }

    fn wrap(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), SamError> {
        self.session.messaging_for(carried(command))?;
        self.in_session(|sm| sm.wrap_command(command, out))
    }

    fn unwrap(
        &mut self,
        response: &Response<'_>,
        out: &mut Vec<u8>,
    ) -> Result<StatusWord, SamError> {
        let status = self.in_session(|sm| sm.unwrap_response(response, out))?;
        self.session.check_answer(out).inspect_err(|_| out.clear())?;
        Ok(status)
    }

    fn wrap_key(&mut self, id: KeyId, out: &mut Vec<u8>) -> Result<[u8; 3], SamError> {
        let (data, kcv) = self.session.key_data(&self.store, &id)?;
        let put = Command::new(Class::OWN, PUT_KEY, id.number.0, id.version.number())
            .with_data(&*data)
            .with_ne(256);
        self.in_session(|sm| sm.wrap_command(&put, out))?;
        Ok(kcv)
    }

    fn wrap_open(
        &mut self,
        request: &event::Request,
        version: KeyVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), SamError> {
        let data = self.session.opening_data(&self.store, request, version)?;
        let change = Command::new(Class::OWN, CHANGE_LIFE_CYCLE, request.event.code(), 0)
            .with_data(&data)
            .with_ne(256);
        self.in_session(|sm| sm.wrap_command(&change, out))
    }

    fn close(&mut self) {
        self.session.close();
    }

    fn unlock(&mut self, contents: &Response<'_>, today: Date) -> Result<Grant, SamError> {
        let contents = self.contents(contents).inspect_err(|_| self.session.lock())?;
        let grant = self.session.unlock(&self.store, &contents, today)?;
        self.store.saw(today);
        Ok(grant)
    }

    fn set_date(&mut self, today: Date) -> Result<(), SamError> {
        self.session.set_date(&self.store, today)?;
        self.store.saw(today);
        Ok(())
    }

    fn lock(&mut self) {
        self.session.lock();
    }
}

/// What a command is about that the host wants to have protected.
fn carried(command: &Command<'_>) -> Carried {
    let opens = command.p1 == Event::ExtensionOpen.code();
    match command.instruction {
        _ if command.reads_all(sfi::ONLY, Authorisation::LEN) => Carried::Authorisation,
        PUT_KEY if !command.data.is_empty() => Carried::Key,
        CHANGE_LIFE_CYCLE if opens => Carried::Key,
        _ => Carried::Other,
    }
}

impl core::fmt::Debug for SoftSam {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let lock = if self.session.grant().is_some() { "unlocked" } else { "locked" };
        write!(f, "SoftSam({lock})")
    }
}
