//! A full run - unlock, personalise, register, read - in which every bit of every secured message is
//! flipped in turn, on its way to the card and on its way back. The card refuses and keeps its
//! memory; the reader ends with an error and says nothing more.
//!
//! The run is recorded once. Both ends are deterministic, the SAM drawing one nonce for ever, so
//! each is brought to any step by the recording alone, without the other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod support;

use std::collections::BTreeSet;

use rand_core::{Infallible, TryCryptoRng, TryRng};
use support::{Between, SERIAL, UNIT, pupil, stamp, today, valid_until};
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::{Profile, SchoolYear, Term};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_reader::sam::{SamError, SoftSam};
use xuejika_reader::{Error, Locked, Reader};

const GET_CHALLENGE: u8 = 0x84;
const MUTUAL_AUTHENTICATE: u8 = 0x82;
const GET_RESPONSE: u8 = 0xC0;
const CHECKSUM_LEN: usize = 8;

#[test]
fn every_flipped_bit_of_an_unlock() {
    tamper_with(Operation::Unlock);
}

#[test]
fn every_flipped_bit_of_a_personalisation() {
    tamper_with(Operation::Personalise);
}

#[test]
fn every_flipped_bit_of_a_registration() {
    tamper_with(Operation::Register);
}

#[test]
fn every_flipped_bit_of_a_reading() {
    tamper_with(Operation::Read);
}

/// Both ends really follow the recording, and what they do without tampering is accepted.
#[test]
fn the_recording_is_accepted_by_both_ends() {
    for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
        for operation in Operation::ALL {
            let sitting = Sitting::record(operation, algorithm);
            let end = sitting.exchanges.len();
            assert_eq!(memory(&sitting.card_before(end)), sitting.after);
            let mut tape = Tape { sitting: &sitting, at: 0, step: end, answer: &[], after: 0 };
            assert_eq!(sitting.operate(&mut sitting.reader(), &mut tape), Ok(()));
        }
    }
}

/// What is done with a card in one sitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Unlock,
    Personalise,
    Register,
    Read,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Unlock, Self::Personalise, Self::Register, Self::Read];
}

/// A command and its response.
struct Exchange {
    command: Vec<u8>,
    response: Vec<u8>,
}

impl Exchange {
    fn is_session(&self) -> bool {
        self.command[0] & 0x0C == 0x0C
    }

    fn is_proof(&self) -> bool {
        self.command[..2] == [0x00, MUTUAL_AUTHENTICATE]
    }

    fn is_challenge(&self) -> bool {
        self.command[..2] == [0x00, GET_CHALLENGE]
    }
}

/// An operation from the first to the last exchange, and the memory it began and ended with.
struct Sitting {
    operation: Operation,
    algorithm: Algorithm,
    before: RamNvm,
    after: Vec<u8>,
    exchanges: Vec<Exchange>,
}

impl Sitting {
    /// Runs everything up to this operation, and records this one.
    fn record(operation: Operation, algorithm: Algorithm) -> Self {
        let before = match operation {
            Operation::Unlock => {
                test_card::management(algorithm, UNIT.parse().unwrap(), valid_until())
            }
            Operation::Personalise => new_card(algorithm),
            Operation::Register => recorded(Operation::Personalise, algorithm),
            Operation::Read => recorded(Operation::Register, algorithm),
        };
        let after = Vec::new();
        let mut sitting = Self { operation, algorithm, before, after, exchanges: Vec::new() };
        let mut card = sitting.card_before(0);
        let mut exchanges = Vec::new();
        let meddle = |_: usize, _: &mut VirtualCard, command: &[u8], response: &mut Vec<u8>| {
            exchanges.push(Exchange { command: command.to_vec(), response: response.clone() });
        };
        let mut channel = Between { card: &mut card, meddle, count: 0 };
        sitting.operate(&mut sitting.reader(), &mut channel).unwrap();
        sitting.after = memory(&card);
        sitting.exchanges = exchanges;
        sitting
    }

    /// An unlocked reader; one serves for any number of sittings.
    fn reader(&self) -> Reader<SoftSam> {
        let memory = test_card::management(self.algorithm, UNIT.parse().unwrap(), valid_until());
        let mut management = VirtualCard::new(memory, Env::from_seed(2)).unwrap();
        management.power_on().unwrap();
        let locked = Locked::new(sam(self.algorithm));
        locked.unlock(&mut management, today()).map_err(|stuck| stuck.error).unwrap()
    }

    /// Does the operation, as a reader does it.
    fn operate(
        &self,
        reader: &mut Reader<SoftSam>,
        channel: &mut dyn CardChannel,
    ) -> Result<(), Error> {
        if self.operation == Operation::Unlock {
            let unlocked = Locked::new(sam(self.algorithm)).unlock(channel, today());
            return unlocked.map(drop).map_err(|stuck| stuck.error);
        }
        let mut card = reader.connect(channel, today())?;
        match self.operation {
            Operation::Personalise => card.personalise(&pupil(), stamp(), true).map(drop),
            Operation::Register => {
                card.register(SchoolYear::new(2026).unwrap(), Term::Autumn, stamp()).map(drop)
            }
            _ => card.read().map(drop),
        }
    }

    /// The card as it is when the exchange `step` is to come.
    fn card_before(&self, step: usize) -> VirtualCard {
        let seed = self.operation as u64;
        let mut card = VirtualCard::new(self.before.clone(), Env::from_seed(seed)).unwrap();
        card.power_on().unwrap();
        let mut response = Vec::new();
        for exchange in &self.exchanges[..step] {
            card.transmit(&exchange.command, &mut response).unwrap();
            assert_eq!(response, exchange.response);
        }
        card
    }
}

fn recorded(operation: Operation, algorithm: Algorithm) -> RamNvm {
    RamNvm::new(Sitting::record(operation, algorithm).after)
}

fn new_card(algorithm: Algorithm) -> RamNvm {
    let profile = match algorithm {
        Algorithm::Aes128 => Profile::CpuAes,
        Algorithm::Sm4 => Profile::CpuSm4,
    };
    let issuance = test_card::issuance(SERIAL.parse().unwrap(), profile).unwrap();
    RamNvm::new(test_card::student_memory(&issuance).unwrap())
}

fn sam(algorithm: Algorithm) -> SoftSam {
    let serial = SamSerial { unit: UNIT.parse().unwrap(), number: "000042".parse().unwrap() };
    SoftSam::test(algorithm, serial, valid_until(), OneNonce)
}

/// Draws the same bytes for ever.
struct OneNonce;

impl TryRng for OneNonce {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0xC0C0_C0C0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0xC0C0_C0C0_C0C0_C0C0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0xC0);
        Ok(())
    }
}

impl TryCryptoRng for OneNonce {}

fn memory(card: &VirtualCard) -> Vec<u8> {
    card.model().nvm().bytes().to_vec()
}

/// Counts what was tried.
#[derive(Debug, Default)]
struct Tally {
    /// Commands and responses.
    messages: usize,
    /// Flipped bits.
    bits: usize,
    /// Truncations, extensions, made-up checksums and status words.
    others: usize,
}

fn tamper_with(operation: Operation) {
    // At least so many messages, and bits in both directions together, are in a recording.
    let (messages, bits) = match operation {
        Operation::Unlock => (2, 1_300),
        Operation::Personalise => (8, 7_600),
        Operation::Register => (3, 1_700),
        Operation::Read => (22, 12_800),
    };
    for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
        let tally = tamper_with_all(&Sitting::record(operation, algorithm));
        println!("{operation:?} ({algorithm}): {tally:?}");
        assert!(tally.messages >= 2 * messages && tally.bits >= bits, "{tally:?}");
    }
}

/// Tampers with every proof and every message of a session, and with the challenge.
fn tamper_with_all(sitting: &Sitting) -> Tally {
    let mut reader = sitting.reader();
    let mut tally = Tally::default();
    for (step, exchange) in sitting.exchanges.iter().enumerate() {
        if exchange.is_session() || exchange.is_proof() {
            let refusals = tamper_with_command(sitting, step, &mut tally);
            let forgeries = forged(&exchange.response, &mut tally);
            let renamed = with_other_status(&exchange.response, &mut tally);
            for answer in refusals.iter().chain(&forgeries).chain(&renamed) {
                reader_gives_up(sitting, step, &mut reader, answer);
            }
        }
        if exchange.is_challenge() {
            tamper_with_challenge(sitting, step, &mut reader);
        }
    }
    tally
}

/// Sends every forgery of a command to the card, which refuses and keeps its memory. Gives the
/// answers, each once.
fn tamper_with_command(sitting: &Sitting, step: usize, tally: &mut Tally) -> BTreeSet<Vec<u8>> {
    let honest = &sitting.exchanges[step];
    let mut answers = BTreeSet::new();
    let before = memory(&sitting.card_before(step));
    // Le of a proof only says how much answer is wanted, and is part of no proof.
    let le = usize::from(honest.is_proof());
    let (fixed, free) = honest.command.split_at(honest.command.len() - le);
    for mut forgery in forged(fixed, tally) {
        forgery.extend_from_slice(free);
        let mut card = sitting.card_before(step);
        let mut answer = Vec::new();
        card.transmit(&forgery, &mut answer).unwrap();
        let refused = answer.len() == 2 && (answer != [0x90, 0x00] || honest.is_proof());
        assert!(refused, "step {step}: {forgery:02X?} gave {answer:02X?}");
        let after = memory(&card);
        if honest.is_proof() {
            assert_only_counters_differ(&card, &before, &after);
        } else {
            assert_eq!(before, after, "step {step}: {forgery:02X?}");
        }
        answers.insert(answer);

        // The session is over, the challenge is gone: the honest command comes too late.
        let mut late = Vec::new();
        card.transmit(&honest.command, &mut late).unwrap();
        assert!(late.len() == 2 && late != [0x90, 0x00], "step {step}: {forgery:02X?}");
        assert_eq!(memory(&card), after);
    }
    answers
}

/// Every flipped bit, every truncation, a byte too many, and checksums that are all zeros or ones.
fn forged(honest: &[u8], tally: &mut Tally) -> Vec<Vec<u8>> {
    let bits = (0..8 * honest.len()).map(|bit| {
        let mut forgery = honest.to_vec();
        forgery[bit / 8] ^= 1 << (bit % 8);
        forgery
    });
    let cut = (0..honest.len()).map(|length| honest[..length].to_vec());
    let long = [[honest, &[0x00]].concat()];
    let checksum = honest.windows(2).rposition(|tag| tag == [0x8E, 0x08]);
    let filled = checksum.into_iter().flat_map(|at| {
        [0x00, 0xFF].map(|value| {
            let mut forgery = honest.to_vec();
            forgery[at + 2..][..CHECKSUM_LEN].fill(value);
            forgery
        })
    });
    let forged: Vec<_> = bits.chain(cut).chain(long).chain(filled).collect();
    tally.messages += 1;
    tally.bits += 8 * honest.len();
    tally.others += forged.len() - 8 * honest.len();
    forged
}

/// A response whose status word is made success, or the end of a list of records.
fn with_other_status(honest: &[u8], tally: &mut Tally) -> Vec<Vec<u8>> {
    let (data, status) = honest.split_at(honest.len() - 2);
    let others = [[0x90, 0x00], [0x6A, 0x83]].into_iter().filter(|other| status != other);
    let renamed: Vec<_> = others.map(|other| [data, &other].concat()).collect();
    tally.others += renamed.len();
    renamed
}

/// The reader gets this answer to the exchange `step`, everything before being as recorded.
fn reader_gives_up(sitting: &Sitting, step: usize, reader: &mut Reader<SoftSam>, answer: &[u8]) {
    let mut tape = Tape { sitting, at: 0, step, answer, after: 0 };
    let result = sitting.operate(reader, &mut tape);
    assert!(result.is_err(), "step {step}: the reader took {answer:02X?}");
    assert_eq!((tape.at, tape.after), (step + 1, 0), "step {step}: after {answer:02X?}");
}

/// With another challenge than the card's own, the reader's proof proves nothing.
fn tamper_with_challenge(sitting: &Sitting, step: usize, reader: &mut Reader<SoftSam>) {
    for bit in 0..8 * 16 {
        let mut card = sitting.card_before(0);
        let meddle = |count: usize, _: &mut VirtualCard, _: &[u8], response: &mut Vec<u8>| {
            if count == step {
                response[bit / 8] ^= 1 << (bit % 8);
            }
        };
        let mut channel = Between { card: &mut card, meddle, count: 0 };
        assert_eq!(sitting.operate(reader, &mut channel), Err(Error::NotAccepted));
        let before = memory(&sitting.card_before(0));
        assert_only_counters_differ(&card, &before, &memory(&card));
    }
}

/// Byte by byte; the journal, which holds the last change, is no content of the card.
fn assert_only_counters_differ(card: &VirtualCard, before: &[u8], after: &[u8]) {
    let tree = card.model().tree();
    let counters: Vec<usize> = tree
        .all()
        .flat_map(|df| df.keys.iter().filter_map(|&number| df.key_offset(number)))
        .flat_map(|offset| [offset, offset + 1])
        .collect();
    assert_eq!(before.len(), after.len());
    for at in 0..tree.journal {
        assert!(before[at] == after[at] || counters.contains(&at), "byte {at} has changed");
    }
}

/// Plays the card's part from the recording, up to one answer.
struct Tape<'a> {
    sitting: &'a Sitting,
    /// Number of commands received.
    at: usize,
    /// The exchange whose answer is not the recorded one.
    step: usize,
    answer: &'a [u8],
    /// Number of commands after it. Asking for the rest of an answer that seems to end with 61xx is
    /// none: nothing is believed before the whole has been verified.
    after: usize,
}

impl CardChannel for Tape<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        if self.at > self.step {
            self.after += usize::from(command[1] != GET_RESPONSE);
            return Err(ChannelError::Removed);
        }
        let exchange = &self.sitting.exchanges[self.at];
        assert_eq!(command, exchange.command, "the reader does not follow the recording");
        let answer = if self.at == self.step { self.answer } else { &exchange.response };
        answer.clone_into(response);
        self.at += 1;
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        Ok(Vec::new())
    }
}

#[test]
fn a_false_proof_of_the_card_is_called_by_its_name() {
    let sitting = Sitting::record(Operation::Read, Algorithm::Aes128);
    let step = sitting.exchanges.iter().position(Exchange::is_proof).unwrap();
    let mut answer = sitting.exchanges[step].response.clone();
    answer[15] ^= 1;
    let mut tape = Tape { sitting: &sitting, at: 0, step, answer: &answer, after: 0 };
    let result = sitting.operate(&mut sitting.reader(), &mut tape);
    assert_eq!(result, Err(Error::Sam(SamError::NotGenuine)));
}
