//! `card create` and `card show`.

use std::fs;

use serde_json::Value;
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::psam::PsamKey;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

use super::support::{Desk, SERIAL, run};

/// The part of `card show --json` about the education zone.
fn education(card: &Value) -> &Value {
    let directories = card["directories"].as_array().unwrap();
    directories.iter().find(|directory| directory["id"] == "DF01").unwrap()
}

/// The contents of a file of the education zone.
fn file<'a>(card: &'a Value, name: &str) -> &'a Value {
    let files = education(card)["files"].as_array().unwrap();
    &files.iter().find(|file| file["name"] == name).expect(name)["contents"]
}

#[test]
fn a_new_card_is_shown_decoded() {
    for (profile, method) in [("cpu-aes", "cmac-aes:"), ("cpu-sm4", "cmac-sm4:")] {
        let desk = Desk::new(profile);
        let card = run(&["card", "show", &desk.card(), "--json"]).expect(0).object();
        assert_eq!(card["profile"], profile);
        assert_eq!(card["serial"], SERIAL);
        assert_eq!(card["uid"], "F0260100000014");
        assert_eq!(card["state"], "initialised");
        assert_eq!(card["atr_parts"][0]["meaning"], "TS: direct convention");
        let issuance = &file(&card, "issuance")["record"];
        assert_eq!(issuance["card_serial"], SERIAL);
        assert_eq!(issuance["profile"], profile);
        assert_eq!(file(&card, "identity"), "empty");
        let keys = education(&card)["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 7);
        for key in keys {
            let version = &key["versions"][0];
            assert!(version["kcv"].as_str().unwrap().starts_with(method), "{key}");
            assert_eq!((&version["test_key"], &key["failures"]), (&true.into(), &0.into()));
        }
    }
}

#[test]
fn a_card_can_keep_its_serial_and_uid_to_itself() {
    let desk = Desk::new("cpu-aes");
    let path = desk.path("private.bin").display().to_string();
    let private = ["--uid", "random", "--atr", "plain", "-o", &path];
    let create = ["card", "create", "--profile", "cpu-aes", "--serial", SERIAL];
    run(&[&create[..], &private].concat()).expect(0);
    let card = run(&["card", "show", &path, "--json"]).expect(0).object();
    assert_eq!((&card["uid"], &card["serial"]), (&"random".into(), &SERIAL.into()));
    assert_eq!(card["atr"], "3B8780018031A8739E01C033");

    let statement = run(&["conformance", "ics"]).expect(0).out;
    let plain = statement.replace("plain-atr = false", "plain-atr = true");
    let ics = desk.file("card.ics.toml", &plain);
    let target = format!("emu:{path}");
    for filter in ["RESET-*", "LIFE-DATA-002*"] {
        let cases = ["--target", &target, "--ics", &ics, "--filter", filter];
        let run = run(&[&["conformance", "run"][..], &cases].concat()).expect(0);
        assert!(run.out.contains(" 0 fail") && !run.out.contains("0 pass"), "{}", run.out);
    }
}

#[test]
fn text_names_fields_in_both_languages() {
    let desk = Desk::new("cpu-aes");
    let shown = run(&["card", "show", &desk.card()]).expect(0).out;
    for text in [
        "student-record card 学籍卡",
        "initialised 已初始化",
        "TS: direct convention",
        "K0  version 01 cmac-aes:",
        "(test key), 0 failures",
        "EF 0005 (SFI 05) issuance 发行信息, transparent, 48 bytes",
        "card_serial 卡序号             1100260100000014",
        "operation 操作 initialise 初始化",
        "EF 0007 (SFI 07) identity 身份, transparent, 128 bytes: empty",
    ] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
}

/// Neither a card's keys nor a management card's secret are in any output.
#[test]
fn no_secret_is_shown() {
    let desk = Desk::new("cpu-aes");
    let serial = CardId(SERIAL.parse::<CardSerial>().unwrap().bytes());
    let keys = KeyNumber::EDUCATION.map(|number| {
        let (zone, version, algorithm) = (Zone::EDUCATION, KeyVersion::FIRST, Algorithm::Aes128);
        let id = KeyId { zone, number, version, algorithm };
        hex::encode(test_keys::root(&id).card(&id, serial).expose())
    });
    let image = hex::encode(fs::read(desk.card()).unwrap());
    assert!(keys.iter().all(|key| image.contains(key)), "these are the card's keys");
    let management = desk.path("management.img").display().to_string();
    let create = ["card", "create", "--kind", "management", "--profile", "cpu-aes"];
    run(&[&create[..], &["--unit", "084012", "-o", &management]].concat()).expect(0);
    for path in [desk.card(), management] {
        for option in ["--json", "-v"] {
            let shown = run(&["card", "show", &path, option]).expect(0).out.to_lowercase();
            assert!(keys.iter().all(|key| !shown.contains(key)));
            assert!(!shown.contains("606162636465666768696a6b6c6d6e6f"));
        }
    }
}

/// A PSAM is made without a profile; of its keys only check values are shown, and it answers.
#[test]
fn a_psam_is_made_shown_and_used() {
    let desk = Desk::new("cpu-aes");
    let path = desk.path("psam.img").display().to_string();
    let create = ["card", "create", "--kind", "psam", "--terminal", "120080800001", "-o", &path];
    let made = run(&[&create[..], &["--json"]].concat()).expect(0);
    assert!(made.err.contains("published TEST keys in use"));
    assert_eq!(made.object()["profile"], "psam");
    let shown = run(&["card", "show", &path, "--json"]).expect(0).object();
    let files = |directory: usize| shown["directories"][directory]["files"].as_array().unwrap();
    let keys = &files(0)[0]["contents"]["keys"];
    let found = keys["keys"].as_array().unwrap();
    assert_eq!((found.len(), &keys["mac2_failures"]), (5, &0.into()));
    assert!(found.iter().all(|key| key["test_key"] == true && key["levels"] == 1));
    assert_eq!(files(0)[2]["contents"]["hex"], "120080800001");
    assert_eq!(files(1)[0]["contents"]["record"]["valid_until"], "2038-08-31");
    let text = run(&["card", "show", &path]).expect(0).out;
    assert!(text.contains("purchase, levels 1, version 01 "), "{text}");
    let secrets = PsamKey::test().map(|key| hex::encode(&key.emit()[2..18]));
    let image = hex::encode(fs::read(&path).unwrap());
    for secret in secrets {
        assert!(image.contains(&secret), "these are its keys");
        let shown = [text.to_lowercase(), shown.to_string().to_lowercase()];
        assert!(!shown.iter().any(|shown| shown.contains(&secret)));
    }
    let target = format!("emu:{path}");
    let purchase =
        "8070 0000 1C A0A1A2A3 0007 00000064 06 20260901 073000 01 00 1000751012345678 08";
    let select = "00A4 0000 02 3F01 00";
    for number in ["00000000", "00000001"] {
        let said = run(&["apdu", "--target", &target, select, purchase]).expect(0).out;
        assert!(said.contains(number), "{said}");
    }
    let wrong = ["card", "create", "--kind", "psam", "--terminal", "1200", "-o", &path];
    assert!(run(&wrong).expect(2).err.contains("12 hexadecimal digits"));
}

#[test]
fn creation_says_what_it_made_and_warns() {
    let desk = Desk::new("cpu-aes");
    let path = desk.path("other.img").display().to_string();
    let create = ["card", "create", "--profile", "cpu-sm4", "--serial", SERIAL, "--json", "-o"];
    let made = run(&[&create[..], &[&*path]].concat()).expect(0);
    assert!(made.err.contains("published TEST keys in use"));
    assert_eq!(made.object()["file"], path);
    assert_eq!(made.object()["state"], "initialised");
}

#[test]
fn nothing_is_overwritten_and_wrong_serials_are_refused() {
    let desk = Desk::new("cpu-aes");
    let before = fs::read(desk.card()).unwrap();
    let create = ["card", "create", "--profile", "cpu-aes"];
    let with = |more: &[&str]| run(&[&create[..], more].concat());
    let again = with(&["--serial", SERIAL, "-o", &desk.card()]).expect(4);
    assert!(again.err.contains(&desk.card()) && again.err.contains("no file is ever overwritten"));
    assert_eq!(fs::read(desk.card()).unwrap(), before);

    let other = desk.path("other.img").display().to_string();
    let wrong = with(&["--serial", "1100260100000015", "-o", &other]).expect(2);
    assert!(wrong.err.contains("ends in 5, expected check digit 4"), "{}", wrong.err);
    with(&["-o", &other]).expect(2);
    with(&["--kind", "management", "-o", &other]).expect(2);
    run(&["card", "create", "--profile", "s70", "--serial", SERIAL, "-o", &other]).expect(2);
    assert!(!desk.path("other.img").exists());
}

#[test]
fn damage_is_named_with_its_file() {
    let desk = Desk::new("cpu-aes");
    let image = fs::read(desk.card()).unwrap();
    let refused = |contents: &[u8], reason: &str| {
        fs::write(desk.card(), contents).unwrap();
        for command in [
            vec!["card", "show", &*desk.card()],
            vec!["apdu", "--target", &*desk.target(), "00A40000"],
            vec!["emulate", &*desk.card(), "--listen", "127.0.0.1:0"],
        ] {
            let run = run(&command).expect(2);
            assert!(run.err.contains(&desk.card()) && run.err.contains(reason), "{}", run.err);
            assert_eq!(run.out, "");
        }
    };
    for at in [14, 100, 1000, image.len() - 1] {
        let mut damaged = image.clone();
        damaged[at] ^= 1;
        refused(&damaged, "the image is damaged: its CRC-32 does not match");
    }
    refused(&image[..1000], "the image is cut short: 1000 bytes");
    refused(&[&image[..], &[0]].concat(), "1 bytes follow the image");
    refused(b"", "cut short");
    refused(b"something else", "not a card image");
    // Whole as a file, but no card inside.
    let empty = xuejika_card_model::image::emit(&[0; 64]).unwrap();
    refused(&empty, "card profile version 0 is not supported");
    run(&["card", "show", &desk.path("missing.img").display().to_string()]).expect(2);
}

#[test]
fn a_card_is_exported_as_a_sector_image() {
    let desk = Desk::new("cpu-aes");
    let (card, sectors) = (desk.card(), desk.path("card.mfd").display().to_string());
    run(&["reader", "personalise", "--target", &desk.target(), "--date", "2026-09-01"]).expect(0);
    let export = ["card", "export", &card, "--s70", "-o", &sectors];
    let shown = run(&[&export[..], &["--json"]].concat()).expect(0).object();
    assert_eq!(fs::metadata(&sectors).unwrap().len(), 4096);
    assert_eq!(run(&["card", "show", &sectors, "--json"]).expect(0).object(), shown);
    assert_eq!((&shown["profile"], &shown["serial"]), (&"s70".into(), &SERIAL.into()));
    let text = run(&["card", "show", &sectors]).expect(0).out;
    assert!(text.contains("sector card 扇区卡") && text.contains("张三"), "{text}");
    // Neither overwritten nor read when it is damaged.
    run(&export).expect(4);
    let mut image = fs::read(&sectors).unwrap();
    image[32 * 64 + 16] ^= 1;
    fs::write(&sectors, image).unwrap();
    let refused = run(&["card", "show", &sectors]).expect(2).err;
    assert!(refused.contains("sector 32 block 2: identity.crc_2"), "{refused}");
    run(&["card", "export", &card, "-o", &sectors]).expect(2);
}
