//! Runs the program and serves cards with it.

use core::time::Duration;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// Path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_xuejika");

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Serial of the cards.
pub(crate) const SERIAL: &str = "1100260100000014";

/// SELECT of the education zone.
pub(crate) const SELECT: &str = "00A4040007F0424A4544550100";

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Standard output as one JSON object per line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The one JSON object.
    pub(crate) fn object(&self) -> Value {
        let objects = self.objects();
        assert_eq!(objects.len(), 1, "{self:?}");
        objects[0].clone()
    }

    /// Checks the exit code.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// Runs the program.
pub(crate) fn run(arguments: &[&str]) -> Run {
    run_with(arguments, "")
}

/// Runs the program with this standard input.
pub(crate) fn run_with(arguments: &[&str], input: &str) -> Run {
    let mut command = assert_cmd::Command::new(PROGRAM);
    let output = command.args(arguments).write_stdin(input).timeout(PATIENCE).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().expect("the program was killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs the commands of a page of `docs`, its blocks of `sh`, as they stand there, and gives what they
/// print. All of them end well but those that say `# status 1`.
#[cfg(unix)]
pub(crate) fn paste(page: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut script = "set -e\n".to_owned();
    for line in blocks.flat_map(str::lines) {
        match line.split_once("# status 1") {
            Some((command, _)) => {
                script += &format!("s=0; {command} || s=$?; test $s -eq 1\n");
            }
            None => script += &format!("{line}\n"),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let played = assert_cmd::Command::new("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .current_dir(&folder)
        .timeout(PATIENCE)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&played.stdout) + &text(&played.stderr);
    assert!(played.status.success(), "{told}");
    told
}

/// A folder with the image of a new card in it.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new(profile: &str) -> Self {
        Self::with(profile, &[])
    }

    /// With a card that has still to be initialised.
    pub(crate) fn blank(profile: &str) -> Self {
        Self::with(profile, &["--blank"])
    }

    fn with(profile: &str, options: &[&str]) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let create = ["card", "create", "--profile", profile, "--serial", SERIAL, "-o"];
        run(&[&create[..], &[&*desk.card()], options].concat()).expect(0);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Path of the image.
    pub(crate) fn card(&self) -> String {
        self.path("card.img").display().to_string()
    }

    /// The image as a target.
    pub(crate) fn target(&self) -> String {
        format!("emu:{}", self.card())
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, contents: &str) -> String {
        std::fs::write(self.path(name), contents).unwrap();
        self.path(name).display().to_string()
    }

    pub(crate) fn example(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        std::fs::read_to_string(folder.join(name)).unwrap()
    }
}

/// The program, serving a card on a port of its choice.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// Where it listens.
    pub(crate) address: String,
    lines: Receiver<String>,
}

impl Server {
    /// Serves the card in `image`.
    pub(crate) fn start(image: &str, options: &[&str]) -> Self {
        let listen = ["emulate", image, "--listen", "127.0.0.1:0"];
        let mut server = Self::spawn(&[&listen, options].concat());
        server.address = server.wait_for("listening on ");
        server
    }

    /// As [`Self::start`], with at most so many descriptors.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_with_descriptors(image: &str, most: usize) -> Self {
        let script = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
        let listen = ["-c", &script, PROGRAM, "emulate", image, "--listen", "127.0.0.1:0"];
        let mut server = Self::of(Command::new("sh").args(listen));
        server.address = server.wait_for("listening on ");
        server
    }

    /// Runs the program with these arguments and does not wait for anything.
    pub(crate) fn spawn(arguments: &[&str]) -> Self {
        Self::of(Command::new(PROGRAM).args(arguments))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, address: String::new(), lines }
    }

    /// What follows `prefix` in the first line that begins with it.
    pub(crate) fn wait_for(&self, prefix: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect(prefix);
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }

    /// The card as a target.
    pub(crate) fn target(&self) -> String {
        format!("tcp://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
