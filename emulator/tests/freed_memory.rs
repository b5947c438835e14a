//! No secret of a SAM stays in memory that was given back: the process reads its own heap after LOCK SAM,
//! reset, loss of the host and the end of the card, and looks for the roots, the keys of cards and
//! sessions, and what unlocks.
//!
//! It is the only thread of a program of its own: whatever else there is in memory, it put there. What it
//! looks for, it keeps masked. The stack is left out: a key has to be somewhere while it is used.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken premise fails the test"
)]

#[cfg(target_os = "linux")]
mod memory {
    use std::collections::HashSet;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    const MASK: u128 = 0x5A17_C3E9_806B_F24D_1D98_37A6_E45C_0BF2;
    /// Bytes looked at in one go; on the stack, which is not searched.
    const WINDOW: usize = 1 << 16;

    /// Secrets to look for.
    #[derive(Default)]
    pub(crate) struct Secrets(HashSet<u128>);

    impl Secrets {
        pub(crate) fn add(&mut self, secret: &[u8; 16]) {
            self.0.insert(u128::from_ne_bytes(*secret) ^ MASK);
        }

        /// How many different ones of them are in the heap and other anonymous memory.
        pub(crate) fn found(&self) -> usize {
            let memory = File::open("/proc/self/mem").unwrap();
            let mut found = HashSet::new();
            for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
                let fields: Vec<_> = line.split_whitespace().collect();
                let place = fields.get(5).copied().unwrap_or("[heap]");
                if fields[1].starts_with("rw") && place == "[heap]" {
                    let (start, end) = fields[0].split_once('-').unwrap();
                    let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
                    self.search(&memory, start..end, &mut found);
                }
            }
            found.len()
        }

        fn search(&self, memory: &File, range: std::ops::Range<u64>, found: &mut HashSet<u128>) {
            let mut window = [0; WINDOW];
            let mut at = range.start;
            while at < range.end {
                let length = usize::try_from(range.end - at).unwrap().min(WINDOW);
                if memory.read_exact_at(&mut window[..length], at).is_err() {
                    return;
                }
                let parts = window[..length].windows(16);
                let masked = parts.map(|part| u128::from_ne_bytes(part.try_into().unwrap()) ^ MASK);
                found.extend(masked.filter(|masked| self.0.contains(masked)));
                // Overlapping, so that nothing lies across the edge.
                at += u64::try_from(length.max(WINDOW / 2) - if length < WINDOW { 0 } else { 16 })
                    .unwrap();
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod proof {
    use super::memory::Secrets;
    use xuejika_card_model::management::{self, SamSerial};
    use xuejika_emulator::{Env, VirtualCard, test_card};
    use xuejika_keyscheme::auth::CardId;
    use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

    /// A way to lock a SAM.
    type Way = fn(&mut VirtualCard);

    const AES: Algorithm = Algorithm::Aes128;
    const STUDENT: [u8; 8] = [0x11, 0, 0x07, 0x01, 0, 0, 0, 0x17];
    const MANAGEMENT: [u8; 8] = [0x90, 0, 0, 0, 0, 0, 0, 1];

    /// The city's SAM is granted every key.
    fn serial() -> SamSerial {
        SamSerial { unit: "000000".parse().unwrap(), number: "000042".parse().unwrap() }
    }

    fn powered(nvm: xuejika_card_model::nvm::RamNvm) -> VirtualCard {
        let mut card = VirtualCard::new(nvm, Env::from_seed(5)).unwrap();
        card.power_on().unwrap();
        card
    }

    fn sam() -> VirtualCard {
        powered(test_card::sam(AES, serial(), "2027-08-31".parse().unwrap()))
    }

    /// What a SAM has while it is unlocked, and its cards' keys; not what its memory keeps.
    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        for version in [1, 2].map(|version| KeyVersion::new(version).unwrap()) {
            let education = KeyNumber::EDUCATION.map(|number| (Zone::EDUCATION, number));
            let sectors = (1..=8).map(|index| Zone::extension(index).unwrap());
            let sectors = sectors.map(|zone| (zone, KeyNumber::APPLICATION));
            for (zone, number) in education.into_iter().chain(sectors) {
                let id = KeyId { zone, number, version, algorithm: AES };
                let root = test_keys::root(&id);
                secrets.add(root.expose());
                secrets.add(root.card(&id, CardId(STUDENT)).expose());
            }
        }
        let until = "2027-08-31".parse().unwrap();
        let (card, grant) = management::test_card(serial().unit, until);
        secrets.add(grant.unlock(&test_keys::sam(AES), serial().reader(), card).expose());
        secrets.add(&grant.secret);
        secrets
    }

    fn send(card: &mut VirtualCard, command: &[u8]) -> Vec<u8> {
        let mut answer = Vec::with_capacity(300);
        card.transmit(command, &mut answer).unwrap();
        assert!(answer.ends_with(&[0x90, 0x00]), "{command:02X?}: {answer:02X?}");
        answer.truncate(answer.len() - 2);
        answer
    }

    /// Opens a session of the SAM with a card under a key.
    fn open(sam: &mut VirtualCard, card: &mut VirtualCard, serial: [u8; 8], zone: u16, key: u8) {
        let [z1, z2] = zone.to_be_bytes();
        send(card, &[0x00, 0xA4, 0x00, 0x0C, 2, z1, z2]);
        send(card, &[0x00, 0x22, 0xC1, 0xA4, 7, 0x80, 1, 1, 0x83, 2, key, 1]);
        let challenge = send(card, &[0x00, 0x84, 0, 0, 0x10]);
        let respond =
            [&[0x80, 0x32, 0, 0, 29, z1, z2, key, 1, 1][..], &serial, &challenge, &[0x28]];
        let proof = send(sam, &respond.concat());
        let token = send(card, &[&[0x00, 0x82, 0, 0, 0x28][..], &proof, &[0x10]].concat());
        send(sam, &[&[0x80, 0x34, 0, 0, 0x10][..], &token].concat());
    }

    /// Unlocks, and loads a key into a card that is gone afterwards.
    fn work(sam: &mut VirtualCard) {
        send(sam, b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01");
        let until = "2027-08-31".parse().unwrap();
        let mut card = powered(test_card::management(AES, serial().unit, until));
        open(sam, &mut card, MANAGEMENT, 0xDF80, 0x80);
        let wrapped = send(sam, &[0x80, 0x36, 0, 0, 5, 0x00, 0xB0, 0x81, 0, 0, 0]);
        let contents = send(&mut card, &wrapped);
        let length = u8::try_from(4 + contents.len() + 2).unwrap();
        let head = [0x80, 0x40, 0, 0, length, 0x20, 0x26, 0x09, 0x01];
        send(sam, &[&head[..], &contents, &[0x90, 0x00, 0x12]].concat());
        drop(card);
        let mut card = powered(test_card::student("1100070100000017").unwrap());
        open(sam, &mut card, STUDENT, 0xDF01, 0);
        let wrapped = send(sam, &[0x80, 0x3A, 0, 0, 5, 0xDF, 0x01, 0x02, 0x02, 0x01, 0x00]);
        let answer = send(&mut card, &wrapped[3..]);
        let length = u8::try_from(answer.len() + 2).unwrap();
        let unwrap = [&[0x80, 0x38, 0, 0, length][..], &answer, &[0x90, 0x00, 0x00]].concat();
        send(sam, &unwrap);
        // Another one is left waiting for its card's proof.
        send(sam, &[&[0x80, 0x32, 0, 0, 29, 0xDF, 0x01, 1, 1, 1][..], &[0; 24], &[0x28]].concat());
    }

    /// Makes holes of every size in the heap, with something between them that stays: what grows has to
    /// move then, and leaves what it would leave.
    fn holes() -> Vec<Box<[u8]>> {
        let block = |length: usize| vec![0_u8; length].into_boxed_slice();
        let (stays, holes): (Vec<_>, Vec<_>) =
            (0..1000).map(|round| (block(40), block(32 + round % 64 * 32))).unzip();
        drop(holes);
        stays
    }

    pub(crate) fn run() {
        let _stays = holes();
        let secrets = secrets();
        assert_eq!(secrets.found(), 0, "before anything was done");
        let mut sam = sam();
        work(&mut sam);
        let roots = 30;
        assert_eq!(
            secrets.found(),
            roots,
            "an unlocked SAM has its roots, or the search sees nothing"
        );
        let ways: [(&str, Way); 4] = [
            ("LOCK SAM", |sam| drop(send(sam, &[0x80, 0x44, 0, 0]))),
            ("SELECT", |sam| drop(send(sam, b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01"))),
            ("reset", |sam| drop(sam.reset().unwrap().to_vec())),
            ("loss of power, as when the host is gone", |sam| {
                sam.power_off();
                sam.power_on().unwrap();
            }),
        ];
        for (way, lock) in ways {
            work(&mut sam);
            lock(&mut sam);
            assert_eq!(secrets.found(), 0, "after {way}");
        }
        work(&mut sam);
        drop(sam);
        assert_eq!(secrets.found(), 0, "after the end of the card");
        println!("no secret in memory that was given back");
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    #[cfg(target_os = "linux")]
    proof::run();
    #[cfg(not(target_os = "linux"))]
    println!("0 passed, 0 failed, 1 skipped: this system does not show a process its memory");
}
