//! House rules that no compiler checks: the direction between the crates, sizes, who does I/O, and
//! no leftover notes. `ARCHITECTURE.md` and `CONTRIBUTING.md` state them.
//!
//! Each rule is a function from a text to its findings, so that the tests at the end can show it a
//! text that breaks it. Code is what stands outside line comments, up to the inline tests. Lengths of
//! functions, reasons of exceptions and panics are clippy's (`Cargo.toml`, `clippy.toml`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

use std::fs;
use std::path::Path;

/// The crates, and which of the others each may link. `benches` and `fuzz` are nobody's.
const EDGES: [(&str, &[&str]); 9] = [
    ("keyscheme", &[]),
    ("apdu", &["keyscheme"]),
    ("card-model", &["keyscheme"]),
    ("emulator", &["apdu", "card-model", "keyscheme"]),
    ("reader", &["apdu", "card-model", "keyscheme"]),
    ("vectors", &["apdu", "card-model", "keyscheme"]),
    ("batch", &["card-model", "keyscheme"]),
    ("cli", &["apdu", "batch", "card-model", "emulator", "keyscheme", "reader", "vectors"]),
    ("benches", &["apdu", "card-model", "emulator", "keyscheme", "reader", "vectors"]),
];

/// Crates that firmware links.
const NO_STD: [&str; 4] = ["keyscheme", "apdu", "card-model", "reader"];

/// Where files, sockets and terminals may be used.
const IO: [&str; 7] = [
    "emulator/",
    "reader/src/channel",
    "batch/src/file/",
    "batch/src/history",
    "cli/",
    "benches/",
    "fuzz/",
];

/// What I/O looks like in code.
const IO_WORDS: [&str; 5] = ["std::fs", "std::net", "print!(", "println!(", "std::process"];

/// What makes text for people and for other programs, and the only files that may use it: there is no
/// other way out for text from files, cards and the network.
const WRITERS: [(&str, &[&str]); 4] = [
    ("io::stdout", &["cli/src/output.rs"]),
    ("io::stderr", &["cli/src/exit.rs"]),
    ("print!(", &[]),
    // A build script talks to cargo that way.
    ("println!(", &["cli/build.rs"]),
];

/// What unfinished work looks like, split so that this file holds none of it.
const NOTES: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!"),
];

/// Longest source file outside `tests/`, in lines.
const MAX_FILE_LINES: usize = 600;

#[test]
fn crates_depend_in_one_direction() {
    let workspace = manifest("");
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let known = |name: &str| EDGES.iter().any(|(member, _)| *member == name);
    let strangers = members
        .iter()
        .filter_map(|member| member.as_str())
        .filter(|member| !known(member))
        .map(|member| format!("{member} has no place in the table of edges"));
    let wrong =
        EDGES.iter().flat_map(|(member, allowed)| wrong_edges(member, &manifest(member), allowed));
    assert_none(strangers.chain(wrong));
}

#[test]
fn crate_roots_forbid_unsafe_code() {
    let roots = sources().filter(|(path, _)| {
        let in_member = EDGES.iter().any(|(member, _)| path.starts_with(&format!("{member}/src/")));
        in_member && (path.ends_with("src/lib.rs") || path.ends_with("src/main.rs"))
    });
    let checked: Vec<_> =
        roots.map(|(path, text)| (path, text.contains("#![forbid(unsafe_code)]"))).collect();
    assert!(checked.len() >= EDGES.len(), "only {} crate roots were found", checked.len());
    assert_none(
        checked
            .iter()
            .filter(|(_, forbids)| !forbids)
            .map(|(path, _)| format!("{path} does not forbid unsafe code")),
    );
}

#[test]
fn firmware_crates_are_no_std() {
    assert_none(NO_STD.into_iter().filter_map(|member| {
        let path = format!("{member}/src/lib.rs");
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let no_std = text.contains("#![no_std]");
        (!no_std).then(|| format!("{path} is not no_std"))
    }));
}

#[test]
fn files_are_short() {
    let sources = sources().filter(|(path, _)| !is_test(path));
    assert_none(sources.filter_map(|(path, text)| too_long(&path, &text)));
}

#[test]
fn only_the_outer_crates_do_io() {
    let inner = sources().filter(|(path, _)| {
        let outer = IO.iter().any(|place| path.starts_with(place));
        !(outer || is_test(path) || is_example(path))
    });
    assert_none(inner.flat_map(|(path, text)| io(&path, &text)));
}

#[test]
fn text_leaves_the_program_in_one_place() {
    let program = sources().filter(|(path, _)| path.starts_with("cli/src/"));
    assert_none(program.flat_map(|(path, text)| unescaped(&path, &text)));
}

#[test]
fn no_leftover_notes() {
    assert_none(files().flat_map(|(path, text)| find(&path, text.lines(), &NOTES)));
}

#[test]
fn tests_named_by_the_threat_model_exist() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    assert!(text.contains("::"), "SECURITY.md names no test");
    assert_none(missing_tests(&text, |path| fs::read_to_string(root().join(path)).ok()));
}

/// Tests named as `path::function` in `text` that are not there.
fn missing_tests(text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once(".rs::").map(|parts| (quoted, parts)))
        .filter(|(_, (path, function))| {
            let source = read(&format!("{path}.rs")).unwrap_or_default();
            !source.contains(&format!("fn {function}("))
        })
        .map(|(quoted, _)| format!("there is no {quoted}"))
        .collect()
}

/// Dependencies of a crate that point the wrong way. Tests may look anywhere but at the outside.
fn wrong_edges(member: &str, manifest: &toml::Table, allowed: &[&str]) -> Vec<String> {
    let tables = |table: &toml::Table, name: &str| -> Vec<String> {
        let entries = table.get(name).and_then(toml::Value::as_table);
        entries
            .into_iter()
            .flat_map(|entries| entries.keys())
            .filter_map(|key| key.strip_prefix("xuejika-").map(str::to_owned))
            .collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let linked = core::iter::once(manifest)
        .chain(targets.into_iter().flat_map(|t| t.values()).filter_map(toml::Value::as_table))
        .flat_map(|table| {
            [tables(table, "dependencies"), tables(table, "build-dependencies")].concat()
        })
        .filter(|edge| !allowed.contains(&edge.as_str()));
    let outside = tables(manifest, "dev-dependencies")
        .into_iter()
        .filter(|edge| edge == "benches" || edge == "fuzz");
    linked.chain(outside).map(|edge| format!("{member} must not depend on {edge}")).collect()
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_FILE_LINES).then(|| format!("{path} has {lines} lines"))
}

fn io(path: &str, text: &str) -> Vec<String> {
    find(path, code(text), &IO_WORDS)
}

fn unescaped(path: &str, text: &str) -> Vec<String> {
    let words = WRITERS.iter().filter(|(_, allowed)| !allowed.contains(&path));
    let words: Vec<_> = words.map(|(word, _)| *word).collect();
    find(path, code(text), &words)
}

/// The lines of `text` up to its inline tests, those that are comments blanked.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    lines.map(|line| if line.trim_start().starts_with("//") { "" } else { line })
}

fn find<'a>(path: &str, lines: impl Iterator<Item = &'a str>, words: &[&str]) -> Vec<String> {
    (1..)
        .zip(lines)
        .flat_map(|(number, line)| words.iter().map(move |word| (number, line, word)))
        .filter(|(_, line, word)| line.contains(*word))
        .map(|(number, _, word): (usize, _, _)| format!("{path}:{number} holds {word}"))
        .collect()
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/")
}

fn is_example(path: &str) -> bool {
    path.starts_with("examples/") || path.contains("/examples/")
}

fn manifest(folder: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// Rust sources of the repository, each with its path.
fn sources() -> impl Iterator<Item = (String, String)> {
    files().filter(|(path, _)| path.ends_with(".rs"))
}

/// Text files of the repository, each with its path from the root.
fn files() -> impl Iterator<Item = (String, String)> {
    let mut folders = vec![root().to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            let left_out = [".git", "target", "corpus"].iter().any(|other| name == *other);
            if entry.file_type().unwrap().is_dir() {
                folders.extend((!left_out).then(|| entry.path()));
            } else {
                files.push(entry.path());
            }
        }
    }
    files.into_iter().filter_map(|file| {
        let text = String::from_utf8(fs::read(&file).ok()?).ok()?;
        let path = file.strip_prefix(root()).ok()?.to_str()?.replace('\\', "/");
        Some((path, text))
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn assert_none(findings: impl IntoIterator<Item = String>) {
    let findings: Vec<_> = findings.into_iter().collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_wrong_edge_is_found() {
    let table = "[dependencies]\nxuejika-apdu = \"1\"\nxuejika-keyscheme = \"1\"\n\
                 [target.'cfg(unix)'.dependencies]\nxuejika-emulator = \"1\"\n\
                 [dev-dependencies]\nxuejika-vectors = \"1\"\nxuejika-benches = \"1\"\n";
    let findings = wrong_edges("card-model", &table.parse().unwrap(), &["keyscheme"]);
    let edges = ["apdu", "emulator", "benches"];
    assert_eq!(findings, edges.map(|edge| format!("card-model must not depend on {edge}")));
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(too_long("a.rs", &"\n".repeat(MAX_FILE_LINES)), None);
    let long = too_long("a.rs", &"\n".repeat(MAX_FILE_LINES + 1));
    assert_eq!(long.as_deref(), Some("a.rs has 601 lines"));
}

#[test]
fn io_is_found_in_code_alone() {
    let innocent = "// println!(\n    /// std::fs\n#[cfg(test)]\nmod t { use std::fs; }";
    assert_eq!(io("a.rs", innocent), [""; 0]);
    assert_eq!(io("a.rs", "\nuse std::net::TcpStream;"), ["a.rs:2 holds std::net"]);
    assert!(
        io("a.rs", "fn f() { eprintln!(\"\") }").contains(&"a.rs:1 holds println!(".to_owned())
    );
}

#[test]
fn another_way_out_for_text_is_found() {
    let code = "fn f() { io::stdout(); }";
    assert_eq!(unescaped("cli/src/output.rs", code), [""; 0]);
    assert_eq!(unescaped("cli/src/desk.rs", code), ["cli/src/desk.rs:1 holds io::stdout"]);
}

#[test]
fn a_note_is_found() {
    assert_eq!(find("a.md", NOTES[0].lines(), &NOTES), [format!("a.md:1 holds {}", NOTES[0])]);
}

#[test]
fn a_missing_test_is_found() {
    let text = "`a.rs::here` and `a.rs::gone`, `b.rs::here`, not `a.rs`";
    let read = |path: &str| (path == "a.rs").then(|| "fn here() {}".to_owned());
    assert_eq!(missing_tests(text, read), ["there is no a.rs::gone", "there is no b.rs::here"]);
}
