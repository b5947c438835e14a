//! Runs `xuejika batch` on batches in temporary folders.

use core::time::Duration;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_xuejika");

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Checks the exit code.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Standard output as one JSON object per line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// What was found.
    pub(crate) fn findings(&self) -> BTreeSet<Found> {
        let objects = self.objects();
        objects.iter().filter(|object| object["report"] == "finding").map(Found::of).collect()
    }

    /// The last object.
    pub(crate) fn verdict(&self) -> Value {
        let verdict = self.objects().pop().expect("a verdict");
        assert_eq!(verdict["report"], "verdict");
        verdict
    }
}

/// A finding as far as it is foretold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) row: Option<u64>,
    /// The serial without a row.
    pub(crate) gap: Option<String>,
}

impl Found {
    /// A finding on a row.
    pub(crate) fn on(id: &str, row: u64) -> Self {
        Self { id: id.to_owned(), row: Some(row), gap: None }
    }

    /// A finding on no row.
    pub(crate) fn of_batch(id: &str) -> Self {
        Self { id: id.to_owned(), row: None, gap: None }
    }

    fn of(object: &Value) -> Self {
        let id = object["id"].as_str().unwrap().to_owned();
        let gap = (id == "B-SER-005").then(|| object["subject"].as_str().unwrap().to_owned());
        Self { id, row: object["row"].as_u64(), gap }
    }
}

/// Runs the program.
pub(crate) fn run(arguments: &[&str]) -> Run {
    let mut command = assert_cmd::Command::new(PROGRAM);
    let output = command.args(arguments).timeout(PATIENCE).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().expect("the program was killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// A batch in a folder of its own.
pub(crate) struct Batch {
    folder: TempDir,
}

impl Batch {
    /// Generates a batch.
    pub(crate) fn new(options: &[&str]) -> Self {
        let batch = Self { folder: tempfile::tempdir().unwrap() };
        let folder = batch.path("").display().to_string();
        run(&[&["batch", "generate", "--out", &folder], options].concat()).expect(0);
        batch
    }

    /// Generates a batch with one defect.
    pub(crate) fn with_defect(kind: &str, options: &[&str]) -> Self {
        let defects = tempfile::NamedTempFile::new().unwrap();
        fs::write(&defects, format!("[[defect]]\nkind = {kind:?}\n")).unwrap();
        let path = defects.path().display().to_string();
        Self::new(&[&["--defects", &path], options].concat())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    /// Changes the manifest.
    pub(crate) fn edit_manifest(&self, edit: impl FnOnce(&mut toml::Table)) {
        let mut manifest: toml::Table = self.text("batch.toml").parse().unwrap();
        edit(&mut manifest);
        self.write("batch.toml", manifest.to_string());
    }

    /// Replaces the file of rows and declares its length and hash.
    pub(crate) fn replace_rows(&self, name: &str, contents: impl AsRef<[u8]>) {
        self.write(name, &contents);
        let length = i64::try_from(contents.as_ref().len()).unwrap();
        let hash = hex::encode(Sha256::digest(&contents));
        self.edit_manifest(|manifest| {
            let file = manifest["file"][0].as_table_mut().unwrap();
            file.insert("name".to_owned(), name.into());
            file.insert("bytes".to_owned(), length.into());
            file.insert("sha256".to_owned(), hash.into());
        });
    }

    /// The lines of the file of rows, with its heading.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text("cards.csv").lines().map(str::to_owned).collect()
    }

    /// Replaces the lines of the file of rows.
    pub(crate) fn set_lines(&self, lines: &[String]) {
        self.replace_rows("cards.csv", lines.join("\n") + "\n");
    }

    /// Checks it with these options.
    pub(crate) fn check_with(&self, options: &[&str]) -> Run {
        let folder = self.path("").display().to_string();
        run(&[&["batch", "check", "--json", "--limit", "100000", &folder], options].concat())
    }

    /// Checks it with the test keys.
    pub(crate) fn check(&self) -> Run {
        self.check_with(&["--keys", "test"])
    }

    /// What the truth file foretells.
    pub(crate) fn truth(&self) -> BTreeSet<Found> {
        let text = self.text("truth.jsonl");
        let planted = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        planted
            .flat_map(|planted| planted["expect"].as_array().unwrap().clone())
            .map(|expected| Found {
                id: expected["id"].as_str().unwrap().to_owned(),
                row: expected["row"].as_u64(),
                gap: expected["gap"].as_str().map(str::to_owned),
            })
            .collect()
    }
}

/// Declares the file that holds the rows now.
pub(crate) fn declare(
    batch: &Batch,
    name: &str,
    format: &str,
    contents: &[u8],
    mapping: Option<&str>,
) {
    batch.replace_rows(name, contents);
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.insert("format".to_owned(), format.into());
        if let Some(text) = mapping {
            batch.write("vendor.toml", text);
            file.insert("mapping".to_owned(), "vendor.toml".into());
        }
    });
}

/// Runs the program in 600 MB of address space.
pub(crate) fn run_limited(arguments: &[&str]) -> Run {
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", "ulimit -v 600000 && exec \"$0\" \"$@\"", PROGRAM]).args(arguments);
    let output = command.timeout(PATIENCE).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("ended by a signal");
    let run = Run { code, out: text(output.stdout), err: text(output.stderr) };
    assert!(!run.err.contains("panicked"), "{run:?}");
    run
}
