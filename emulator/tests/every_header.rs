//! All 65,536 pairs of CLA and INS in every state of security a card can be in, and a quarter of a
//! million commands of a wrong length: each is answered, with a status word of the card profile,
//! and what is refused changes nothing but what counts wrong tries.
//!
//! ```text
//! cargo test -p xuejika-emulator --release --test every_header [-- --all]
//! ```
//!
//! A debug build tries a share of the pairs; `--all` sends each with four bodies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a broken premise fails the test"
)]

mod support;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use support::line::{
    authenticate as prove_external, challenge as transit_challenge, keys, protect,
};
use support::wallet::{memory_with, open_with};
use support::{ask, authenticate, choose, key_id, memory_in, model, prepare, sam, send};
use xuejika_apdu::Command;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::lifecycle::STATES;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::TerminalId;
use xuejika_keyscheme::{Algorithm, KeyNumber};

/// A card, and what has been done to it since power-up.
struct Scene {
    name: String,
    memory: Vec<u8>,
    setup: Box<dyn Fn(&mut VirtualCard) + Sync>,
}

fn scene(name: &str, memory: Vec<u8>, setup: impl Fn(&mut VirtualCard) + Sync + 'static) -> Scene {
    Scene { name: name.to_owned(), memory, setup: Box::new(setup) }
}

/// Sends these commands, whatever the card says.
fn script(commands: &'static [&'static str]) -> impl Fn(&mut VirtualCard) + Sync {
    move |card| {
        for command in commands {
            ask(card, command);
        }
    }
}

/// The states of the education zone.
fn zone_scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for state in STATES {
        let setup = script(&["00 A4 00 00 02 DF 01"]);
        scenes.push(scene(&format!("zone, {state:?}"), memory_in(state), setup));
    }
    for number in KeyNumber::EDUCATION.into_iter().filter(|it| *it != KeyNumber::APPLICATION) {
        for state in [LifeCycleState::Active, LifeCycleState::Personalising] {
            let name = format!("session under {number:?}, {state:?}");
            scenes.push(scene(&name, memory_in(state), move |card| {
                authenticate(card, model::education(), number, sam(model::OWN_SCHOOL));
            }));
        }
    }
    let active = || memory_in(LifeCycleState::Active);
    scenes.push(scene("session in a sector", active(), |card| {
        let sector = &model::tree().dfs[1];
        authenticate(card, sector, KeyNumber::APPLICATION, sam(model::CITY));
    }));
    scenes.push(scene("key chosen", active(), |card| {
        support::select(card, model::education());
        choose(card, &key_id(card, model::education(), KeyNumber::READ));
    }));
    scenes.push(scene("challenge of the zone", active(), |card| {
        let id = key_id(card, model::education(), KeyNumber::READ);
        prepare(card, model::education(), &id);
    }));
    scenes.push(scene("chain under way", active(), script(&["10 A4 00 00 01 DF"])));
    scenes.push(scene("answer pending", active(), script(&["00 A4 00 00 02 DF 01 05"])));
    scenes
}

const VERIFY: &str = "00 20 00 01 03 12 34 56";
const WALLET: &str = "00 A4 00 00 02 10 01";

/// The states of the wallet and the MF above it.
fn wallet_scenes() -> Vec<Scene> {
    let open = || memory_with(&open_with(5_000));
    let by_operator = |header: [u8; 4]| {
        move |card: &mut VirtualCard| {
            ask(card, WALLET);
            let challenge = transit_challenge(card);
            send(card, &protect(&keys().line, &challenge, header, &[]));
        }
    };
    let mut scenes = Vec::new();
    for (name, commands) in [
        ("MF", &[][..]),
        ("wallet", &[WALLET]),
        ("PIN verified", &[WALLET, VERIFY]),
        ("challenge of the wallet", &[WALLET, "00 84 00 00 04"]),
        ("challenge of the MF", &["00 84 00 00 08"]),
        ("load begun", &[WALLET, VERIFY, "80 50 00 02 0B 01 00 00 00 64 01 02 03 04 05 06"]),
        ("purchase begun", &[WALLET, "80 50 01 02 0B 01 00 00 00 64 01 02 03 04 05 06"]),
        ("compound begun", &[WALLET, "80 50 03 02 0B 01 00 00 00 64 01 02 03 04 05 06"]),
        (
            "compound cached",
            &[WALLET, "80 50 03 02 0B 01 00 00 00 64 01 02 03 04 05 06", "80 DC 01 C8 03 01 01 7F"],
        ),
        ("unload begun", &[WALLET, VERIFY, "80 50 05 02 0B 01 00 00 00 64 01 02 03 04 05 06"]),
    ] {
        scenes.push(scene(name, open(), script(commands)));
    }
    scenes.push(scene(
        "PIN blocked",
        open(),
        script(&[WALLET, "00 20 00 01 02 00 00", "00 20 00 01 02 00 00", "00 20 00 01 02 00 00"]),
    ));
    scenes.push(scene("wallet blocked", open(), by_operator([0x84, 0x1E, 0, 0])));
    scenes.push(scene("wallet blocked for good", open(), by_operator([0x84, 0x1E, 0, 1])));
    scenes.push(scene("wallet authenticated", open(), |card| {
        ask(card, WALLET);
        prove_external(card);
    }));
    scenes.push(scene("MF authenticated", open(), |card| {
        prove_external(card);
    }));
    scenes.push(scene("card blocked", open(), move |card| {
        prove_external(card);
        let challenge = transit_challenge(card);
        send(card, &protect(&keys().line, &challenge, [0x84, 0x16, 0, 0], &[]));
    }));
    scenes
}

/// Cards of other kinds.
fn other_scenes() -> Vec<Scene> {
    let until = "2027-08-31".parse().unwrap();
    let unit = "084012".parse().unwrap();
    let serial = SamSerial { unit, number: "000042".parse().unwrap() };
    let management = || model::management_card();
    let psam = test_card::psam(TerminalId([0, 0, 0, 0, 0, 1])).unwrap().into_bytes();
    let sam_card = test_card::sam(Algorithm::Aes128, serial, until).into_bytes();
    let df80 = &CardKind::Management.tree().dfs[0];
    vec![
        scene("management, MF", management(), |_| {}),
        scene("management, session", management(), move |card| {
            authenticate(card, df80, KeyNumber::MANAGEMENT, sam(model::OWN_SCHOOL));
        }),
        scene("PSAM, MF", psam.clone(), |_| {}),
        scene("PSAM", psam.clone(), script(&["00 A4 00 00 02 3F 01"])),
        scene("PSAM, key delivered", psam, script(&["00 A4 00 00 02 3F 01", "80 1A 08 01 00"])),
        scene("SAM, MF", sam_card.clone(), |_| {}),
        scene("SAM, locked", sam_card, script(&["00 A4 00 00 02 DF 81"])),
    ]
}

/// Status words of the profile, an x for any digit.
fn documented() -> Vec<String> {
    let profile = include_str!("../../docs/card-profile.md");
    let table = profile.split("<!-- status words -->").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.get(..4))
        .filter(|word| word.starts_with(['6', '9']))
        .map(str::to_lowercase)
        .collect()
}

fn is_documented(words: &[String], status: u16) -> bool {
    let status = format!("{status:04x}");
    words.iter().any(|word| word.chars().zip(status.chars()).all(|(a, b)| a == 'x' || a == b))
}

/// Status words that tell of a wrong try, which the card has counted.
const COUNTED: [u16; 5] = [0x6300, 0x6988, 0x9302, 0x9303, 0x6983];

/// A card at work on a scene.
struct Bench<'a> {
    scene: &'a Scene,
    words: &'a [String],
    card: VirtualCard,
}

impl<'a> Bench<'a> {
    fn new(scene: &'a Scene, words: &'a [String]) -> Self {
        Self { scene, words, card: Self::fresh(scene) }
    }

    fn fresh(scene: &Scene) -> VirtualCard {
        VirtualCard::new(RamNvm::new(scene.memory.clone()), Env::from_seed(1)).unwrap()
    }

    /// Everything the card keeps but the journal.
    fn kept(&self) -> &[u8] {
        &self.card.model().nvm().bytes()[..self.card.model().tree().journal]
    }

    /// Sends a command to the card in its state.
    fn try_command(&mut self, command: &[u8]) {
        if self.kept() != &self.scene.memory[..self.kept().len()] {
            self.card = Self::fresh(self.scene);
        }
        self.card.power_on().unwrap();
        (self.scene.setup)(&mut self.card);
        let (before, writes) = (self.kept().to_vec(), self.card.model().nvm().writes());
        let mut response = Vec::new();
        self.card.transmit(command, &mut response).unwrap();
        let told = |what: &str| format!("{}: {command:02X?}: {what}", self.scene.name);
        let (_, status) = response.split_last_chunk::<2>().expect("two status bytes");
        let status = u16::from_be_bytes(*status);
        assert!(is_documented(self.words, status), "{}", told(&format!("{status:04X}")));
        let counted = COUNTED.contains(&status) || status & 0xFFF0 == 0x63C0;
        let refused = status != 0x9000 && status & 0xFF00 != 0x6100 && !counted;
        if refused && writes != self.card.model().nvm().writes() {
            assert!(before == self.kept(), "{}", told("refused, and changed something"));
        }
    }
}

/// What stands behind CLA and INS.
const BODIES: [&[u8]; 4] = [&[0, 0], &[0, 0, 0], &[0, 1, 2, 0x3F, 0x00, 0x7F], &[0, 0, 255]];

/// Tries every `share`th pair, with as many bodies.
fn headers(scenes: &[Scene], words: &[String], share: usize, bodies: usize) -> u64 {
    let (next, sent) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut bench = Bench::new(scene, words);
                    for pair in (0..=u16::MAX).step_by(share) {
                        for body in 0..bodies {
                            let body = BODIES[(usize::from(pair) / share + body) % BODIES.len()];
                            let mut command = [&pair.to_be_bytes()[..], body].concat();
                            // The last body announces 255 bytes, and they come.
                            if body.len() == 3 && body[2] == 255 {
                                command.resize(4 + 1 + 255, 0x11);
                            }
                            bench.try_command(&command);
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    sent.into_inner()
}

/// Commands that say another length than they have, in a session: 6700, and nothing happens.
fn malformed(most: usize) -> usize {
    let memory = memory_in(LifeCycleState::Active);
    let mut card = VirtualCard::new(RamNvm::new(memory.clone()), Env::from_seed(1)).unwrap();
    card.power_on().unwrap();
    let instructions =
        [0xA4, 0xB0, 0xB2, 0xD6, 0xC0, 0x22, 0x84, 0x82, 0xF0, 0xD8, 0x50, 0x52, 0x54, 0xDC, 0x20];
    let (mut sent, mut response) = (0, Vec::new());
    for length in 1..=u8::MAX {
        for have in (0..=u8::MAX).step_by(4).map(|have| have.wrapping_add(length % 4)) {
            let lies = [usize::from(have), usize::from(have) + 256];
            for (case, &have) in lies.iter().enumerate() {
                for (place, ins) in instructions.into_iter().enumerate() {
                    let cla = [0x00, 0x80, 0x0C, 0x8C, 0x04, 0x10][(place + have) % 6];
                    let mut command = vec![cla, ins, 0, 0];
                    // Short lengths, and the same ones extended.
                    match case {
                        0 => command.push(length),
                        _ => command.extend([0, length, 0]),
                    }
                    command.resize(command.len() + have, 0x5A);
                    if Command::parse(&command).is_ok() {
                        continue;
                    }
                    card.transmit(&command, &mut response).unwrap();
                    assert_eq!(response, [0x67, 0x00], "{command:02X?}");
                    sent += 1;
                    if sent >= most {
                        break;
                    }
                }
            }
        }
    }
    assert_eq!(card.model().nvm().writes(), 0, "a malformed command wrote something");
    assert_eq!(card.model().nvm().bytes(), memory);
    sent
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let other = |it: &String| !it.starts_with('-') && !"every_header".contains(it.as_str());
    if arguments.iter().any(|it| it == "--list" || other(it)) {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    }
    let all = arguments.iter().any(|it| it == "--all");
    let (share, bodies) = match (all, cfg!(debug_assertions)) {
        (true, _) => (1, BODIES.len()),
        (false, false) => (1, 1),
        (false, true) => (101, 1),
    };
    let begun = Instant::now();
    let words = documented();
    assert!(words.len() > 40 && is_documented(&words, 0x6C04) && !is_documented(&words, 0x6F00));
    let scenes: Vec<_> =
        [zone_scenes(), wallet_scenes(), other_scenes()].into_iter().flatten().collect();
    let sent = headers(&scenes, &words, share, bodies);
    let lies = malformed(usize::MAX);
    assert!(lies >= 250_000, "{lies}");
    println!(
        "{sent} headers in {} states, {lies} commands of a wrong length, {} s",
        scenes.len(),
        begun.elapsed().as_secs()
    );
    ExitCode::SUCCESS
}
