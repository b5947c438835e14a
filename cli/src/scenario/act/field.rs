//! What happens to a card outside the rules: power, damage, forgery, commands of others.

use anyhow::{Context, bail, ensure};
use xuejika_apdu::{CardChannel, Class, Command, Response, StatusWord};
use xuejika_card_model::file::tree::{EDUCATION_NAME, sfi};
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::record::{Issuance, Slot, Status};
use xuejika_emulator::Env;
use xuejika_keyscheme::auth::{ReaderId, respond};
use xuejika_keyscheme::key::{Card, Key};
use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion, Zone};

use super::super::found::Found;
use super::super::world::{SCENARIO, World, powered};
use crate::clock;
use crate::hex;

/// Number of a SAM of the other key system.
const STRANGER: ReaderId = ReaderId([0, 0, 0x08, 0x40, 0x12, 0, 0, 0x42]);

impl World {
    pub(super) fn power_cycle(&mut self, card: &str) -> anyhow::Result<Found> {
        self.card(card)?.power_on()?;
        Ok(Found::done("the card was taken out and put back"))
    }

    /// Flips a bit in a copy of the status record, as ageing memory does.
    pub(super) fn damage(&mut self, card: &str, copy: char) -> anyhow::Result<Found> {
        let slot = match copy {
            'A' => Slot::A,
            'B' => Slot::B,
            other => bail!("copy: {other} is neither A nor B"),
        };
        let card = self.card(card)?.channel();
        let education = card.model().tree().education();
        let file = education.and_then(|df| df.by_sfi(sfi::STATUS)).context("no status file")?;
        let at = file.offset + slot.offset() + Status::LEN / 2;
        let byte = *card.model().nvm().bytes().get(at).context("no status record")?;
        card.nvm_mut().write(at, &[byte ^ 0x10])?;
        Ok(Found::done(format!("copy {copy} is damaged")))
    }

    /// Copies a card byte by byte, but for its keys, which nobody can read out.
    pub(super) fn forge(&mut self, name: &str, of: &str) -> anyhow::Result<Found> {
        let model = self.card(of)?.channel().model();
        let mut forged = model.nvm().bytes().to_vec();
        let issuance = model.tree().education().and_then(|df| df.by_sfi(sfi::ISSUANCE));
        let issuance = issuance.and_then(|file| forged.get(file.offset..)).context("no card")?;
        let issuance = Issuance::parse(issuance.get(..Issuance::LEN).context("no card")?)?;
        let keys: Vec<_> = model
            .tree()
            .all()
            .flat_map(|df| df.keys.iter().filter_map(|number| df.key_offset(*number)))
            .collect();
        let other = Self::foreign_memory(&mut self.env, &issuance)?;
        for at in keys {
            let range = at..at + KeySlots::LEN;
            if let (Some(to), Some(from)) = (forged.get_mut(range.clone()), other.get(range)) {
                to.copy_from_slice(from);
            }
        }
        let env = Env::with_rng(clock::fork(&mut self.env));
        let card = powered(forged, env, self.trace.tap(SCENARIO, name), self.language)?;
        self.cards.insert(name.to_owned(), card);
        Ok(Found::done("the same records, other keys"))
    }

    /// Sends a command as it is.
    pub(super) fn apdu(&mut self, card: &str, send: &str) -> anyhow::Result<Found> {
        let command = hex::parse_command(send)?;
        let (data, status) = transmit(self.card(card)?, &command)?;
        let data = hex::emit(&data);
        Ok(Found::answered(status, data.clone()).with("data", data))
    }

    /// Runs the authentication with a card key of other roots.
    pub(super) fn foreign_reader(&mut self, card: &str) -> anyhow::Result<Found> {
        let (key, nonce) = (self.env.random(), self.env.random());
        let card = self.card(card)?;
        let header = *card.channel().header();
        let (number, version, algorithm) = (KeyNumber::READ, KeyVersion::FIRST, header.algorithm);
        let id = KeyId { zone: Zone::EDUCATION, number, version, algorithm };
        let key = Key::<Card>::new(algorithm, key);
        let mut ask = |command: Command<'_>| -> anyhow::Result<(Vec<u8>, StatusWord)> {
            transmit(card, &command.to_vec()?)
        };
        let select = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(&EDUCATION_NAME);
        ask(select.with_ne(256))?;
        let reference = [0x80, 0x01, algorithm.code(), 0x83, 0x02, number.0, version.number()];
        ask(Command::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&reference))?;
        let (challenge, status) = ask(Command::new(Class::ISO, 0x84, 0, 0).with_ne(16))?;
        ensure!(status.is_success(), "the card gave no challenge: {status}");
        let challenge = challenge.as_slice().try_into()?;
        let proof = respond(&key, id, header.serial, STRANGER, challenge, nonce).0.emit();
        let (_, status) = ask(Command::new(Class::ISO, 0x82, 0, 0).with_data(&proof).with_ne(16))?;
        Ok(match status {
            StatusWord::SUCCESS => Found::done("the card opened a session"),
            status => Found::answered(status, "the card does not accept the reader"),
        })
    }
}

fn transmit(card: &mut impl CardChannel, command: &[u8]) -> anyhow::Result<(Vec<u8>, StatusWord)> {
    let mut response = Vec::new();
    card.transmit(command, &mut response)?;
    let response = Response::parse(&response).context("the card gave no status word")?;
    Ok((response.data.to_vec(), response.status))
}
