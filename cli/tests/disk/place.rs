//! Folders to work in, and the program, run by a user whom rights bind.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::geteuid;
use tempfile::TempDir;

use super::verbs::{INPUTS, TEXTS, Verb};

/// A user without rights, who runs the program when the superuser runs the test.
const NOBODY: u32 = 65534;

/// Longest run of a verb.
const PATIENCE: Duration = Duration::from_secs(60);

/// What lies in a folder: each name with its contents; none for what is no regular file.
pub(crate) type Listing = BTreeMap<String, Option<Vec<u8>>>;

/// How a run ended.
pub(crate) struct Ending {
    /// None: it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// The folders of a run.
pub(crate) struct Place {
    folder: TempDir,
    /// Whether the test is run by the superuser.
    pub(crate) is_root: bool,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), is_root: geteuid().is_root() };
        place.own(place.folder.path());
        let folder = fs::canonicalize(place.folder.path()).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_xuejika"), folder.join("program")).unwrap();
        for name in ["inputs", "work"] {
            fs::create_dir(folder.join(name)).unwrap();
            place.own(&folder.join(name));
        }
        for (name, text) in TEXTS {
            fs::write(place.inputs().join(name), text).unwrap();
        }
        for words in INPUTS {
            let ending = place.run(words);
            assert_eq!(ending.code, Some(0), "{words}: {}", ending.said);
        }
        place
    }

    fn own(&self, path: &Path) {
        if self.is_root {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn inputs(&self) -> PathBuf {
        self.folder.path().join("inputs")
    }

    /// Empties the folder and puts in what a verb needs.
    pub(crate) fn prepare(&self, verb: &Verb) {
        self.clear();
        for name in verb.needs {
            let to = self.work().join(name);
            fs::copy(self.inputs().join(name), &to).unwrap();
            self.own(&to);
            fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).unwrap();
        }
    }

    pub(crate) fn clear(&self) {
        fs::set_permissions(self.work(), PermissionsExt::from_mode(0o755)).unwrap();
        for entry in fs::read_dir(self.work()).unwrap() {
            let path = entry.unwrap().path();
            let is_folder = path.symlink_metadata().unwrap().is_dir();
            if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }

    /// Everything in the folder and in the folders in it.
    pub(crate) fn listing(&self) -> Listing {
        fn add(folder: &Path, front: &str, to: &mut Listing) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{front}{}", entry.file_name().to_str().unwrap());
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    add(&entry.path(), &format!("{name}/"), to);
                }
                let contents = kind.is_file().then(|| fs::read(entry.path()).unwrap());
                to.insert(name, contents);
            }
        }
        let mut listing = Listing::new();
        add(&self.work(), "", &mut listing);
        listing
    }

    /// The program, or `through` with the program after it.
    pub(crate) fn start(&self, words: &str, through: &[&str]) -> Child {
        let program = self.folder.path().join("program");
        let mut all: Vec<String> = through.iter().map(|word| (*word).to_owned()).collect();
        all.push(program.display().to_string());
        let (work, inputs) = (self.work(), self.inputs());
        all.extend(words.split_whitespace().map(|word| {
            let word = word.replace('@', &format!("{}/", work.display()));
            word.replace('%', &format!("{}/", inputs.display()))
        }));
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn().unwrap()
    }

    pub(crate) fn run(&self, words: &str) -> Ending {
        end(self.start(words, &[]), words)
    }
}

/// Waits for the end; what waits for something itself fails the test.
pub(crate) fn end(mut child: Child, words: &str) -> Ending {
    let start = Instant::now();
    let code = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None if start.elapsed() > PATIENCE => {
                child.kill().unwrap();
                panic!("{words}: does not end");
            }
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    Ending { code, said }
}
