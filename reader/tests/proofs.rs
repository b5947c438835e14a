//! Proofs that were made for something else: another challenge, card, SAM, zone, key, version or
//! algorithm, or none at all. Card and reader accept none of them, and the card answers all of them
//! with the same two bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod support;

use support::{Between, SERIAL, UNIT, stamp, today, valid_until};
use xuejika_apdu::{Class, Command};
use xuejika_card_model::file::Df;
use xuejika_card_model::file::tree::{CardKind, EDUCATION_NAME};
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm};
use xuejika_card_model::record::{Profile, SchoolYear, Term};
use xuejika_emulator::status_map::Refusal;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::auth::{CardChallenge, CardId, ReaderId, Request, respond};
use xuejika_keyscheme::key::Card;
use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
use xuejika_reader::sam::{SamError, SoftSam};
use xuejika_reader::{Error, Locked, Reader};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Aes128, Algorithm::Sm4];
const REFUSED: [u8; 2] = [0x63, 0x00];
const NO_CHALLENGE: [u8; 2] = [0x69, 0x85];

/// After a reset the MF is current: there the instruction is EXTERNAL AUTHENTICATE, of 8 bytes.
const NOT_IN_THE_MF: [u8; 2] = [0x67, 0x00];
const NO_SESSION: [u8; 2] = [0x69, 0x88];
const THIS_SAM: ReaderId = ReaderId([0, 0, 0x08, 0x40, 0x12, 0, 0, 0x42]);
const OTHER_SAM: ReaderId = ReaderId([0, 0, 0x08, 0x40, 0x13, 0, 0, 0x42]);

#[test]
fn the_genuine_proof_is_accepted_and_opens_a_session() {
    for algorithm in ALGORITHMS {
        let mut card = card(algorithm);
        let transcript = genuine(&mut card, algorithm);
        assert_ne!(transcript.card_token, transcript.request.token);
        assert!(card.last_refusal().is_none());
        // The session answers, though not to a command without a checksum.
        assert_eq!(send(&mut card, &READ_STATUS), [0x69, 0x87]);
    }
}

/// Proofs by whoever holds some other key of the system, or this key for some other purpose.
#[test]
fn a_proof_for_another_name_is_refused() {
    for algorithm in ALGORITHMS {
        let own = Party::new(target(algorithm));
        let mut proofs = 0;
        for other in others(algorithm) {
            for claim in mixtures(&own, &other) {
                refuse(algorithm, |_, challenge| claim.prove(challenge));
                proofs += 1;
            }
        }
        assert_eq!(proofs, 3 * 23, "{algorithm}");
    }
}

/// A key of a higher level proves nothing as a card key.
#[test]
fn a_root_and_a_school_key_are_no_card_key() {
    for algorithm in ALGORITHMS {
        let id = target(algorithm);
        let root = test_keys::root(&id);
        let district = root.district(&id, [0x01, 0x08]);
        let school = district.school(&id, [0x08, 0x40, 0x12]);
        let card = serial();
        let keys = [
            Key::new(algorithm, *root.expose()),
            Key::new(algorithm, *district.expose()),
            Key::new(algorithm, *school.expose()),
            district.card(&id, card),
            school.card(&id, card),
        ];
        for key in keys {
            refuse(algorithm, |_, challenge| {
                respond(&key, id, card, THIS_SAM, challenge, [0xC0; 16]).0
            });
        }
    }
}

#[test]
fn another_sams_name_on_a_proof_is_refused() {
    for algorithm in ALGORITHMS {
        let own = Party::new(target(algorithm));
        refuse(algorithm, |_, challenge| Request { reader: OTHER_SAM, ..own.prove(challenge) });
    }
}

/// All values of 16 bytes that an eavesdropper has seen or can guess, as nonce and as token.
#[test]
fn no_pair_of_overheard_values_is_a_proof() {
    for algorithm in ALGORITHMS {
        let mut pairs = 0;
        for (nonce, token) in (0..8).flat_map(|nonce| (0..8).map(move |token| (nonce, token))) {
            for reader in [THIS_SAM, OTHER_SAM] {
                refuse(algorithm, |past, challenge| {
                    let values = overheard(past, challenge);
                    Request { nonce: values[nonce], reader, token: values[token] }
                });
                pairs += 1;
            }
        }
        assert_eq!(pairs, 2 * 8 * 8);
    }
}

/// The right answer to a challenge is right for that challenge, once, and only while it stands.
#[test]
fn a_proof_serves_once() {
    for algorithm in ALGORITHMS {
        let own = Party::new(target(algorithm));

        // Again in the session it opened, and to the challenges that follow.
        let mut card = card(algorithm);
        let used = genuine(&mut card, algorithm).request;
        assert_eq!(prove(&mut card, &used), NO_CHALLENGE);
        let older = challenge(&mut card, algorithm);
        refuse_on(&mut card, algorithm, |_| used);
        refuse_on(&mut card, algorithm, |_| own.prove(older));

        // A reset and a power cut end the challenge; the next one is another.
        let interruptions: [fn(&mut VirtualCard); 2] = [
            |card| drop(card.reset().unwrap().to_vec()),
            |card| {
                card.power_off();
                card.power_on().unwrap();
            },
        ];
        for interrupt in interruptions {
            let before = challenge(&mut card, algorithm);
            interrupt(&mut card);
            assert_eq!(prove(&mut card, &own.prove(before)), NOT_IN_THE_MF);
            refuse_on(&mut card, algorithm, |_| own.prove(before));
            interrupt(&mut card);
            refuse_on(&mut card, algorithm, |_| used);
        }

        // Selecting the zone again or asking anything ends it too, as does a false proof.
        let select = select(&EDUCATION_NAME);
        for between in [&select[..], &[0x00, 0xC0, 0, 0, 0], &[0x00], &proof_bytes(&used)] {
            let before = challenge(&mut card, algorithm);
            send(&mut card, between);
            assert_eq!(prove(&mut card, &own.prove(before)), NO_CHALLENGE, "{between:02X?}");
        }
    }
}

/// Power goes at every write by which a false proof is counted. Whatever was counted, the challenge
/// is gone, and the card takes a genuine proof to its next one.
#[test]
fn a_power_cut_while_a_false_proof_is_counted_revives_no_challenge() {
    for algorithm in ALGORITHMS {
        let own = Party::new(target(algorithm));
        let mut cuts = 0;
        for write in 0.. {
            let mut card = card(algorithm);
            let standing = challenge(&mut card, algorithm);
            card.cut_power(Cut::before_write(write));
            let wrong = Request { token: [0; 16], ..own.prove(standing) };
            let mut answer = Vec::new();
            if card.transmit(&proof_bytes(&wrong), &mut answer).is_ok() {
                assert_eq!(answer, REFUSED);
                break;
            }
            assert!(answer.is_empty());
            cuts += 1;
            card.power_on().unwrap();
            assert_eq!(prove(&mut card, &own.prove(standing)), NOT_IN_THE_MF);
            refuse_on(&mut card, algorithm, |_| own.prove(standing));
            genuine(&mut card, algorithm);
        }
        assert!(cuts >= 2, "{cuts}");
    }
}

/// Two readers at one card, and two cards of one serial: neither can use what the other got.
#[test]
fn interleaved_sessions_do_not_mix() {
    for algorithm in ALGORITHMS {
        let own = Party::new(target(algorithm));
        let memory = memory_of(algorithm);
        let mut one = powered(memory.clone(), 1);
        let mut two = powered(memory, 2);
        let (first, second) = (challenge(&mut one, algorithm), challenge(&mut two, algorithm));
        assert_ne!(first, second);
        assert_eq!(prove(&mut one, &own.prove(second)), REFUSED);
        assert_eq!(prove(&mut two, &own.prove(first)), REFUSED);
        // The second challenge of a card replaces its first.
        let early = challenge(&mut one, algorithm);
        refuse_on(&mut one, algorithm, |_| own.prove(early));
    }
}

/// The other direction: a card's proof that was made for something else.
#[test]
fn the_reader_takes_no_other_proof_of_a_card() {
    for algorithm in ALGORITHMS {
        let (version, number) = (KeyVersion::FIRST, KeyNumber::REGISTER);
        let own = Party::new(KeyId { version, number, ..target(algorithm) });
        let past = genuine(&mut card(algorithm), algorithm);
        let mut reader = reader(algorithm);
        for claim in others(algorithm).iter().flat_map(|other| mixtures(&own, other)) {
            not_genuine(&mut reader, algorithm, |challenge, request| {
                claim.card_token(challenge, request)
            });
        }
        for value in 0..8 {
            not_genuine(&mut reader, algorithm, |challenge, _| overheard(&past, challenge)[value]);
        }
        not_genuine(&mut reader, algorithm, |_, request| request.token);
        not_genuine(&mut reader, algorithm, |_, request| request.nonce);
    }
}

/// A register with a card whose proof is replaced: the reader stops there.
fn not_genuine(
    reader: &mut Reader<SoftSam>,
    algorithm: Algorithm,
    proof: impl Fn([u8; 16], &Request) -> [u8; 16],
) {
    let mut card = card(algorithm);
    let (mut challenge, mut proved, mut late) = ([0; 16], false, 0);
    let meddle = |_: usize, _: &mut VirtualCard, command: &[u8], response: &mut Vec<u8>| {
        late += usize::from(proved);
        match command[1] {
            0x84 => challenge.copy_from_slice(&response[..16]),
            0x82 => {
                let token = proof(challenge, &Request::parse(&command[5..45]).unwrap());
                assert_ne!(response[..16], token);
                response[..16].copy_from_slice(&token);
                proved = true;
            }
            _ => {}
        }
    };
    let channel = Between { card: &mut card, meddle, count: 0 };
    let year = SchoolYear::new(2026).unwrap();
    let result = reader.connect(channel, today()).unwrap().register(year, Term::Autumn, stamp());
    assert_eq!(result, Err(Error::Sam(SamError::NotGenuine)));
    assert!(proved && late == 0);
}

// --- Who proves what -------------------------------------------------------------------------

/// The key under attack: it exists, with the same number, in the zones of all sectors too. The card
/// holds an older version of it.
fn target(algorithm: Algorithm) -> KeyId {
    KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::EXTENSION,
        version: KeyVersion::new(2).unwrap(),
        algorithm,
    }
}

fn serial() -> CardId {
    CardId(SERIAL.parse::<xuejika_card_model::ident::CardSerial>().unwrap().bytes())
}

/// Whoever holds a key and believes to use it as `id` with `card`.
#[derive(Clone)]
struct Party {
    key: Key<Card>,
    id: KeyId,
    card: CardId,
}

impl Party {
    fn new(id: KeyId) -> Self {
        Self::with_card(id, serial())
    }

    fn with_card(id: KeyId, card: CardId) -> Self {
        Self { key: test_keys::root(&id).card(&id, card), id, card }
    }

    fn prove(&self, challenge: [u8; 16]) -> Request {
        respond(&self.key, self.id, self.card, THIS_SAM, challenge, [0xC0; 16]).0
    }

    /// What a card of this name answers, given the SAM of this name.
    fn card_token(&self, challenge: [u8; 16], request: &Request) -> [u8; 16] {
        let (request, _) =
            respond(&self.key, self.id, self.card, request.reader, challenge, request.nonce);
        let challenge = CardChallenge::new(self.id, self.card, challenge);
        challenge.verify(&self.key, &request).unwrap().0
    }
}

/// Every name that differs from the target's in one thing.
fn others(algorithm: Algorithm) -> Vec<Party> {
    let id = target(algorithm);
    let version = |number| KeyVersion::new(number).unwrap();
    let numbers = (0..=7).chain([0x80]).map(KeyNumber).filter(|number| *number != id.number);
    let other_algorithm = match algorithm {
        Algorithm::Aes128 => Algorithm::Sm4,
        Algorithm::Sm4 => Algorithm::Aes128,
    };
    let zones = (1..=8).filter_map(Zone::extension).chain([Zone::MANAGEMENT]);
    let ids = zones
        .map(|zone| KeyId { zone, ..id })
        .chain(numbers.map(|number| KeyId { number, ..id }))
        .chain([1, 3].map(|number| KeyId { version: version(number), ..id }))
        .chain([KeyId { algorithm: other_algorithm, ..id }]);
    let cards = [*b"\x11\x00\x07\x01\x00\x00\x00\x25", [0; 8], [0xFF; 8]];
    ids.map(Party::new).chain(cards.map(|card| Party::with_card(id, CardId(card)))).collect()
}

/// The other's key under its own name, under ours, and our key under the other's name.
fn mixtures(own: &Party, other: &Party) -> [Party; 3] {
    [
        other.clone(),
        Party { key: other.key.clone(), ..own.clone() },
        Party { key: own.key.clone(), ..other.clone() },
    ]
}

/// A handshake that succeeded, as an eavesdropper sees it.
struct Transcript {
    challenge: [u8; 16],
    request: Request,
    card_token: [u8; 16],
}

/// Values to try while `challenge` stands: those of a handshake before, and what anybody can guess.
fn overheard(past: &Transcript, challenge: [u8; 16]) -> [[u8; 16]; 8] {
    let mut serials = [0; 16];
    serials[..8].copy_from_slice(&serial().0);
    serials[8..].copy_from_slice(&THIS_SAM.0);
    let Transcript { challenge: old, request, card_token } = past;
    [*old, request.nonce, request.token, *card_token, challenge, [0x00; 16], [0xFF; 16], serials]
}

// --- What the card does ----------------------------------------------------------------------

/// A card that holds two versions of the target key and of the same key of the first sector.
fn memory_of(algorithm: Algorithm) -> RamNvm {
    let profile = match algorithm {
        Algorithm::Aes128 => Profile::CpuAes,
        Algorithm::Sm4 => Profile::CpuSm4,
    };
    let issuance = test_card::issuance(SERIAL.parse().unwrap(), profile).unwrap();
    let mut memory = test_card::student_memory(&issuance).unwrap();
    for df in &CardKind::Student.tree().dfs[..2] {
        let id = KeyId { zone: df.zone(), ..target(algorithm) };
        let key = |version| Party::new(KeyId { version, ..id }).key;
        let mut slots = KeySlots::new(KeyVersion::FIRST, key(KeyVersion::FIRST));
        slots.load(id.version, key(id.version)).unwrap();
        slots.count_success(id.version);
        memory[df.key_offset(id.number).unwrap()..][..KeySlots::LEN].copy_from_slice(&slots.emit());
    }
    RamNvm::new(memory)
}

fn powered(memory: RamNvm, seed: u64) -> VirtualCard {
    let mut card = VirtualCard::new(memory, Env::from_seed(seed)).unwrap();
    card.power_on().unwrap();
    card
}

fn card(algorithm: Algorithm) -> VirtualCard {
    powered(memory_of(algorithm), 3)
}

fn send(card: &mut VirtualCard, command: &[u8]) -> Vec<u8> {
    let mut response = Vec::new();
    card.transmit(command, &mut response).unwrap();
    response
}

/// READ BINARY of the status file as a session would ask for it, without a checksum.
const READ_STATUS: [u8; 5] = [0x0C, 0xB0, 0x86, 0x00, 0x00];

fn select(name: &[u8]) -> Vec<u8> {
    Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(name).with_ne(256).to_vec().unwrap()
}

fn proof_bytes(request: &Request) -> Vec<u8> {
    let data = request.emit();
    Command::new(Class::ISO, 0x82, 0, 0).with_data(&data).with_ne(16).to_vec().unwrap()
}

fn prove(card: &mut VirtualCard, request: &Request) -> Vec<u8> {
    send(card, &proof_bytes(request))
}

/// Selects the education zone, chooses the target key and draws a challenge.
fn challenge(card: &mut VirtualCard, algorithm: Algorithm) -> [u8; 16] {
    let id = target(algorithm);
    send(card, &select(&EDUCATION_NAME));
    let reference = [0x80, 1, algorithm.code(), 0x83, 2, id.number.0, id.version.number()];
    let choose = Command::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&reference);
    assert_eq!(send(card, &choose.to_vec().unwrap()), [0x90, 0x00]);
    let answer = send(card, &[0x00, 0x84, 0x00, 0x00, 0x10]);
    assert_eq!(answer[16..], [0x90, 0x00]);
    answer[..16].try_into().unwrap()
}

/// A handshake that succeeds.
fn genuine(card: &mut VirtualCard, algorithm: Algorithm) -> Transcript {
    let own = Party::new(target(algorithm));
    let challenge = challenge(card, algorithm);
    let request = own.prove(challenge);
    let answer = prove(card, &request);
    assert_eq!(answer[16..], [0x90, 0x00]);
    let card_token = answer[..16].try_into().unwrap();
    assert_eq!(card_token, own.card_token(challenge, &request));
    Transcript { challenge, request, card_token }
}

/// A new card, on which one handshake has succeeded, refuses the proof.
fn refuse(algorithm: Algorithm, proof: impl FnOnce(&Transcript, [u8; 16]) -> Request) {
    let mut card = card(algorithm);
    let past = genuine(&mut card, algorithm);
    refuse_on(&mut card, algorithm, |challenge| proof(&past, challenge));
}

/// Draws a challenge; the card refuses the proof with the answer it gives to all others, counts the
/// failure and changes nothing else.
fn refuse_on(
    card: &mut VirtualCard,
    algorithm: Algorithm,
    proof: impl FnOnce([u8; 16]) -> Request,
) {
    let challenge = challenge(card, algorithm);
    let mut expected = card.model().nvm().bytes().to_vec();
    let request = proof(challenge);
    assert_eq!(prove(card, &request), REFUSED, "{request:02X?}");
    assert_eq!(card.last_refusal(), Some(&Refusal::AuthenticationFailed));

    let tree = card.model().tree();
    let failures =
        tree.education().and_then(|df: &Df| df.key_offset(KeyNumber::EXTENSION)).unwrap();
    let counter: &mut [u8; 2] = (&mut expected[failures..failures + 2]).try_into().unwrap();
    *counter = (u16::from_be_bytes(*counter) + 1).to_be_bytes();
    // The journal, which holds the last change, is no content of the card.
    assert_eq!(card.model().nvm().bytes()[..tree.journal], expected[..tree.journal]);
    assert_eq!(send(card, &READ_STATUS), NO_SESSION);
}

fn reader(algorithm: Algorithm) -> Reader<SoftSam> {
    let serial = SamSerial { unit: UNIT.parse().unwrap(), number: "000042".parse().unwrap() };
    assert_eq!(serial.reader(), THIS_SAM);
    let rng = <rand_chacha::ChaCha12Rng as rand_core::SeedableRng>::seed_from_u64(1);
    let sam = SoftSam::test(algorithm, serial, valid_until(), rng);
    let memory = test_card::management(algorithm, UNIT.parse().unwrap(), valid_until());
    Locked::new(sam).unlock(&mut powered(memory, 2), today()).map_err(|e| e.error).unwrap()
}
