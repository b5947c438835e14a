//! A SAM that is a card, reached over a channel. The host holds no key: the SAM derives, proves,
//! protects and opens.

use alloc::vec::Vec;

use xuejika_apdu::sm::SmError;
use xuejika_apdu::{CardChannel, ChannelError, Class, Command, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{self, Body};
use xuejika_card_model::file::tree::SAM_NAME;
use xuejika_card_model::sam::{Respond, SamState, VersionChoice};
use xuejika_keyscheme::auth::{CardId, ReaderId, Request, TOKEN_LEN};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

use super::{Grant, Sam, SamError};
use crate::error::Error;
use crate::link;

/// A SAM reached as a card.
#[derive(Debug)]
pub struct CardSam<C: CardChannel> {
    channel: C,
    state: SamState,
    /// Cleared when the channel fails: what is behind it then counts as locked, and a SAM that has been
    /// taken away and put back is made anew.
    trusted: bool,
}

impl<C: CardChannel> CardSam<C> {
    /// The SAM behind this channel. Resets it, so that it is locked, and selects its application.
    ///
    /// # Errors
    /// Returns [`SamError::NoSam`] for another card, or what the channel gives.
    pub fn new(mut channel: C) -> Result<Self, SamError> {
        channel.reset()?;
        let select = Command::new(Class::ISO, 0xA4, 0x04, 0x0C).with_data(&SAM_NAME);
        match transmit(&mut channel, "SELECT", &select)? {
            (_, StatusWord::FILE_NOT_FOUND) => return Err(SamError::NoSam),
            answer => succeeded("SELECT", answer)?,
        };
        let get = Command::new(Class::OWN, 0xCA, 0, 0).with_ne(256);
        let name = "GET SAM STATE";
        let answer = succeeded(name, transmit(&mut channel, name, &get)?)?;
        let state = SamState::parse(&answer).ok_or(SamError::Malformed(name))?;
        Ok(Self { channel, state, trusted: true })
    }

    /// Algorithm of its keys.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.state.algorithm
    }

    /// The channel, to look at the card.
    pub const fn channel(&mut self) -> &mut C {
        &mut self.channel
    }

    /// Sends a command that has to succeed.
    fn ask(
        &mut self,
        name: &'static str,
        (instruction, p1): (u8, u8),
        data: &[u8],
        ne: u32,
    ) -> Result<Vec<u8>, SamError> {
        let command = Command::new(Class::OWN, instruction, p1, 0).with_data(data).with_ne(ne);
        succeeded(name, self.transmit(name, &command)?)
    }

    /// Sends a command and gives its whole answer.
    fn transmit(
        &mut self,
        name: &'static str,
        command: &Command<'_>,
    ) -> Result<(Vec<u8>, StatusWord), SamError> {
        if !self.trusted {
            return Err(SamError::Locked);
        }
        let answer = transmit(&mut self.channel, name, command);
        self.trusted = !matches!(answer, Err(SamError::Channel(_)));
        answer
    }
}

impl<C: CardChannel> Sam for CardSam<C> {
    fn id(&self) -> ReaderId {
        self.state.id
    }

    fn version(
        &mut self,
        zone: Zone,
        number: KeyNumber,
        algorithm: Algorithm,
        offered: &[KeyVersion],
    ) -> Result<KeyVersion, SamError> {
        if offered.is_empty() {
            return Err(SamError::NoVersion(number));
        }
        let choice = VersionChoice { zone, number, algorithm, offered: offered.into() };
        let answer = self.ask("CHOOSE KEY VERSION", (0x30, 0), &choice.emit(), 256);
        let chosen = match answer.map_err(|error| about_key(error, number))?.as_slice() {
            [version] => KeyVersion::new(*version).filter(|version| offered.contains(version)),
            _ => None,
        };
        chosen.ok_or(SamError::Malformed("CHOOSE KEY VERSION"))
    }

    fn respond(
        &mut self,
        id: KeyId,
        path: Path,
        card: CardId,
        challenge: [u8; TOKEN_LEN],
    ) -> Result<Request, SamError> {
        let respond = Respond { id, path, card, challenge };
        let answer = self.ask("RESPOND TO CHALLENGE", (0x32, 0), &respond.emit(), 256);
        let answer = answer.map_err(|error| about_key(error, id.number))?;
        Request::parse(&answer).map_err(|_| SamError::Malformed("RESPOND TO CHALLENGE"))
    }

    fn open(&mut self, card_token: &[u8]) -> Result<(), SamError> {
        // An empty token would be no data at all.
        if card_token.len() != TOKEN_LEN {
            self.close();
            return Err(SamError::NotGenuine);
        }
        match self.ask("OPEN SESSION", (0x34, 0), card_token, 0) {
            Err(error) if is(&error, StatusWord::AUTHENTICATION_FAILED) => {
                Err(SamError::NotGenuine)
            }
            other => other.map(drop).map_err(in_session),
        }
    }

    fn wrap(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), SamError> {
        let plain = command.to_vec().map_err(|_| SmError::NotCarried)?;
        out.extend(self.ask("WRAP COMMAND", (0x36, 0), &plain, 256).map_err(not_carried)?);
        Ok(())
    }

    fn unwrap(
        &mut self,
        response: &Response<'_>,
        out: &mut Vec<u8>,
    ) -> Result<StatusWord, SamError> {
        let answer = self.ask("UNWRAP RESPONSE", (0x38, 0), &bytes(response), 256);
        *out = answer.map_err(|error| match error {
            error if is(&error, StatusWord::SECURITY_STATUS) => SamError::Confidential,
            error => refused_response(error, response),
        })?;
        let status = Response::parse(out).ok_or(SamError::Malformed("UNWRAP RESPONSE"))?.status;
        out.truncate(out.len() - status.bytes().len());
        Ok(status)
    }

    fn wrap_key(&mut self, id: KeyId, out: &mut Vec<u8>) -> Result<[u8; 3], SamError> {
        let answer = self.ask("WRAP KEY", (0x3A, 0), &id.emit(), 256);
        let answer = answer.map_err(|error| about_key(not_carried(error), id.number))?;
        let (kcv, command) = answer.split_first_chunk().ok_or(SamError::Malformed("WRAP KEY"))?;
        out.extend_from_slice(command);
        Ok(*kcv)
    }

    fn wrap_open(
        &mut self,
        request: &event::Request,
        version: KeyVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), SamError> {
        let Body::Open(_) = request.body else { return Err(SamError::NoSector) };
        let answer = self.ask("WRAP OPENING", (0x3C, version.number()), &request.emit(), 256);
        let about = |error| about_key(not_carried(error), KeyNumber::APPLICATION);
        out.extend(answer.map_err(about)?);
        Ok(())
    }

    fn close(&mut self) {
        // The next proof ends the session too, and so does locking.
        let _ = self.ask("CLOSE SESSION", (0x3E, 0), &[], 0);
    }

    fn unlock(&mut self, contents: &Response<'_>, today: Date) -> Result<Grant, SamError> {
        let data = [&today.bytes()[..], &bytes(contents)].concat();
        let command = Command::new(Class::OWN, 0x40, 0, 0).with_data(&data).with_ne(256);
        let (answer, status) = self.transmit("UNLOCK SAM", &command)?;
        let refused = |status| SamError::Status { command: "UNLOCK SAM", status };
        Err(match status {
            StatusWord::SUCCESS => {
                return Grant::parse(&answer).ok_or(SamError::Malformed("UNLOCK SAM"));
            }
            StatusWord::FILE_INVALIDATED => expired(&answer, "UNLOCK SAM"),
            StatusWord::FILE_NOT_FOUND => SamError::Unreadable,
            StatusWord::REFERENCE_DATA_NOT_USABLE => SamError::Authorisation(None),
            StatusWord::FUNCTION_NOT_SUPPORTED => SamError::OtherUnit,
            StatusWord::AUTHENTICATION_FAILED => SamError::ForeignGrant,
            StatusWord::WRONG_DATA => SamError::ClockWentBack,
            status => refused_response(refused(status), contents),
        })
    }

    fn set_date(&mut self, today: Date) -> Result<(), SamError> {
        let today = today.bytes();
        let command = Command::new(Class::OWN, 0x42, 0, 0).with_data(&today);
        let (answer, status) = self.transmit("SET DATE", &command)?;
        match status {
            StatusWord::SUCCESS => Ok(()),
            StatusWord::FILE_INVALIDATED => Err(expired(&answer, "SET DATE")),
            StatusWord::WRONG_DATA => Err(SamError::ClockWentBack),
            StatusWord::SECURITY_STATUS => Err(SamError::Locked),
            status => Err(SamError::Status { command: "SET DATE", status }),
        }
    }

    fn lock(&mut self) {
        self.trusted = self.ask("LOCK SAM", (0x44, 0), &[], 0).is_ok();
    }
}

/// Sends a command and gives its whole answer.
fn transmit<C: CardChannel>(
    channel: &mut C,
    name: &'static str,
    command: &Command<'_>,
) -> Result<(Vec<u8>, StatusWord), SamError> {
    let bytes = command.to_vec().map_err(|error| ChannelError::io(&error))?;
    let mut data = Vec::new();
    match link::exchange(channel, &bytes, &mut data) {
        Ok(status) => Ok((data, status)),
        Err(Error::Channel(error)) => Err(SamError::Channel(error)),
        Err(_) => Err(SamError::Malformed(name)),
    }
}

/// The data of an answer that has to be a success.
fn succeeded(command: &'static str, answer: (Vec<u8>, StatusWord)) -> Result<Vec<u8>, SamError> {
    match answer {
        (data, StatusWord::SUCCESS) => Ok(data),
        (_, status) => Err(SamError::Status { command, status }),
    }
}

fn bytes(response: &Response<'_>) -> Vec<u8> {
    [response.data, &response.status.bytes()].concat()
}

fn is(error: &SamError, word: StatusWord) -> bool {
    matches!(error, SamError::Status { status, .. } if *status == word)
}

fn expired(answer: &[u8], command: &'static str) -> SamError {
    let date = answer.try_into().ok().and_then(|date| Date::from_bytes(date).ok());
    date.map_or(SamError::Malformed(command), SamError::Expired)
}

/// A refusal of a command that names a key.
fn about_key(error: SamError, number: KeyNumber) -> SamError {
    match error {
        error if is(&error, StatusWord::SECURITY_STATUS) => SamError::Locked,
        error if is(&error, StatusWord::REFERENCE_DATA_NOT_USABLE) => {
            SamError::NotPermitted(number)
        }
        error if is(&error, StatusWord::REFERENCE_NOT_FOUND) => SamError::NoVersion(number),
        error => error,
    }
}

/// A refusal of a command that needs a session.
fn in_session(error: SamError) -> SamError {
    if is(&error, StatusWord::CONDITIONS_OF_USE) { SamError::NoSession } else { error }
}

/// A refusal to protect a command.
fn not_carried(error: SamError) -> SamError {
    let word = StatusWord::SM_OBJECT_INCORRECT;
    if is(&error, word) { SmError::NotCarried.into() } else { in_session(error) }
}

/// A refusal of a protected response.
fn refused_response(error: SamError, response: &Response<'_>) -> SamError {
    match error {
        error if is(&error, StatusWord::SM_OBJECT_MISSING) => SmError::Missing.into(),
        error if is(&error, StatusWord::SM_OBJECT_INCORRECT) => match response.data {
            [] => SmError::Unprotected(response.status).into(),
            _ => SmError::Incorrect.into(),
        },
        error => in_session(error),
    }
}
