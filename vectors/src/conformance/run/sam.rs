//! The card's end of mutual authentication and secure messaging, to test the SAM of a reader (card
//! profile §19).

use xuejika_apdu::sm::CardSm;
use xuejika_apdu::{Command, Response};
use xuejika_card_model::sam::Respond;
use xuejika_keyscheme::auth::{CardChallenge, ReaderId, Request};

use super::machine::{Answer, Machine, SAM_SERIAL, Session, Stop};
use crate::conformance::bytes::Template;
use crate::conformance::expect::Expect;
use crate::conformance::step::Proof;

impl Machine<'_> {
    /// RESPOND TO CHALLENGE; the proof in the answer is compared with the one that the key gives. Sets
    /// `{token}` and the keys that `open` takes.
    pub(super) fn admit(&mut self, proof: &Proof, expect: &Expect) -> Result<(), Stop> {
        let (id, key) = self.card_key(proof)?;
        let (card, path) = (self.serial(proof)?, self.path(proof)?);
        let challenge = self.nonce();
        let data = Respond { id, path, card, challenge }.emit();
        let length = self.length(&data)?;
        let answer = self.send(&[&[0x80, 0x32, 0, 0, length][..], &data, &[0x28]].concat())?;
        self.judge(expect, &answer)?;
        if !answer.status.is_success() {
            return Ok(());
        }
        let request =
            Request::parse(&answer.data).map_err(|error| Stop::Fails(error.to_string()))?;
        if request.reader != ReaderId(SAM_SERIAL) {
            return Err(Stop::Fails("ID.IFD is not the serial of the SAM".to_owned()));
        }
        let (token, session) = CardChallenge::new(id, card, challenge)
            .verify(&key, &request)
            .map_err(|_| Stop::Fails("T.IFD is not the proof of the card's key".to_owned()))?;
        self.set("token", token);
        self.pending = Some(session.keys);
        Ok(())
    }

    /// The plain command in a protected one, as the data of an answer.
    pub(super) fn receive(&mut self, wire: &Template, expect: &Expect) -> Result<(), Stop> {
        let wire = self.bytes(wire)?;
        let command = Command::parse(&wire)
            .map_err(|error| Stop::Fails(format!("the protected command: {error}")))?;
        let session = self.session()?;
        let mut buffer = Vec::new();
        let plain = card(session)
            .unwrap_command(&command, &mut buffer)
            .map_err(|error| Stop::Fails(format!("the protected command: {error}")))?;
        session.ssc += 1;
        let mut data = Vec::new();
        plain.emit(&mut data).map_err(|error| Stop::Fails(error.to_string()))?;
        self.judge(expect, &Answer { status: xuejika_apdu::StatusWord::SUCCESS, data })
    }

    /// Sets `{wire}`: data and status word under protection.
    pub(super) fn answer(&mut self, answer: &Template) -> Result<(), Stop> {
        let answer = self.bytes(answer)?;
        let response = Response::parse(&answer)
            .ok_or_else(|| Stop::Cannot("the case: no status word".to_owned()))?;
        let session = self.session()?;
        let mut wire = Vec::new();
        card(session).wrap_response(&response, &mut wire);
        session.ssc += 1;
        self.set("wire", wire);
        Ok(())
    }
}

/// The card's end of the session, at its counter.
fn card(session: &Session) -> CardSm {
    CardSm::with_keys(session.keys.enc.cipher(), session.keys.mac.mac(), session.ssc)
}
