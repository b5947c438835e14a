//! Cards with wallet keys of an operator's own: `wallet` and `conformance run` with a key file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use xuejika_card_model::psam::{PsamIssue, PsamKey};
use xuejika_card_model::record::Profile;
use xuejika_card_model::wallet::{WalletKeys, WalletSetup};
use xuejika_card_model::{factory, image};
use xuejika_emulator::test_card;
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::key::{Kek, Key};
use xuejika_keyscheme::legacy::{TerminalId, WalletKeyType, WalletRoots};
use xuejika_reader::channel::key_file;

use super::support::{Desk, Run, SERIAL, run};

const KEK: [u8; 16] = *b"envelopes' key..";

/// An operator's own test roots.
fn roots() -> WalletRoots {
    let mut roots = WalletRoots::new();
    for key_type in WalletKeyType::all() {
        let root = b"own test roots..".map(|byte| key_type.code() << 1 ^ byte);
        roots.add(key_type, &root).unwrap();
    }
    roots
}

/// A student card and a PSAM of this operator, and its key file.
struct Operator(Desk);

impl Operator {
    fn new() -> Self {
        let desk = Desk::new("cpu-aes");
        let issuance = test_card::issuance(SERIAL.parse().unwrap(), Profile::CpuAes).unwrap();
        let keys = WalletKeys::derive(&roots(), factory::transit_number(&issuance)).unwrap();
        let student = test_card::student_memory_with(&issuance, &WalletSetup::new(keys)).unwrap();
        fs::write(desk.card(), image::emit(&student).unwrap()).unwrap();
        let issue = PsamIssue::test(TerminalId([0, 0, 0, 0, 0, 1])).unwrap();
        let psam = factory::psam(&issue, &[PsamKey::purchase(&roots()).unwrap()]);
        fs::write(desk.path("psam.img"), image::emit(&psam).unwrap()).unwrap();
        Self(desk)
    }

    fn secret(&self, name: &str, text: &str) -> String {
        let path = self.0.file(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Options that name a key file with the roots of these types.
    fn keys(&self, has: impl Fn(u8) -> bool) -> [String; 4] {
        let kek = Key::<Kek>::new(Algorithm::Aes128, KEK);
        let roots = roots();
        let table = |it| {
            key_file::emit_wallet(it, &key_file::seal_wallet(&kek, it, roots.expose(it).unwrap()))
        };
        let tables: String = roots.types().filter(|it| has(it.code())).map(table).collect();
        let keys = self.secret("keys.toml", &tables);
        ["--keys".into(), keys, "--kek".into(), self.secret("kek", &hex::encode(KEK))]
    }

    fn run(&self, command: &[&str], keys: &[String]) -> Run {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        run(&[command, &keys].concat())
    }

    fn wallet(&self, operation: &str, more: &[&str], keys: &[String]) -> Run {
        let target = self.0.target();
        let command = ["wallet", operation, "--json", "--target", &target];
        self.run(&[&command[..], more].concat(), keys)
    }
}

#[test]
fn a_card_loads_and_pays_under_own_roots() {
    let operator = Operator::new();
    let all = operator.keys(|_| true);
    let load = operator.wallet("load", &["--amount", "10.00"], &all).expect(0);
    assert_eq!(load.object()["balance"], "10.00");
    let psam = format!("emu:{}", operator.0.path("psam.img").display());
    for (psam, balance) in [("test", "9.00"), (&psam, "8.00")] {
        let paid = operator.wallet("purchase", &["--amount", "1.00", "--psam", psam], &all);
        let paid = paid.expect(0).object();
        assert_eq!((&paid["balance"], &paid["mac2_checked"]), (&balance.into(), &true.into()));
    }
    operator.wallet("unload", &["--amount", "1.00"], &all).expect(0);
    operator.wallet("stop", &[], &all).expect(0);
    operator.wallet("resume", &[], &all).expect(0);
    // Without the file the keys are the published ones, and the card says so.
    operator.wallet("purchase", &["--amount", "1.00"], &[]).expect(1);
    let refund = operator.wallet("refund", &[], &all).expect(0);
    assert_eq!(refund.object()["refunded"], "7.00");
}

#[test]
fn a_root_that_is_not_in_the_file_is_named() {
    let operator = Operator::new();
    let purchase = operator.keys(|code| code == 0x3E);
    let refused = operator.wallet("load", &["--amount", "10.00"], &purchase).expect(2);
    let message = "there is no root of wallet keys of type 3F (load key)";
    assert!(refused.err.contains(message), "{}", refused.err);
    operator.wallet("balance", &[], &purchase).expect(0);
    let load = operator.keys(|code| code != 0x3E);
    operator.wallet("load", &["--amount", "10.00"], &load).expect(0);
    let refused = operator.wallet("purchase", &["--amount", "1.00"], &load).expect(2);
    assert!(refused.err.contains("3E (purchase key)"), "{}", refused.err);
}

/// The cases of purse and line protection are computed from the operator's roots, and from no other.
#[test]
fn the_suite_takes_own_wallet_roots() {
    let operator = Operator::new();
    let ics = run(&["conformance", "ics"]).expect(0).out;
    let of_student = operator.0.file("card.ics.toml", &ics);
    let ics = "schema = 1\n[card]\nprofile = \"cpu-aes\"\nkinds = [\"psam\"]\n";
    let of_psam = operator.0.file("psam.ics.toml", ics);
    let cases = |target: &str, filter: &str, keys: &[String]| {
        let ics = if filter.starts_with("PSAM") { &of_psam } else { &of_student };
        let command = [
            "conformance",
            "run",
            "--json",
            "--target",
            target,
            "--ics",
            ics,
            "--allow-destructive",
        ];
        let run = operator.run(&[&command[..], &["--filter", filter]].concat(), keys);
        let text = |case: &Value, name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let cases = run.objects().into_iter().filter(|object| object["type"] == "case");
        let cases = cases.map(|case| (text(&case, "verdict"), text(&case, "reason")));
        (cases.collect::<Vec<_>>(), run.err)
    };
    let student = operator.0.target();
    let psam = format!("emu:{}", operator.0.path("psam.img").display());
    let all = operator.keys(|_| true);
    for (target, filter) in [
        (&student, "EP-PAY-*"),
        (&student, "EP-LOAD-*"),
        (&student, "EP-FLAG-*"),
        (&student, "SEC-LINE-*"),
        (&student, "SEC-EXT-*"),
        (&student, "SEC-INT-*"),
        (&psam, "PSAM-PAY-*"),
    ] {
        let (found, err) = cases(target, filter, &all);
        assert!(found.iter().any(|(verdict, _)| verdict == "pass"), "{filter}");
        // The file has no root of the city's.
        for (verdict, reason) in found.iter().filter(|(verdict, _)| verdict != "pass") {
            assert_eq!(verdict, "blocked", "{filter}: {reason}");
            assert!(reason.starts_with("there is no root for key DF01/"), "{filter}: {reason}");
        }
        assert!(!err.contains("TEST"), "{filter}: {err}");
        let (found, err) = cases(target, filter, &[]);
        assert!(found.iter().any(|(verdict, _)| verdict != "pass"), "{filter}");
        assert!(err.contains("TEST"), "{filter}: {err}");
    }
    let load = operator.keys(|code| code == 0x3F);
    let (found, _) = cases(&student, "EP-PAY-001*", &load);
    assert!(!found.is_empty());
    for (verdict, reason) in found {
        let expected = "there is no root of wallet keys of type 3";
        assert!(verdict == "blocked" && reason.contains(expected), "{verdict}: {reason}");
    }
}
