//! No mode of the program leaves its memory to others: no core dump, and nobody but the superuser
//! looks into the process.
//!
//! Each mode is held at its first output, which goes into a pipe that is full.

use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::geteuid;
use tempfile::TempDir;

use super::support::{PATIENCE, PROGRAM, SELECT};

/// A user without rights, to whom processes of the superuser are given.
const NOBODY: u32 = 65534;

/// Every mode that can hold keys, and some that cannot; `@` stands for the folder.
const MODES: [&str; 20] = [
    "demo",
    "card create --profile cpu-aes --serial 1100070100000017 -o @new.card",
    "card show @card",
    "card export --s70 @card -o @s70",
    "emulate @card --listen 127.0.0.1:0",
    "apdu --target emu:@card 00A40000023F00",
    "script --target emu:cpu-aes @script",
    "reader read --target emu:@card",
    "wallet balance --target emu:@card",
    "keys kcv @key",
    "keys generate --kind aes-128 -o @new.key",
    "batch generate --count 2 --out @new.batch",
    "batch check @batch --keys test",
    "list show @none",
    "desk personalisation --target emu:@card",
    "conformance run --target emu:cpu-aes --filter EDU-*",
    "conformance list",
    "scenario run",
    "scenario list",
    "vectors verify",
];

#[test]
fn a_process_with_keys_leaves_no_core() {
    let desk = Desk::new();
    for mode in MODES {
        let (_reader, full) = full_pipe();
        let mut child = desk.start(mode, full);
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let (start, mut safe) = (Instant::now(), [false; 2]);
        while safe != [true; 2] && start.elapsed() < PATIENCE && lives(&mut child) {
            thread::sleep(core::time::Duration::from_millis(5));
            safe = [has_no_core(&process), is_closed(&process, desk.user)];
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(safe, [true; 2], "{mode}: no core, and closed to others");
    }
}

fn lives(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

/// Neither the soft nor the hard limit lets a core be written.
fn has_no_core(process: &Path) -> bool {
    let limits = fs::read_to_string(process.join("limits")).unwrap_or_default();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    core.is_some_and(|limits| limits.split_whitespace().take(2).all(|limit| limit == "0"))
}

/// The files of a process that cannot be dumped belong to the superuser.
fn is_closed(process: &Path, user: u32) -> bool {
    fs::metadata(process.join("environ")).is_ok_and(|about| about.uid() != user)
}

/// A pipe into which nothing more goes.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while writer.write(&vec![b'x'; size]).is_ok() {}
        let full = writer.write(&vec![b'x'; size]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// A folder with inputs, and the program, where an ordinary user can use them.
struct Desk {
    folder: TempDir,
    user: u32,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = geteuid().as_raw();
        let desk = Self { folder, user: if own == 0 { NOBODY } else { own } };
        fs::set_permissions(desk.folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        fs::copy(PROGRAM, desk.program()).unwrap();
        fs::write(desk.folder.path().join("script"), format!("{SELECT} = 9000\n")).unwrap();
        for set_up in [
            "card create --profile cpu-aes --serial 1100070100000017 -o @card",
            "keys generate --kind aes-128 -o @key",
            "batch generate --count 2 --out @batch",
        ] {
            assert!(desk.command(set_up).status().unwrap().success(), "{set_up}");
        }
        desk
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn command(&self, words: &str) -> Command {
        let folder = format!("{}/", self.folder.path().display());
        let mut command = Command::new(self.program());
        command.args(words.split(' ').map(|word| word.replace('@', &folder)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // What the superuser starts belongs to the superuser anyway, and would show nothing.
        if self.user != geteuid().as_raw() {
            command.uid(self.user).gid(self.user);
        }
        command
    }

    fn start(&self, words: &str, full: PipeWriter) -> Child {
        let stderr = full.try_clone().unwrap();
        self.command(words).stdout(full).stderr(stderr).spawn().unwrap()
    }
}
