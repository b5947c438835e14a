//! A card in a file: whole or refused, open once, and never ahead of its file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use support::model::{self, OWN_SCHOOL, education, file};
use support::stored::{open, stored_card, toggle};
use support::{
    active_card, authenticate, change, key_id, memory, memory_in, mutual_authenticate,
    power_up_with, prepare, prove, read, sam, send,
};
use tempfile::TempDir;
use xuejika_card_model::OpenError;
use xuejika_card_model::card::Privacy;
use xuejika_card_model::factory;
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::image;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::{Cut, Nvm, NvmError, RamNvm, Torn};
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::file_store::{ImageFileError, create, read_image};
use xuejika_emulator::files::FileError;
use xuejika_emulator::{Env, FileNvm, VirtualCard, test_card};
use xuejika_keyscheme::KeyNumber;

fn state_in(path: &Path) -> LifeCycleState {
    model::open(&read_image(path).unwrap()).state().unwrap()
}

/// The error names the file.
fn names(error: &ImageFileError, path: &Path) -> bool {
    error.to_string().starts_with(&path.display().to_string())
}

#[test]
fn a_file_is_created_once_and_for_its_owner() {
    let (_directory, path) = stored_card();
    assert_eq!(read_image(&path).unwrap(), memory_in(LifeCycleState::Active));
    let error = create(&path, &memory_in(LifeCycleState::Blank)).unwrap_err();
    assert!(
        names(&error, &path) && matches!(error, ImageFileError::File(FileError::Exists { .. }))
    );
    assert_eq!(state_in(&path), LifeCycleState::Active);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        toggle(&mut open(&path)).unwrap();
        assert_eq!(mode(), 0o600, "a commit keeps it");
    }
    let missing = path.with_file_name("missing.img");
    assert!(names(&FileNvm::open(&missing).unwrap_err(), &missing));
    let error = create(&missing, &vec![0; image::MAX_MEMORY + 1]).unwrap_err();
    assert!(names(&error, &missing) && !missing.exists());
}

#[test]
fn what_was_answered_is_in_the_file() {
    let (_directory, path) = stored_card();
    for expected in [LifeCycleState::Frozen, LifeCycleState::Active, LifeCycleState::Frozen] {
        let mut card = open(&path);
        toggle(&mut card).unwrap();
        // Not even a clean end of the process is needed.
        assert_eq!(read_image(&path).unwrap(), memory(&card));
        assert_eq!(state_in(&path), expected);
    }
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused_by_name() {
    let (_directory, path) = stored_card();
    let whole = fs::read(&path).unwrap();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    let mut put = |at: usize, byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    let refused = || {
        let error = FileNvm::open(&path).unwrap_err();
        names(&error, &path) && matches!(error, ImageFileError::Image { .. })
    };
    for (at, byte) in whole.iter().enumerate() {
        put(at, byte ^ (1 << (at % 8)));
        assert!(refused(), "byte {at}");
        put(at, *byte);
    }
    FileNvm::open(&path).unwrap();
    put(whole.len(), 0);
    assert!(refused(), "a byte too many");
    for length in (0..whole.len()).rev() {
        file.set_len(length as u64).unwrap();
        assert!(refused(), "{length} bytes");
    }
}

/// An image may be whole and yet no card.
#[test]
fn a_whole_image_of_something_else_is_refused() {
    let directory = TempDir::new().unwrap();
    let refused = |name: &str, memory: &[u8]| {
        let path = directory.path().join(name);
        create(&path, memory).unwrap();
        VirtualCard::new(FileNvm::open(&path).unwrap(), Env::from_seed(1)).unwrap_err().to_string()
    };
    let whole = memory_in(LifeCycleState::Active);
    let spoilt = |at: usize, value: u8| {
        let mut memory = whole.clone();
        memory[at] = value;
        memory
    };
    let status = file(sfi::STATUS).offset;
    let mut no_status = whole.clone();
    no_status[status..status + 32].fill(0);
    let issuance = file(sfi::ISSUANCE).offset;
    for (name, memory, expected) in [
        ("short", whole[1..].to_vec(), "profile version"),
        ("empty", vec![], "bytes, expected"),
        ("kind", spoilt(0, 9), "card kind 09"),
        ("algorithm", spoilt(1, 9), "algorithm 09"),
        ("version", spoilt(2, 9), "card profile version 9"),
        ("serial", spoilt(23, 9), "different serials"),
        ("key", spoilt(education().keys_offset + 2, 9), "key K0 of DF01"),
        ("status", no_status, "crc"),
        ("issuance", spoilt(issuance, 9), "crc_1"),
        ("length", [&whole[..], &[0]].concat(), "expected"),
    ] {
        let error = refused(name, &memory);
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// What is done to the name of an open card, and undone.
type Break = fn(&Path);

#[test]
fn a_name_that_stands_for_something_else_means_no_answer_and_the_old_card() {
    let aside = |path: &Path| path.with_file_name("aside.img");
    let breaks: [(&str, Break, Break); 3] = [
        (
            "a folder",
            |path| {
                fs::rename(path, path.with_file_name("aside.img")).unwrap();
                fs::create_dir(path).unwrap();
            },
            |path| fs::remove_dir(path).unwrap(),
        ),
        (
            "another card",
            |path| {
                fs::rename(path, path.with_file_name("aside.img")).unwrap();
                create(path, &memory_in(LifeCycleState::Blank)).unwrap();
            },
            |path| {
                assert_eq!(state_in(path), LifeCycleState::Blank);
                fs::remove_file(path).unwrap();
            },
        ),
        (
            "another name for the card",
            |path| fs::hard_link(path, path.with_file_name("aside.img")).unwrap(),
            |path| fs::remove_file(path).unwrap(),
        ),
    ];
    for (what, spoil, repair) in breaks {
        let (_directory, path) = stored_card();
        let mut card = open(&path);
        let before = fs::read(&path).unwrap();
        spoil(&path);
        assert_eq!(toggle(&mut card), Err(NvmError::Storage), "{what}");
        assert!(names(card.model().nvm().failure().unwrap(), &path.canonicalize().unwrap()));
        assert!(!card.is_powered());
        assert_eq!(card.power_on().unwrap_err(), NvmError::Storage, "{what}");
        assert!(fs::read(aside(&path)).unwrap() == before, "{what}");
        repair(&path);
        fs::rename(aside(&path), &path).unwrap();
        // Powered again it is the card of the file.
        card.power_on().unwrap();
        assert_eq!(card.model().state(), Ok(LifeCycleState::Active), "{what}");
        toggle(&mut card).unwrap();
        assert_eq!(state_in(&path), LifeCycleState::Frozen, "{what}");
    }
}

#[test]
fn a_read_only_directory_means_no_answer_and_the_old_card() {
    let (directory, path) = stored_card();
    let mut card = open(&path);
    let permissions = |read_only| {
        let mut permissions = fs::metadata(directory.path()).unwrap().permissions();
        permissions.set_readonly(read_only);
        fs::set_permissions(directory.path(), permissions).unwrap();
    };
    permissions(true);
    // Whoever may write all the same, such as root, has no such failure.
    let enforced = fs::write(directory.path().join("probe"), []).is_err();
    let result = toggle(&mut card);
    assert_eq!(result.is_err(), enforced);
    permissions(false);
    if enforced {
        card.power_on().unwrap();
        assert_eq!(card.model().state(), Ok(LifeCycleState::Active));
    }
}

#[test]
fn a_deleted_directory_means_no_answer_and_no_card() {
    let (directory, path) = stored_card();
    let mut card = open(&path);
    fs::remove_dir_all(directory.path()).unwrap();
    assert_eq!(toggle(&mut card), Err(NvmError::Storage));
    assert_eq!(card.power_on().unwrap_err(), NvmError::Storage);
    assert!(!card.is_powered());
    assert!(FileNvm::open(&path).is_err());
}

#[test]
fn nothing_is_beside_a_card() {
    let (directory, path) = stored_card();
    // What a killed process left, what another one has open, and what only looks like it.
    let (left_over, in_use) = (".xuejika-0123456789abcdef.part", ".xuejika-fedcba9876543210.part");
    fs::write(directory.path().join(left_over), "and then power went").unwrap();
    let held = fs::File::create(directory.path().join(in_use)).unwrap();
    held.try_lock().unwrap();
    fs::write(directory.path().join(".xuejika-notes.part"), "").unwrap();
    let mut card = open(&path);
    toggle(&mut card).unwrap();
    assert_eq!(read_image(&path).unwrap(), memory(&card));
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [in_use, ".xuejika-notes.part", "card.img"]);
}

#[cfg(unix)]
#[test]
fn a_card_is_open_once_by_whatever_name() {
    use std::os::unix::fs::symlink;

    let (directory, path) = stored_card();
    let (link, second) = (directory.path().join("link"), directory.path().join("second.img"));
    symlink(&path, &link).unwrap();
    let in_use = |path: &Path| {
        let error = FileNvm::open(path).unwrap_err();
        matches!(error, ImageFileError::File(FileError::InUse { .. })) && names(&error, path)
    };
    let mut card = open(&link);
    for _ in 0..3 {
        assert!(in_use(&path) && in_use(&link));
        toggle(&mut card).unwrap();
    }
    assert!(link.is_symlink() && !path.is_symlink(), "the card is replaced and not the link");
    drop(card);
    fs::hard_link(&path, &second).unwrap();
    for name in [&path, &second, &link] {
        let error = FileNvm::open(name).unwrap_err();
        let found = matches!(error, ImageFileError::File(FileError::Linked { names: 2, .. }));
        assert!(found && names(&error, name), "{error}");
        read_image(name).unwrap();
    }
    fs::remove_file(&path).unwrap();
    open(&second);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_named_and_not_waited_for() {
    use rustix::fs::{FileType, Mode};

    let directory = TempDir::new().unwrap();
    let pipe = directory.path().join("pipe");
    // Not by the program `mkfifo`: a child process would hold the locks of other tests for a moment.
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .unwrap();
    let socket = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let large = directory.path().join("large");
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    for (path, expected) in [
        (pipe.as_path(), "a named pipe"),
        (&socket, "a socket"),
        (directory.path(), "a folder"),
        (Path::new("/dev/zero"), "a device"),
        (&large, "longer than"),
    ] {
        for error in [FileNvm::open(path).unwrap_err(), read_image(path).unwrap_err()] {
            assert!(names(&error, path) && error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn a_card_never_shows_what_its_file_does_not_hold() {
    for after_writes in 0..6 {
        for after_bytes in [0, 1, usize::MAX] {
            let (_directory, path) = stored_card();
            let mut card = open(&path);
            let torn = Torn::Erased(0xFF);
            card.nvm_mut().ram_mut().arm(Some(Cut { after_writes, after_bytes, torn }));
            let result = toggle(&mut card);
            card.nvm_mut().ram_mut().arm(None);
            card.power_on().unwrap();
            assert_eq!(result.is_err(), after_writes < 4, "journal, status, record, ring");
            assert!(read_image(&path).unwrap() == memory(&card), "{after_writes} {after_bytes}");
        }
    }
}

#[test]
fn a_card_is_open_once() {
    let (_directory, path) = stored_card();
    let card = open(&path);
    let error = FileNvm::open(&path).unwrap_err();
    assert!(matches!(error, ImageFileError::File(FileError::InUse { .. })) && names(&error, &path));
    drop(card);
    open(&path);
}

/// A conversation through and through, with all its answers.
fn conversation<N: Nvm>(card: &mut VirtualCard<N>) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    let mut note =
        |reply: support::Reply| answers.push([&reply.data[..], &reply.sw.to_be_bytes()].concat());
    for number in [KeyNumber::READ, KeyNumber::REGISTER, KeyNumber::STATUS] {
        let id = key_id(card, education(), number);
        let challenge = prepare(card, education(), &id);
        let (request, _) = prove(card, &id, sam(OWN_SCHOOL), challenge);
        let mut false_proof = request;
        false_proof.token[0] ^= 1;
        note(send(card, &mutual_authenticate(&false_proof)));
        let mut session = authenticate(card, education(), number, sam(OWN_SCHOOL));
        for event in [Event::Register, Event::Freeze] {
            note(session.send_raw(card, &change(event, &model::request(event).emit())));
        }
        for file in education().files {
            note(session.send_raw(card, &read(file)));
        }
    }
    answers
}

#[test]
fn the_same_seed_and_the_same_commands_give_the_same_bytes() {
    let (_directory, path) = stored_card();
    let ram = || RamNvm::new(memory_in(LifeCycleState::Active));
    let mut one = power_up_with(ram(), Env::from_seed(3));
    let mut two = power_up_with(FileNvm::open(&path).unwrap(), Env::from_seed(3));
    let mut other = power_up_with(ram(), Env::from_seed(4));
    let answers = conversation(&mut one);
    assert_eq!(answers, conversation(&mut two));
    assert!(memory(&one) == memory(&two));
    assert_ne!(answers, conversation(&mut other), "another seed, other challenges");
    assert!(memory(&one) == memory(&other), "but the same card");
    assert_eq!(active_card().atr(), one.atr());
    assert_eq!(one.header().kind, CardKind::Student);
}

/// The random identifier comes with power and goes with it; a reset keeps it.
#[test]
fn a_random_uid_is_new_at_each_power_up() {
    let mut memory = test_card::student("1100070100000017").unwrap();
    let privacy = Privacy { random_uid: true, plain_atr: false };
    factory::keep_private(&mut memory, privacy).unwrap();
    let mut card = VirtualCard::new(memory, Env::from_seed(7)).unwrap();
    assert_eq!((card.header().privacy, card.header().uid), (privacy, [0; 7]));
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        card.power_on().unwrap();
        let uid = card.uid().to_vec();
        assert_eq!((uid.len(), uid[0]), (4, 0x08));
        card.reset().unwrap();
        assert_eq!(card.uid(), uid);
        card.power_off();
        seen.insert(uid);
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn an_unknown_option_is_refused() {
    let mut memory = test_card::student("1100070100000017").unwrap();
    memory.write(11, &[0x04]).unwrap();
    assert!(matches!(VirtualCard::new(memory, Env::from_seed(7)), Err(OpenError::Privacy(4))));
}
