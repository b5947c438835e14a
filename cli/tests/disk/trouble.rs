//! What is done to each verb, and what has to hold then.

use core::fmt::Debug;
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::place::{Ending, Listing, Place, end};
use super::verbs::{Existing, VERBS, Verb};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// Killed at a random moment.
    Kill,
    /// No file can be longer than a random length.
    Limit,
    /// A file system that gets full; the superuser only.
    FullDisk,
    ReadOnlyFolder,
    /// Something is where a file is to be written.
    File,
    Link,
    DanglingLink,
    HardLink,
    Pipe,
    Folder,
}

const TROUBLES: [Trouble; 10] = [
    Trouble::Kill,
    Trouble::Limit,
    Trouble::FullDisk,
    Trouble::ReadOnlyFolder,
    Trouble::File,
    Trouble::Link,
    Trouble::DanglingLink,
    Trouble::HardLink,
    Trouble::Pipe,
    Trouble::Folder,
];

/// What an undisturbed run takes.
struct Usual {
    time: Duration,
    /// Bytes of all files after it.
    bytes: usize,
}

/// Beginning of the name of a file that is not whole yet.
const PART: &str = ".xuejika-";

/// Names of what is in the way, out of the way.
const ASIDE: &str = "aside";

pub(crate) fn run(share: Duration, seed: u64) {
    let start = Instant::now();
    let mut adversary = Adversary {
        place: Place::new(),
        rng: ChaCha8Rng::seed_from_u64(seed),
        done: BTreeMap::new(),
        left_over: 0,
        usual: BTreeMap::new(),
    };
    let mut pairs: Vec<_> =
        (0..VERBS.len()).flat_map(|verb| TROUBLES.map(|trouble| (verb, trouble))).collect();
    for last in (1..pairs.len()).rev() {
        let other = adversary.below(last + 1);
        pairs.swap(last, other);
    }
    let mut rounds = 0;
    for (verb, trouble) in pairs.iter().cycle() {
        if start.elapsed() >= share {
            break;
        }
        adversary.round(*verb, *trouble);
        rounds += 1;
    }
    let user = if adversary.place.is_root { "nobody" } else { "the user of the test" };
    println!(
        "adversary of files, seed {seed}: {rounds} rounds on {} verbs in {} s, run by {user}; {} \
         temporary files left by kills and removed by the next run",
        VERBS.len(),
        start.elapsed().as_secs(),
        adversary.left_over,
    );
    for (what, times) in &adversary.done {
        println!("    {what}: {times}");
    }
}

struct Adversary {
    place: Place,
    rng: ChaCha8Rng,
    /// What was done, and how often.
    done: BTreeMap<String, u64>,
    left_over: u64,
    usual: BTreeMap<usize, Usual>,
}

impl Adversary {
    /// A random number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u64() % limit as u64).unwrap()
    }

    fn note(&mut self, what: impl Debug) {
        *self.done.entry(format!("{what:?}")).or_default() += 1;
    }

    /// One verb and one trouble.
    fn round(&mut self, number: usize, trouble: Trouble) {
        let verb = &VERBS[number];
        self.learn(number);
        self.place.prepare(verb);
        match trouble {
            Trouble::Kill => self.kill(number),
            Trouble::Limit => self.limit(number),
            Trouble::FullDisk => self.full_disk(number),
            Trouble::ReadOnlyFolder => self.read_only(verb),
            _ => self.in_the_way(verb, trouble),
        }
    }

    /// Runs a verb undisturbed, once.
    fn learn(&mut self, number: usize) {
        if self.usual.contains_key(&number) {
            return;
        }
        let verb = &VERBS[number];
        self.place.prepare(verb);
        let start = Instant::now();
        let ending = self.place.run(verb.words);
        let time = start.elapsed();
        assert_eq!(ending.code, Some(0), "{}: {}", verb.words, ending.said);
        let after = self.place.listing();
        self.check_whole(verb, &Listing::new(), &after);
        let bytes = after.values().flatten().map(Vec::len).sum();
        self.usual.insert(number, Usual { time, bytes });
    }

    fn kill(&mut self, number: usize) {
        let verb = &VERBS[number];
        let before = self.place.listing();
        let time = self.usual[&number].time;
        let delay = time.mul_f64(self.below(1100) as f64 / 1000.0);
        let mut child = self.place.start(verb.words, &[]);
        thread::sleep(delay);
        child.kill().unwrap();
        let ending = end(child, verb.words);
        let mut after = self.place.listing();
        let parts = take_parts(&mut after);
        self.check_whole(verb, &before, &after);
        self.check_names(verb, &before, &after);
        if parts > 0 {
            self.left_over += parts;
            self.place.run(verb.words);
            assert_eq!(take_parts(&mut self.place.listing()), 0, "{}", verb.words);
        }
        self.note(if ending.code.is_none() { "killed" } else { "killed too late" });
    }

    fn limit(&mut self, number: usize) {
        let verb = &VERBS[number];
        let before = self.place.listing();
        let blocks = self.below(self.usual[&number].bytes / 512 + 2).to_string();
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let ending = end(self.place.start(verb.words, &["sh", "-c", &limit, "sh"]), verb.words);
        self.check_full(verb, &before, &ending);
        self.note(if ending.code == Some(0) { "limit, enough" } else { "limit reached" });
    }

    fn full_disk(&mut self, number: usize) {
        let verb = &VERBS[number];
        let usual = self.usual[&number].bytes.div_ceil(4096) + VERBS[number].writes.len();
        let before: usize = self.place.listing().values().flatten().map(Vec::len).sum();
        let pages = before.div_ceil(4096) + 1 + self.below(2 * usual);
        self.place.clear();
        let Some(disk) = Disk::mount(&self.place.work(), pages) else {
            return self.note("full disk: cannot mount, not done");
        };
        self.place.prepare(verb);
        let before = self.place.listing();
        let ending = self.place.run(verb.words);
        self.check_full(verb, &before, &ending);
        drop(disk);
        self.note(if ending.code == Some(0) { "disk, enough" } else { "disk full" });
    }

    fn check_full(&self, verb: &Verb, before: &Listing, ending: &Ending) {
        let after = self.place.listing();
        match ending.code {
            Some(0) => {
                self.check_whole(verb, before, &after);
                self.check_names(verb, before, &after);
            }
            Some(3) => {
                let said = ending.said.to_lowercase();
                let work = self.place.work().display().to_string().to_lowercase();
                assert!(said.contains("no space"), "{}: {said}", verb.words);
                assert!(said.contains(&work), "{}: {said}", verb.words);
                same(verb, before, &after);
            }
            code => panic!("{}: status {code:?}: {}", verb.words, ending.said),
        }
    }

    fn read_only(&mut self, verb: &Verb) {
        let before = self.place.listing();
        fs::set_permissions(self.place.work(), PermissionsExt::from_mode(0o555)).unwrap();
        let ending = self.place.run(verb.words);
        self.check_refused(verb, &ending);
        same(verb, &before, &self.place.listing());
        fs::set_permissions(self.place.work(), PermissionsExt::from_mode(0o755)).unwrap();
        self.note("folder that cannot be written");
    }

    /// The file and the reason are named.
    fn check_refused(&self, verb: &Verb, ending: &Ending) {
        let Ending { code, said } = ending;
        assert!(matches!(code, Some(2..=4)), "{}: status {code:?}: {said}", verb.words);
        let work = self.place.work().display().to_string();
        let of_file = said.lines().find(|line| line.contains(&work) && line.contains(": "));
        assert!(of_file.is_some(), "{}: {said}", verb.words);
    }

    fn in_the_way(&mut self, verb: &Verb, trouble: Trouble) {
        let at = self.below(verb.writes.len());
        let written = verb.writes[at];
        // A folder that a verb makes is to be new.
        let (name, existing) = match verb.folder {
            Some(folder) if written.existing == Existing::Refused => (folder, Existing::Refused),
            Some(folder) => {
                fs::create_dir(self.place.work().join(folder)).unwrap();
                (written.name, written.existing)
            }
            None => (written.name, written.existing),
        };
        let path = self.place.work().join(name);
        let aside = self.place.work().join(ASIDE);
        put(trouble, existing, &path, &aside);
        self.open_to_all();
        let before = self.place.listing();
        let ending = self.place.run(verb.words);
        let after = self.place.listing();
        let what = format!("{trouble:?} as {name} of {}", verb.words);
        if ending.code == Some(0) {
            let harmless = match trouble {
                Trouble::File | Trouble::Link => existing != Existing::Refused,
                Trouble::HardLink => existing == Existing::Replaced,
                // Empty, as it may be.
                Trouble::Folder => verb.folder == Some(name),
                _ => false,
            };
            assert!(harmless, "{what}: ended with 0");
            self.check_whole(verb, &before, &after);
            assert_eq!(path.is_symlink(), trouble == Trouble::Link, "{what}");
        } else {
            self.check_refused(verb, &ending);
            assert!(
                ending.said.contains(name) || ending.said.contains(ASIDE),
                "{what}: {}",
                ending.said
            );
            if trouble != Trouble::File || existing != Existing::Needed {
                same(verb, &before, &after);
            }
        }
        self.note(trouble);
    }

    /// What the superuser put there belongs to the user who runs the program.
    fn open_to_all(&self) {
        for entry in fs::read_dir(self.place.work()).unwrap() {
            let path = entry.unwrap().path();
            if self.place.is_root {
                std::os::unix::fs::lchown(&path, Some(65534), Some(65534)).unwrap();
            }
        }
    }

    /// Each file is the old one or a whole one.
    fn check_whole(&self, verb: &Verb, before: &Listing, after: &Listing) {
        for written in verb.writes {
            let Some(contents) = after.get(written.name) else { continue };
            if before.get(written.name) == Some(contents) {
                continue;
            }
            let path = self.place.work().join(written.name);
            // Rows without their manifest are no batch yet.
            let read = |command: &str| self.place.run(command).code == Some(0);
            assert!(written.whole.holds(&path, read), "{}: {path:?} is not whole", verb.words);
        }
    }

    /// There is nothing that was not there and is not written by the verb.
    fn check_names(&self, verb: &Verb, before: &Listing, after: &Listing) {
        let in_folder = |name: &str| verb.folder.is_some_and(|folder| name.starts_with(folder));
        for name in after.keys() {
            let written = verb.writes.iter().any(|written| written.name == name);
            let known = before.contains_key(name) || written || in_folder(name);
            assert!(known, "{}: left {name}", verb.words);
        }
        assert!(before.keys().all(|name| after.contains_key(name)), "{}", verb.words);
    }
}

/// Takes the names of files that are not whole out of a listing, and counts them.
fn take_parts(listing: &mut Listing) -> u64 {
    let before = listing.len();
    listing.retain(|name, _| !name.rsplit('/').next().unwrap_or_default().starts_with(PART));
    (before - listing.len()) as u64
}

fn same(verb: &Verb, before: &Listing, after: &Listing) {
    let names = |listing: &Listing| listing.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after), "{}", verb.words);
    for (name, contents) in before {
        assert!(after[name] == *contents, "{}: {name} has changed", verb.words);
    }
}

/// Puts something where a file is to be written.
fn put(trouble: Trouble, existing: Existing, path: &Path, aside: &Path) {
    let needed = existing == Existing::Needed;
    if needed {
        fs::rename(path, aside).unwrap();
    }
    let target = || {
        if !needed {
            fs::write(aside, "what was there").unwrap();
        }
    };
    match trouble {
        Trouble::File if needed => fs::rename(aside, path).unwrap(),
        Trouble::File => fs::write(path, "what was there").unwrap(),
        Trouble::Link => {
            target();
            symlink(aside, path).unwrap();
        }
        Trouble::DanglingLink => symlink(aside.with_extension("none"), path).unwrap(),
        Trouble::HardLink => {
            target();
            fs::hard_link(aside, path).unwrap();
        }
        Trouble::Pipe => {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        Trouble::Folder => fs::create_dir(path).unwrap(),
        _ => unreachable!("nothing is put anywhere"),
    }
}

/// A small file system, for as long as the value lives.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path, pages: usize) -> Option<Self> {
        let size = format!("size={},uid=65534,gid=65534,mode=755", pages * 4096);
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path);
        command.stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success()).then(|| Self(path.into()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot unmount {:?}", self.0);
    }
}
