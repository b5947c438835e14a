//! The crates that the library crates pull in are those that `docs/adr/0015` accounts for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LIBRARIES: [&str; 7] =
    ["keyscheme", "apdu", "card-model", "emulator", "reader", "vectors", "batch"];

/// Most crates that the libraries may pull in without optional features.
const MOST: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of the crates in the tree of the libraries without optional features, their own apart.
///
/// `.ci/deny` compares the tree with all features: the optional crates need a download, which is no
/// matter for a test.
fn tree() -> BTreeSet<String> {
    let packages = LIBRARIES.map(|name| format!("--package=xuejika-{name}"));
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--edges=normal,build", "--prefix=none"])
        .args(["--format={p}"])
        .args(packages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| !name.starts_with("xuejika-")).map(str::to_owned).collect()
}

/// Names of all packages that any build of the workspace can need.
fn locked() -> BTreeSet<String> {
    let lock: toml::Table =
        toml::from_str(&fs::read_to_string(root().join("Cargo.lock")).unwrap()).unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    packages.map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

/// Rows of a table of the decision, cell by cell.
fn rows(table: &str) -> Vec<Vec<String>> {
    let path = root().join("docs/adr/0015-dependencies-of-the-libraries.md");
    let text = fs::read_to_string(path).unwrap();
    let begin = format!("<!-- {table} -->");
    let end = format!("<!-- /{table} -->");
    let inside = text.split_once(&begin).unwrap().1.split_once(&end).unwrap().0;
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    inside.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

#[test]
fn every_crate_of_the_tree_was_decided() {
    let mut listed = BTreeSet::new();
    for row in [rows("direct dependencies"), rows("transitive dependencies")].concat() {
        assert!(listed.insert(row[1].clone()), "{} is listed twice", row[1]);
    }
    let tree = tree();
    let new: Vec<_> = tree.difference(&listed).collect();
    assert!(new.is_empty(), "not in the decision: {new:?}");
    let locked = locked();
    let gone: Vec<_> = listed.difference(&locked).collect();
    assert!(gone.is_empty(), "in the decision but in no build: {gone:?}");
    assert!(tree.len() <= MOST, "{} crates: {tree:?}", tree.len());
}

#[test]
fn the_direct_dependencies_are_those_of_the_manifests_with_their_floors() {
    let manifest = |folder: &str| -> toml::Table {
        toml::from_str(&fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap())
            .unwrap()
    };
    let mut named = BTreeSet::new();
    for library in LIBRARIES {
        let manifest = manifest(library);
        let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
        let tables = targets.map(|(_, target)| target.as_table().unwrap());
        for table in tables.chain([&manifest]) {
            let names = table.get("dependencies").and_then(toml::Value::as_table).into_iter();
            named.extend(names.flat_map(|names| names.keys().cloned()));
        }
    }
    named.retain(|name| !name.starts_with("xuejika-"));
    let rows = rows("direct dependencies");
    assert_eq!(rows.iter().map(|row| row[1].clone()).collect::<BTreeSet<_>>(), named);

    let workspace = manifest("");
    for row in rows {
        let wanted = &workspace["workspace"]["dependencies"][row[1].as_str()];
        let floor = wanted.as_str().or_else(|| wanted["version"].as_str());
        assert_eq!(floor, Some(row[2].as_str()), "{}", row[1]);
    }
}
