//! Whole cards.

use super::reference::rng::Rng;
use super::reference::run;
use super::reference::terminal::Terminal;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::file::{Caller, Structure};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::{
    Enrolment, ExtensionEntry, Identity, Issuance, LogEntry, Personalisation, Registration, Status,
    StatusPair, Transfer,
};
use xuejika_card_model::{Card, image};
use xuejika_emulator::{Env, VirtualCard, test_card};

/// Most commands of a sequence.
const STEPS: usize = 400;

/// A card's life as a terminal makes it: right, wrong, stale and replayed proofs, resets, power
/// cuts and raw bytes, chosen by the bytes; on the card and on the reference, which have to stay
/// the same.
pub fn card_reference(bytes: &[u8]) {
    let Some((&seed, choices)) = bytes.split_first() else { return };
    let terminal = Terminal::new(Rng::of(choices));
    if let Err(divergence) = run::play(seed.into(), terminal, STEPS) {
        panic!("{divergence}");
    }
}

/// As [`card_reference`], on a card that takes any MAC, or any event, so that states behind one are
/// reached with the wrong one too. What the reference says no longer counts; nothing may panic.
#[cfg(faults)]
pub fn card_mock(bytes: &[u8]) {
    use xuejika_card_model::fault::{Fault, seed};
    const MOCKS: [Fault; 4] = [
        Fault::SmMacSkipped,
        Fault::LineMacSkipped,
        Fault::EventInAnyState,
        Fault::UnitRuleIgnored,
    ];
    let Some((&[number, mock], choices)) = bytes.split_first_chunk::<2>() else { return };
    seed(Some(MOCKS[usize::from(mock) % MOCKS.len()]));
    run::play_alone(number.into(), Terminal::new(Rng::of(choices)), STEPS);
    seed(None);
}

/// Any sequence of commands on a card of any kind: each is answered with two status bytes at least,
/// and a stranger changes nothing but what section 9 of the profile lets a stranger change.
pub fn card_raw(bytes: &[u8]) {
    let Some((&kind, mut rest)) = bytes.split_first() else { return };
    let day = "2027-08-31".parse().unwrap();
    let unit = "110105".parse().unwrap();
    let algorithm = xuejika_keyscheme::Algorithm::Aes128;
    let memory = match kind % 3 {
        0 => test_card::student("1100070100000017").unwrap(),
        1 => test_card::management(algorithm, unit, day),
        _ => test_card::psam(xuejika_keyscheme::legacy::TerminalId([0, 0, 0, 0, 0, 1])).unwrap(),
    };
    let mut card = VirtualCard::new(memory, Env::from_seed(1)).unwrap();
    card.power_on().unwrap();
    let mut response = Vec::new();
    while let [length, tail @ ..] = rest {
        let (command, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        if command.is_empty() {
            card.reset().unwrap();
        } else {
            card.transmit(command, &mut response).unwrap();
            assert!(response.len() >= 2);
        }
        rest = tail;
    }
    if kind % 3 == 0 {
        let zone = card.model().tree().education().unwrap();
        let fresh = test_card::student("1100070100000017").unwrap();
        for file in zone.files {
            let range = file.offset..file.offset + file.structure.storage();
            assert_eq!(card.model().nvm().bytes()[range.clone()], fresh.bytes()[range]);
        }
    }
}

/// An image is refused, or written back as it came; a memory is refused, or a card that can be
/// used. Bytes of the input overwrite bytes of a card that was sound, so that most of it still is.
pub fn card_image(bytes: &[u8]) {
    if let Ok(memory) = image::parse(bytes) {
        assert_eq!(image::emit(memory).as_deref(), Ok(bytes));
    }
    use_memory(bytes.to_vec());
    let mut memory = test_card::student("1100070100000017").unwrap().into_bytes();
    for change in bytes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % memory.len();
        memory[place] = change[2];
    }
    let emitted = image::emit(&memory).unwrap();
    assert_eq!(image::parse(&emitted), Ok(memory.as_slice()));
    use_memory(memory);
}

/// A card over this memory, if it is one, answers.
fn use_memory(memory: Vec<u8>) {
    let Ok(mut card) = VirtualCard::new(RamNvm::new(memory), Env::from_seed(1)) else { return };
    card.power_on().unwrap();
    let once = card.model().nvm().bytes().to_vec();
    card.power_on().unwrap();
    assert_eq!(once, card.model().nvm().bytes(), "recovery is done once");
    let mut response = Vec::new();
    for command in [
        &b"\x00\xA4\x00\x00\x02\xDF\x01\x00"[..],
        b"\x00\xB0\x85\x00\x00",
        b"\x00\x22\xC1\xA4\x07\x80\x01\x01\x83\x02\x01\x01",
        b"\x00\x84\x00\x00\x10",
        b"\x00\xA4\x00\x00\x02\x10\x01\x00",
        b"\x80\x5C\x00\x02\x04",
        b"\x00\xB2\x01\xC4\x17",
    ] {
        card.transmit(command, &mut response).unwrap();
        assert!(response.len() >= 2);
    }
    let _ = (card.model().state(), card.model().pupil(), card.model().purse());
}

/// Any way of naming a file leads to at most one place, inside its DF, and reads no more than is
/// there.
pub fn file_tree(bytes: &[u8]) {
    let Some((&[kind, df, sfi, number, high, low], name)) = bytes.split_first_chunk::<6>() else {
        return;
    };
    let Some(kind) = CardKind::from_code(kind) else { return };
    assert_eq!(kind.code(), CardKind::from_code(kind.code()).unwrap().code());
    let tree = kind.tree();
    let called = tree.all().filter(|df| df.is_called(name)).count();
    assert!(called <= 1);
    let all: Vec<_> = tree.all().collect();
    let df = all[usize::from(df) % all.len()];
    let fid = u16::from_be_bytes([high, low]);
    for file in [df.by_sfi(sfi), df.by_fid(fid)].into_iter().flatten() {
        assert!(file.offset + file.structure.storage() <= tree.journal);
        let contents = vec![number; file.structure.storage()];
        if let Some(record) = file.structure.record(&contents, number) {
            assert!(number > 0 && record.len() <= contents.len());
        }
        if kind == CardKind::Student {
            let memory = test_card::student("1100070100000017").unwrap();
            let card = Card::open(memory).unwrap();
            let read = card.read(file, Caller::Unproven);
            let size = matches!(file.structure, Structure::Transparent { .. });
            assert!(read.is_err() || size);
            let _ = card.record(file, number, Caller::Unproven);
        }
    }
}

/// Records of any bytes are refused, or written back as they came.
pub fn records(bytes: &[u8]) {
    let _ = StatusPair::parse(bytes);
    macro_rules! round_trip {
        ($($record:ty),*) => {$(
            if let Ok(record) = <$record>::parse(bytes) {
                assert_eq!(record.emit().as_ref() as &[u8], bytes);
            }
        )*};
    }
    round_trip!(
        Issuance,
        Identity,
        Enrolment,
        Personalisation,
        Registration,
        Transfer,
        ExtensionEntry,
        LogEntry,
        Status
    );
}
