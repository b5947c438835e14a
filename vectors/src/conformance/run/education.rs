//! Mutual authentication and secure messaging, from the reader's end (card profile §10, §11).

use xuejika_apdu::chain::Joiner;
use xuejika_apdu::sm::{CHECKSUM_LEN, Checksum, Profile, ReaderSm};
use xuejika_apdu::{Command, Response};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::key_path;
use xuejika_keyscheme::auth::{CardChallenge, CardId, ReaderId, TOKEN_LEN, respond};
use xuejika_keyscheme::key::{Card, Key};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion, Zone, cbc, padding};

use super::machine::{Answer, Machine, SAM_SERIAL, Session, Stop};
use crate::conformance::bytes::Template;
use crate::conformance::expect::Expect;
use crate::conformance::report::Plain;
use crate::conformance::step::Proof;
use crate::waiting::waiting;

const BLOCK: usize = 16;

impl Machine<'_> {
    /// The whole exchange; the last command is compared with what is expected, and the card's proof
    /// with the one the key gives.
    pub(super) fn authenticate(&mut self, proof: &Proof, expect: &Expect) -> Result<(), Stop> {
        let (id, _) = self.card_key(proof)?;
        let algorithm = id.algorithm.code();
        let set = [0x00, 0x22, 0xC1, 0xA4, 0x07, 0x80, 0x01, algorithm, 0x83, 0x02];
        let set = [&set[..], &[proof.key, proof.version]].concat();
        self.must("MANAGE SECURITY ENVIRONMENT", &set)?;
        let challenge = self.must("GET CHALLENGE", &[0x00, 0x84, 0x00, 0x00, 0x10])?;
        self.respond(proof, &challenge)?;
        let request = self.array::<40>("request")?;
        let prove = [&[0x00, 0x82, 0x00, 0x00, 0x28], &request[..], &[0x10]].concat();
        let answer = self.send(&prove)?;
        self.judge(expect, &answer)?;
        if answer.status.is_success() {
            if self.values.get("token") != Some(&answer.data) {
                return Err(Stop::Fails("T.ICC is not the proof of the card's key".to_owned()));
            }
            self.open()?;
        }
        Ok(())
    }

    fn must(&mut self, name: &str, command: &[u8]) -> Result<Vec<u8>, Stop> {
        let answer = self.send(command)?;
        if answer.status.is_success() {
            Ok(answer.data)
        } else {
            Err(Stop::Fails(format!("{name}: status word {}, expected 9000", answer.status)))
        }
    }

    /// Sets `{request}`, `{token}` and the keys that `open` takes.
    pub(super) fn respond(&mut self, proof: &Proof, challenge: &[u8]) -> Result<(), Stop> {
        let challenge: [u8; TOKEN_LEN] = challenge
            .try_into()
            .map_err(|_| Stop::Fails(format!("a challenge of {} bytes", challenge.len())))?;
        let (id, card) = self.card_key(proof)?;
        let serial = self.serial(proof)?;
        let unit = self.bytes(&proof.unit)?;
        let reader = match unit.as_slice() {
            [_, _, _] => {
                let [.., n1, n2, n3] = SAM_SERIAL;
                [&[0, 0], &unit[..], &[n1, n2, n3]].concat()
            }
            _ => unit,
        };
        let reader = ReaderId(exact(&reader, "unit")?);
        let nonce = self.nonce();
        let (request, _) = respond(&card, id, serial, reader, challenge, nonce);
        self.set("request", request.emit());
        // The card's end of the same rules gives the proof that is due.
        let (token, session) = CardChallenge::new(id, serial, challenge)
            .verify(&card, &request)
            .map_err(|_| Stop::Cannot("the proof does not verify".to_owned()))?;
        self.set("token", token);
        self.pending = Some(session.keys);
        Ok(())
    }

    pub(super) fn open(&mut self) -> Result<(), Stop> {
        let keys = self.pending.take();
        let keys = keys.ok_or_else(|| Stop::Cannot("the case: nothing to open".to_owned()))?;
        self.session = Some(Session { keys, ssc: 0 });
        Ok(())
    }

    /// Sets `{card-key}` and `{kcv}`.
    pub(super) fn derive(&mut self, proof: &Proof) -> Result<(), Stop> {
        let (_, key) = self.card_key(proof)?;
        self.set("card-key", *key.expose());
        self.set("kcv", key.kcv().bytes());
        Ok(())
    }

    pub(super) fn serial(&self, proof: &Proof) -> Result<CardId, Stop> {
        match &proof.serial {
            Some(serial) => Ok(CardId(exact(&self.bytes(serial)?, "serial")?)),
            None => Ok(CardId(self.array("serial")?)),
        }
    }

    pub(super) fn card_key(&self, proof: &Proof) -> Result<(KeyId, Key<Card>), Stop> {
        let zone = match &proof.zone {
            Some(zone) => u16::from_be_bytes(exact(&self.bytes(zone)?, "zone")?),
            None => self.df,
        };
        let version = KeyVersion::new(proof.version)
            .ok_or_else(|| Stop::Cannot(format!("the case: key version {:02X}", proof.version)))?;
        let algorithm = self.runner.ics.algorithm;
        let id = KeyId { zone: Zone(zone), number: KeyNumber(proof.key), version, algorithm };
        let key = self.runner.roots.card_key(&id, self.path(proof)?, self.serial(proof)?);
        Ok((id, key.map_err(|error| Stop::Cannot(error.to_string()))?))
    }

    /// The way from the root to the key.
    pub(super) fn path(&self, proof: &Proof) -> Result<Path, Stop> {
        let Some(owner) = &proof.owner else { return Ok(Path::City) };
        let unit = UnitCode::from_bytes(exact(&self.bytes(owner)?, "owner")?);
        Ok(key_path(unit.map_err(|error| Stop::Cannot(error.to_string()))?))
    }

    /// Wraps a command, sends it and opens the answer; held back, it only sets `{wire}`.
    pub(super) fn protected(
        &mut self,
        command: &Template,
        hold: bool,
        expect: &Expect,
    ) -> Result<(), Stop> {
        let plain = self.bytes(command)?;
        let command =
            Command::parse(&plain).map_err(|error| Stop::Cannot(format!("the case: {error}")))?;
        let session = self.session()?;
        let mut wire = Vec::new();
        ReaderSm::with_keys(session.keys.enc.cipher(), session.keys.mac.mac(), session.ssc)
            .wrap_command(&command, &mut wire)
            .map_err(|error| Stop::Cannot(error.to_string()))?;
        session.ssc += 1;
        self.set("wire", wire.clone());
        if hold {
            return Ok(());
        }
        let answer = self.send_whole(&wire)?;
        let answer = self.unwrap(&plain, &answer)?;
        self.judge(expect, &answer)
    }

    /// Sends a command, and GET RESPONSE as long as the card has more.
    fn send_whole(&mut self, command: &[u8]) -> Result<Answer, Stop> {
        let (mut whole, mut joiner) = (self.send(command)?, Joiner::new());
        while let [0x61, _] = whole.status.bytes() {
            let more = self.send(&[0x00, 0xC0, 0x00, 0x00, 0x00])?;
            joiner.add(&mut whole.data, &more.data).map_err(|error| {
                Stop::Fails(format!("GET RESPONSE, answered {}: {error}", more.status))
            })?;
            whole.status = more.status;
        }
        Ok(whole)
    }

    /// Verifies and opens a protected answer.
    pub(super) fn unwrap(&mut self, command: &[u8], answer: &Answer) -> Result<Answer, Stop> {
        let session = self.session()?;
        let mut data = Vec::new();
        let response = Response { data: &answer.data, status: answer.status };
        let keys = &session.keys;
        let opened = waiting(keys.enc.cipher(), keys.mac.mac(), session.ssc)
            .and_then(|mut reader| reader.unwrap_response(&response, &mut data));
        session.ssc += 1;
        let shown = opened.as_ref().map_or_else(
            |_| String::new(),
            |status| hex::encode_upper(&data) + &status.to_string(),
        );
        self.note_plain(Plain { command: hex::encode_upper(command), response: shown });
        match opened {
            Ok(status) => Ok(Answer { status, data }),
            Err(error) => {
                self.session = None;
                Err(Stop::Fails(format!("{error}, with status word {}", answer.status)))
            }
        }
    }

    /// Sets `{cipher}`: whole blocks as DO 87 of the next command holds them.
    pub(super) fn encipher(&mut self, blocks: &Template) -> Result<(), Stop> {
        let mut blocks = self.bytes(blocks)?;
        let session = self.session()?;
        let cipher = session.keys.enc.cipher();
        let iv = cipher.iv((session.ssc + 1).to_be_bytes().into());
        cbc::encrypt(&cipher, &iv, &mut blocks)
            .map_err(|error| Stop::Cannot(format!("the case: {error}")))?;
        self.set("cipher", blocks);
        Ok(())
    }

    /// Sets `{wire}`: header, any objects, DO 8E over them, Le; and `{checksum}` alone.
    pub(super) fn seal(&mut self, header: &Template, objects: &Template) -> Result<(), Stop> {
        let header: [u8; 4] = exact(&self.bytes(header)?, "header")?;
        let objects = self.bytes(objects)?;
        let session = self.session()?;
        session.ssc += 1;
        let (mut first, mut rest) = (header.to_vec(), objects.clone());
        padding::pad(&mut first, BLOCK);
        if !rest.is_empty() {
            padding::pad(&mut rest, BLOCK);
        }
        let counter = session.ssc.to_be_bytes();
        let checksum: [u8; CHECKSUM_LEN] =
            session.keys.mac.mac().checksum(&[&counter, &first, &rest]);
        let data = [&objects[..], &[0x8E, 0x08], &checksum].concat();
        let length = self.length(&data)?;
        self.set("wire", [&header[..], &[length], &data, &[0x00]].concat());
        self.set("checksum", checksum);
        Ok(())
    }

    pub(super) fn session(&mut self) -> Result<&mut Session, Stop> {
        self.session.as_mut().ok_or_else(|| Stop::Cannot("the case: no session is open".to_owned()))
    }
}

fn exact<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Stop> {
    bytes.try_into().map_err(|_| {
        Stop::Cannot(format!("the case: {what} of {} bytes, expected {N}", bytes.len()))
    })
}
