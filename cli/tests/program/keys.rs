//! `keys`: what it makes, and that secrets come and go only where they should.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::support::{PROGRAM, Run, run, run_with};

/// A folder for keys.
struct Safe(TempDir);

/// The name of the root of K1.
const READ: &str = "DF01-01-01-01";

impl Safe {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Runs a command whose words that start with `@` are files here.
    fn keys(&self, command: &str) -> Run {
        let words = command.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name),
            None => word.to_owned(),
        });
        let words: Vec<String> =
            ["keys".to_owned(), "--json".to_owned()].into_iter().chain(words).collect();
        run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        self.set_mode(name, 0o600);
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The digits of a key in a file of secrets.
    fn digits(&self, name: &str) -> String {
        let text = self.text(name);
        let key = text.lines().find(|line| !line.starts_with('#')).unwrap();
        key.rsplit(' ').next().unwrap().to_owned()
    }
}

/// The check value in a report.
fn kcv(run: Run) -> String {
    run.expect(0).objects().last().unwrap()["kcv"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_goes_through_a_ceremony_and_a_block() {
    for (kind, kbpk, version, method) in [
        ("aes-128", "aes-256", "D", "cmac-aes"),
        ("aes-256", "aes-256", "D", "cmac-aes"),
        ("tdes-2", "tdes-3", "B", "zero-block"),
    ] {
        let safe = Safe::new();
        let made = kcv(safe.keys(&format!("generate --kind {kind} -o @key")));
        assert!(made.starts_with(method), "{made}");
        safe.keys(&format!("generate --kind {kbpk} -o @kbpk")).expect(0);
        let split = safe.keys("split @key --parts 3 -o @part").expect(0);
        assert_eq!(split.objects().len(), 4);
        assert_eq!(kcv(split), made);
        let combine = "combine @part-2 @part-3 @part-1 -o";
        assert_eq!(kcv(safe.keys(&format!("{combine} @again --kcv {made}"))), made);
        assert_eq!(safe.digits("again"), safe.digits("key"));
        let wrap = format!("wrap @again --kbpk @kbpk --version {version} -o @block");
        assert_eq!(kcv(safe.keys(&wrap)), made);
        assert_eq!(kcv(safe.keys("unwrap @block --kbpk @kbpk -o @back")), made);
        assert_eq!(safe.digits("back"), safe.digits("key"));
        let claims = safe.keys("inspect @block").expect(0).object();
        assert_eq!((&claims["version"], &claims["usage"]), (&version.into(), &"B3".into()));
        for name in ["key", "part-1", "part-2", "part-3", "again", "block", "back"] {
            assert_eq!(safe.mode(name), 0o600, "{name}");
        }
    }
}

#[test]
fn roots_are_used_from_blocks_and_envelopes() {
    let safe = Safe::new();
    let made = kcv(safe.keys("generate -o @root"));
    safe.keys("generate --kind aes-256 -o @kbpk").expect(0);
    safe.keys("generate -o @kek").expect(0);
    let block = format!("wrap @root --kbpk @kbpk --key {READ} -o @block");
    assert_eq!(kcv(safe.keys(&block)), made);
    let envelope = format!("wrap @root --kek @kek --key {READ} -o @roots.toml");
    assert_eq!(kcv(safe.keys(&envelope)), made);
    for source in ["--keys @block --kbpk @kbpk", "--keys @roots.toml --kek @kek"] {
        let shown = safe.keys(&format!("kcv {source}")).expect(0);
        assert!(shown.err.contains("in the memory of this process"));
        assert_eq!(
            (&shown.object()["kcv"], &shown.object()["test"]),
            (&made.clone().into(), &false.into())
        );
        let derive = format!("derive {source} --key {READ} --card 1100070100000017");
        let city = kcv(safe.keys(&derive));
        let school = kcv(safe.keys(&format!("{derive} --district 0108 --unit 084012")));
        assert_ne!(city, school);
    }
    let wrong = safe.keys("kcv --keys @block --kbpk @kek").expect(2);
    assert!(wrong.err.contains("authenticator does not match"), "{}", wrong.err);
    // The name stands in the block.
    let named = safe.keys("unwrap @block --kbpk @kbpk").expect(0).object();
    assert_eq!(named["key"], format!("xjk-{READ}"));
}

#[test]
fn an_sm4_root_goes_into_an_envelope_alone() {
    let safe = Safe::new();
    let made = kcv(safe.keys("generate --kind sm4 -o @root"));
    assert!(made.starts_with("cmac-sm4:"));
    safe.keys("generate --kind sm4 -o @kek").expect(0);
    safe.keys("generate --kind aes-256 -o @kbpk").expect(0);
    let block = safe.keys("wrap @root --kbpk @kbpk --key DF01-01-01-02 -o @block").expect(2);
    assert!(block.err.contains("SM4 has no key algorithm letter"), "{}", block.err);
    safe.keys("wrap @root --kek @kek --key DF01-01-01-02 -o @roots").expect(0);
    assert_eq!(kcv(safe.keys("kcv --keys @roots --kek @kek")), made);
}

#[test]
fn a_wallet_root_goes_into_an_envelope_for_its_type() {
    let safe = Safe::new();
    let made = kcv(safe.keys("generate --kind tdes-2 -o @root"));
    safe.keys("generate -o @kek").expect(0);
    let wrap = "wrap @root --kek @kek --wallet-type 3e";
    assert_eq!(kcv(safe.keys(&format!("{wrap} -o @roots.toml"))), made);
    let name = "wallet keys of type 3E (purchase key)";
    let shown = safe.keys("kcv --keys @roots.toml --kek @kek").expect(0).object();
    let expected = (&name.into(), &made.clone().into(), &false.into());
    assert_eq!((&shown["key"], &shown["kcv"], &shown["test"]), expected);
    let asked = safe.keys("kcv --keys @roots.toml --kek @kek --wallet-type 3E").expect(0);
    assert_eq!(asked.object(), shown);
    let none = safe.keys("kcv --keys @roots.toml --kek @kek --wallet-type 3F").expect(2);
    assert!(none.err.contains("no root of wallet keys of type 3F (load key)"), "{}", none.err);
    let named = safe.keys("inspect @roots.toml").expect(0).object();
    assert_eq!((&named["key"], &named["form"]), (&name.into(), &"envelope".into()));
    // A root of the city in the same file.
    safe.keys("generate -o @city").expect(0);
    safe.keys(&format!("wrap @city --kek @kek --key {READ} -o @city.toml")).expect(0);
    safe.write("both.toml", &(safe.text("roots.toml") + &safe.text("city.toml")));
    let both = safe.keys("kcv --keys @both.toml --kek @kek").expect(0).objects();
    assert_eq!((both.len(), &both[1]), (2, &shown));

    for (command, code) in [
        ("wrap @city --kek @kek --wallet-type 3E", 2),
        ("wrap @root --kek @kek --wallet-type 33", 2),
        ("wrap @root --kek @kek --wallet-type 3E --key DF01-01-01-01", 2),
        ("wrap @root --kek @kek", 2),
        ("wrap @root --kbpk @kek --wallet-type 3E", 2),
    ] {
        safe.keys(command).expect(code);
    }
    safe.write("weak", &format!("tdes-2 {}\n", "01".repeat(16)));
    let weak = safe.keys("wrap @weak --kek @kek --wallet-type 3E").expect(4);
    assert!(weak.err.contains("weak DES key"), "{}", weak.err);
    let published = safe.keys("kcv --keys test --wallet-type 3E").expect(0);
    assert!(published.err.contains("published TEST keys in use"));
    assert_eq!(published.object()["test"], true);
}

#[test]
fn test_keys_are_announced_however_they_come() {
    let safe = Safe::new();
    let warning = "published TEST keys in use";
    let shown = safe.keys(&format!("kcv --keys test --key {READ}")).expect(0);
    assert!(shown.err.contains(warning));
    assert_eq!(shown.object()["test"], true);
    let root = test_root();
    let table = "[[root]]\nzone = 0xDF01\nnumber = 1\nversion = 1\nalgorithm = \"aes\"";
    safe.write("roots.toml", &format!("{table}\nclear = \"{root}\"\n"));
    let from_file = safe.keys("kcv --keys @roots.toml").expect(0);
    assert!(from_file.err.contains(warning));
    assert_eq!(from_file.object(), shown.object());
    safe.write("root", &root);
    safe.keys("generate --kind aes-256 -o @kbpk").expect(0);
    let wrapped = safe.keys(&format!("wrap @root --kbpk @kbpk --key {READ} -o @block"));
    assert!(wrapped.expect(0).err.contains(warning));
    assert!(safe.keys("unwrap @block --kbpk @kbpk").expect(0).err.contains(warning));
    // The same bytes under another name are a root in clear.
    safe.write(
        "other.toml",
        &format!("{}\nclear = \"{root}\"\n", table.replace("number = 1", "number = 2")),
    );
    let refused = safe.keys("kcv --keys @other.toml").expect(4);
    assert!(refused.err.contains("other.toml:6: the root of key DF01/K2v01 (aes) is in clear"));
    assert!(!refused.err.to_lowercase().contains(&root));
}

#[test]
fn secrets_come_from_safe_places_only() {
    let safe = Safe::new();
    let made = kcv(safe.keys("generate -o @key"));
    let digits = safe.digits("key");
    for (mode, code) in [(0o400, 0), (0o640, 4), (0o604, 4), (0o666, 4)] {
        safe.set_mode("key", mode);
        safe.keys("kcv @key").expect(code);
    }
    safe.set_mode("key", 0o600);
    symlink(safe.path("key"), safe.path("link")).unwrap();
    assert!(safe.keys("kcv @link").expect(4).err.contains("is a symbolic link"));
    safe.keys("kcv @nothing").expect(2);
    for argument in [digits.clone(), digits.to_lowercase(), digits.repeat(2)] {
        let refused = safe.keys(&format!("kcv {argument}")).expect(4);
        assert!(!refused.err.contains(&digits) && !refused.out.contains(&digits));
    }
    let piped = run_with(&["keys", "kcv", "-", "--json"], &safe.text("key"));
    assert_eq!(kcv(piped), made);
    let descriptor = Command::new("sh")
        .args(["-c", "exec \"$0\" keys kcv fd:3 --json 3<\"$1\"", PROGRAM, &safe.path("key")])
        .output()
        .unwrap();
    assert!(String::from_utf8(descriptor.stdout).unwrap().contains(&made));
}

#[test]
fn nothing_is_overwritten() {
    let safe = Safe::new();
    safe.keys("generate -o @key").expect(0);
    let before = safe.text("key");
    for command in ["generate -o @key", "combine @part-1 @part-2 -o @key", "split @key -o @part"] {
        safe.keys("split @key --parts 2 -o @part");
        safe.keys(command).expect(4);
        assert_eq!(safe.text("key"), before);
    }
    assert!(safe.keys("combine @part-1 @part-2 -o @new").expect(0).err.contains("3 or more"));
}

#[test]
fn a_broken_ceremony_is_refused() {
    let safe = Safe::new();
    safe.keys("generate -o @key").expect(0);
    safe.keys("split @key -o @part").expect(0);
    let component = safe.text("part-1");
    safe.write("twice", &component);
    let twice = safe.keys("combine @part-1 @twice @part-2 -o @new").expect(1);
    assert!(twice.err.contains("twice: component 1 is given twice"), "{}", twice.err);
    safe.write(
        "typo",
        &component.replace("aes-128 ", "aes-128 0").replacen("\nkcv", "\n#\nkcv", 1),
    );
    safe.keys("combine @typo @part-2 @part-3 -o @new").expect(2);
    let kcv_line = component.lines().find(|line| line.starts_with("kcv")).unwrap();
    safe.write("kcv", &component.replace(kcv_line, "kcv 000000"));
    let wrong = safe.keys("combine @kcv @part-2 @part-3 -o @new").expect(1);
    assert!(wrong.err.contains("does not have the check value printed beside it"), "{}", wrong.err);
    safe.write("bare", &component.replace(kcv_line, ""));
    safe.keys("combine @bare @part-2 @part-3 -o @new").expect(2);
    safe.keys("combine @part-1 @part-2 @part-3 --kcv 000000 -o @new").expect(1);
    assert!(!Path::new(&safe.path("new")).exists());
}

#[test]
fn a_lost_or_foreign_component_is_named() {
    let safe = Safe::new();
    let made = kcv(safe.keys("generate -o @key"));
    safe.keys("split @key --parts 16 -o @many").expect(0);
    let all: Vec<_> = (1..=16).map(|number| format!("@many-{number}")).collect();
    assert_eq!(kcv(safe.keys(&format!("combine {} -o @again", all.join(" ")))), made);
    for parts in ["1", "17"] {
        safe.keys(&format!("split @key --parts {parts} -o @none")).expect(2);
    }
    safe.keys("split @key -o @part").expect(0);
    assert!(safe.text("part-2").ends_with(&format!("\ncomponent 2 of 3\nkey {made}\n")));
    for (missing, command) in [
        ("2 of 3", "combine @part-1 @part-3 -o @new"),
        ("1 of 3", "combine @part-3 @part-2 -o @new"),
        ("16 of 16", &format!("combine {} -o @new", all[..15].join(" "))),
    ] {
        let lost = safe.keys(command).expect(1);
        assert!(lost.err.contains(&format!("component {missing} is missing")), "{}", lost.err);
    }
    let foreign = safe.keys("combine @part-1 @part-2 @many-3 -o @new").expect(1);
    assert!(foreign.err.contains("many-3: one of 16 components"), "{}", foreign.err);
    safe.keys("generate -o @other").expect(0);
    safe.keys("split @other -o @other-part").expect(0);
    let foreign = safe.keys("combine @part-1 @part-2 @other-part-3 -o @new").expect(1);
    let named = format!("other-part-3: a component of the key {}", kcv(safe.keys("kcv @other")));
    assert!(foreign.err.contains(&named), "{}", foreign.err);
    // A component that only says it belongs here.
    let other = kcv(safe.keys("kcv @other"));
    safe.write(
        "forged",
        &safe.text("other-part-3").replace(&format!("key {other}"), &format!("key {made}")),
    );
    let forged = safe.keys("combine @part-1 @part-2 @forged -o @new").expect(1);
    assert!(forged.err.contains("key does not have the printed"), "{}", forged.err);
    // A component is no key.
    let no_key = safe.keys("wrap @part-1 --kek @key --key DF01-01-01-01").expect(2);
    assert!(no_key.err.contains("component 1 of 3 of a key"), "{}", no_key.err);
    assert!(!Path::new(&safe.path("new")).exists());
}

#[test]
fn components_of_other_programs_need_their_number_and_the_key_s_value() {
    let safe = Safe::new();
    let made = kcv(safe.keys("generate -o @key"));
    safe.keys("split @key -o @part").expect(0);
    for number in 1..=3 {
        let name = format!("part-{number}");
        let text: Vec<_> = safe.text(&name).lines().take(3).map(str::to_owned).collect();
        safe.write(&name, &text.join("\n"));
    }
    let bare = safe.keys("combine @part-1 @part-2 @part-3 -o @new").expect(2);
    assert!(bare.err.contains("--parts N and --kcv KCV"), "{}", bare.err);
    safe.keys(&format!("combine @part-1 @part-2 --parts 3 --kcv {made} -o @new")).expect(1);
    safe.keys("combine @part-1 @part-2 @part-3 --parts 3 --kcv 000000 -o @new").expect(1);
    let whole = format!("combine @part-3 @part-1 @part-2 --parts 3 --kcv {made} -o @new");
    assert_eq!(kcv(safe.keys(&whole)), made);
}

#[test]
fn a_refused_split_leaves_nothing_behind() {
    let safe = Safe::new();
    safe.keys("generate -o @key").expect(0);
    safe.write("part-3", "mine");
    safe.keys("split @key -o @part").expect(4);
    assert!(!Path::new(&safe.path("part-1")).exists() && !Path::new(&safe.path("part-2")).exists());
    assert_eq!(safe.text("part-3"), "mine");
}

#[test]
fn keys_go_to_standard_output_and_descriptors() {
    let safe = Safe::new();
    let made = safe.keys("generate -o -").expect(0);
    let file = safe.path("copy");
    safe.write("copy", &made.out);
    let kcv_line = made.out.lines().last().unwrap().to_owned();
    let shown = kcv(safe.keys("kcv @copy"));
    assert_eq!(kcv_line, format!("kcv {shown}"));
    // What is known of the key goes to stderr, without the key.
    assert!(made.err.contains(&shown) && !made.err.contains(&safe.digits("copy")), "{}", made.err);

    let shell = |script: &str| {
        let run = Command::new("sh").args(["-c", script, PROGRAM, &file]).output().unwrap();
        (run.status.code(), String::from_utf8(run.stdout).unwrap())
    };
    let piped = shell("{ \"$0\" keys generate -o fd:3 3>&1 >/dev/null; } | \"$0\" keys kcv -");
    assert_eq!(piped.0, Some(0));
    assert!(piped.1.starts_with("fd:0  cmac-aes:"), "{piped:?}");
    let wide = shell("umask 022; \"$0\" keys generate -o - >\"$1.wide\"");
    assert_eq!((wide, safe.text("copy.wide")), ((Some(4), String::new()), String::new()));
    let split = safe.keys("split @copy -o -").expect(2);
    assert!(split.err.contains("each component goes into a file of its own"), "{}", split.err);
    for name in ["-", "fd:1", "--1"] {
        assert!(!Path::new(name).exists(), "{name}");
    }
}

#[test]
fn weak_keys_are_refused_however_they_come() {
    let safe = Safe::new();
    safe.keys("generate -o @key").expect(0);
    safe.keys("generate --kind aes-256 -o @kbpk").expect(0);
    safe.keys("generate --kind sm4 -o @sm4").expect(0);
    safe.write("zero", &"00".repeat(16));
    safe.write("ff", &format!("aes-128 {}", "ff".repeat(16)));
    safe.write("twice", &"0123456789abcdef".repeat(2));
    safe.write("sm4-ones", &format!("sm4 {}", "01".repeat(16)));
    safe.write("wide", &"5A".repeat(32));
    // Counting bytes are test keys, and no constant.
    safe.write("counting", "00112233445566778899aabbccddeeff");
    safe.keys("wrap @counting --kek @counting --key DF01-01-01-01").expect(0);
    for command in [
        "wrap @zero --kek @key --key DF01-01-01-01",
        "wrap @ff --kek @key --key DF01-01-01-01",
        "wrap @ff --kbpk @kbpk --key DF01-01-01-01",
        "wrap @twice --kbpk @kbpk",
        "wrap @key --kek @zero --key DF01-01-01-01",
        "wrap @key --kek @sm4-ones --key DF01-01-01-01",
        "wrap @sm4-ones --kek @sm4 --key DF01-01-01-02",
        "wrap @key --kbpk @wide",
        "kcv @ff",
        "split @ff -o @part",
    ] {
        let refused = safe.keys(command).expect(4);
        assert!(refused.err.contains("weak: its bytes repeat"), "{command}: {}", refused.err);
    }
    safe.keys("wrap @key --kek @key --key DF01-01-01-01 -o @roots").expect(0);
    safe.keys("wrap @key --kbpk @kbpk --key DF01-01-01-01 -o @block").expect(0);
    safe.keys("kcv --keys @roots --kek @zero").expect(4);
    safe.keys("kcv --keys @block --kbpk @wide").expect(4);
    safe.keys("unwrap @block --kbpk @wide").expect(4);
    // Two good components of a weak key.
    let flipped: String = safe
        .digits("key")
        .chars()
        .map(|c| {
            let digit = 15 - c.to_digit(16).unwrap();
            char::from_digit(digit, 16).unwrap()
        })
        .collect();
    for (name, digits) in [("one", safe.digits("key")), ("two", flipped)] {
        safe.write(name, &digits);
        let kcv = kcv(safe.keys(&format!("kcv @{name}")));
        safe.write(name, &format!("{digits}\nkcv {kcv}"));
    }
    let sum = safe.keys("combine @one @two --parts 2 --kcv 000000 -o @new").expect(4);
    assert!(sum.err.contains("weak"), "{}", sum.err);
}

#[test]
fn a_changed_or_old_block_is_refused() {
    let safe = Safe::new();
    safe.keys("generate -o @key").expect(0);
    safe.keys("generate --kind aes-256 -o @kbpk").expect(0);
    safe.keys("wrap @key --kbpk @kbpk --key DF01-01-01-01 -o @block").expect(0);
    let block = safe.text("block");
    safe.write("exportable", &block.replacen("X00N", "X00E", 1));
    assert_eq!(safe.keys("inspect @exportable").expect(0).object()["exportability"], "E");
    safe.keys("unwrap @exportable --kbpk @kbpk").expect(1);
    // The example of ANSI TR-31:2018 A.7.2.1, a PIN key.
    let example = "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701";
    safe.write("old", example);
    safe.write("old-kbpk", "tdes-2 89E88CF7931444F3 34BD7547FC3F380C\n");
    assert_eq!(safe.keys("inspect @old").expect(1).object()["deprecated"], true);
    safe.keys("unwrap @old --kbpk @old-kbpk").expect(4);
    let read = safe.keys("unwrap @old --kbpk @old-kbpk --read-old");
    assert_eq!(kcv(read), "zero-block:cb9dea");
    safe.write("cut", &block[..100]);
    safe.keys("inspect @cut").expect(2);
    safe.keys("generate --kind tdes-2 -o @weak").expect(0);
    let stronger = safe.keys("wrap @key --kbpk @weak -o @new").expect(4);
    assert!(stronger.err.contains("stronger than its protection key"));
    safe.keys("wrap @key --kbpk @kbpk --version B -o @new").expect(2);
}

#[test]
fn no_secret_is_printed() {
    let safe = Safe::new();
    let mut shown = String::new();
    for command in [
        "generate -o @key",
        "generate --kind aes-256 -o @kbpk",
        "kcv @key",
        "split @key -o @part",
        "combine @part-1 @part-2 @part-3 -o @again",
        "wrap @again --kbpk @kbpk --key DF01-01-01-01 -o @block",
        "unwrap @block --kbpk @kbpk -o @back",
        "derive --keys @block --kbpk @kbpk --key DF01-01-01-01 --card 1100070100000017 -o @card",
        "kcv @kbpk --kind sm4",
    ] {
        let run = safe.keys(command);
        shown.push_str(&(run.out + &run.err).to_uppercase());
    }
    for name in ["key", "kbpk", "part-1", "part-2", "part-3", "card"] {
        assert!(!shown.contains(&safe.digits(name)[..16]), "{name}");
    }
}

#[test]
#[cfg(not(feature = "hsm"))]
fn a_program_without_pkcs11_says_so() {
    let refused = run(&["keys", "kcv", "--keys", "pkcs11:?module-path=/m"]).expect(2);
    assert!(refused.err.contains("built without PKCS#11"));
}

#[test]
#[cfg(feature = "hsm")]
fn a_pin_on_the_command_line_is_refused() {
    let uri = "pkcs11:token=a?module-path=/m&pin-value=471108";
    let refused = run(&["keys", "kcv", "--keys", uri]).expect(4);
    assert!(refused.err.contains("pin-value") && !refused.err.contains("471108"));
}

/// The digits of the published root of K1.
fn test_root() -> String {
    use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    };
    hex::encode(test_keys::root(&id).expose())
}
