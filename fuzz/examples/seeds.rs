//! Writes the corpus: a few inputs for each target, from the examples of the card profile,
//! published vectors and test cards. Run in `fuzz/`: `cargo run --example seeds`.
#![allow(clippy::unwrap_used, reason = "a broken premise ends it")]

use std::fs;
use std::path::Path;

use xuejika_apdu::{Class, Command};
use xuejika_card_model::list::{Edition, List, ListMac, Moment, key_id, key_path};
use xuejika_emulator::{Env, VirtualCard, atr, ats, test_card};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace([' ', '\n'], "")).unwrap()
}

fn save(target: &str, inputs: impl IntoIterator<Item = Vec<u8>>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    for (number, input) in inputs.into_iter().enumerate() {
        fs::write(directory.join(format!("seed-{number:02}")), input).unwrap();
    }
}

/// Numbers that look like none.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Env::from_seed(seed).rng().fill_bytes(&mut bytes);
    bytes
}

fn main() {
    let commands = [
        "00A4040007F0424A4544550100",
        "0022C1A40780010183020101",
        "0084000010",
        "0082000028C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF0000110105000042BFA775B802043830090FDF4EF24F26FA10",
        "0CB086000D9701108E087AA52CF485C040F500",
        "00A40000021001",
        "805000020B0100000064010203040506",
        "805A0002020001",
        "00B0850000000040",
        "00D6870000012C",
    ];
    save("command", commands.map(hex));
    save(
        "response",
        ["9000", "6A82", "6F0084009000", "87110100112233445566778899AABBCCDDEEFF9000"].map(hex),
    );
    wire();
    sessions();
    cards();
    files();
}

fn wire() {
    let mut card =
        VirtualCard::new(test_card::student("1100070100000017").unwrap(), Env::from_seed(1)).unwrap();
    card.power_on().unwrap();
    let mut fcis = Vec::new();
    for df in card.model().tree().all().map(|df| df.fid.to_be_bytes()).take(4).collect::<Vec<_>>() {
        let select = Command::new(Class::ISO, 0xA4, 0, 0).with_data(&df).with_ne(256);
        let mut response = Vec::new();
        card.transmit(&select.to_vec().unwrap(), &mut response).unwrap();
        response.truncate(response.len() - 2);
        fcis.push(response);
    }
    let mut wallet = Vec::new();
    card.transmit(&hex("00A4000002100100"), &mut wallet).unwrap();
    wallet.truncate(wallet.len() - 2);
    fcis.push(wallet);
    save("fci", fcis.clone());
    save("tlv", fcis);
    save("atr", [atr(card.header()), ats(card.header()), b"3B8D80018031A8ssssssssssxx".to_vec()]);
    let frame = |body: &[u8]| [&u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let select = hex("00A4040007F0424A4544550100");
    let frames = [&[4][..], &[1], &select, &[2], &select, &[0], &select, &[9], &[]].map(frame);
    save("vpcd", [frames.concat(), frames[..3].concat()]);
}

fn sessions() {
    let block = noise(1, 16);
    let read = hex("00 00 B0 86 00 97 01 10");
    let update = [hex("00 00 D6 87 00 87 11 01"), block.clone()].concat();
    let raw = hex("01 0C B0 86 00 97 01 10 8E 08 7A A5 2C F4 85 C0 40 F5");
    save("sm_card", [read, update.clone(), [vec![2], update[1..].to_vec()].concat(), raw]);
    let honest = [hex("00 90 00"), block.clone()].concat();
    let built = [hex("04 90 00 87 11 01"), block, hex("99 02 90 00")].concat();
    save("sm_reader", [honest, built, hex("04 6A 82 99 02 6A 82"), hex("01 90 00 99 02 90 00")]);
}

fn cards() {
    save("card_reference", (0..16).map(|seed| noise(seed, 400)));
    save("card_mock", (0..4).map(|seed| noise(100 + seed, 300)));
    let select = hex("0D 00A4040007F0424A4544550100");
    let choose = hex("0C 0022C1A40780010183020101 05 0084000010 00");
    let wallet = hex("07 00A40000021001 05 805C000204 08 0020000103123456");
    save("card_raw", (0..3).map(|kind| [&[kind][..], &select, &choose, &wallet].concat()));
    save("card_image", [vec![], noise(1, 30), noise(2, 300)]);
    save(
        "file_tree",
        (0..4).flat_map(|kind| {
            [
                [vec![kind, 1, 5, 1, 0, 5], b"\xF0BJEDU\x01".to_vec()].concat(),
                [vec![kind, 10, 0x18, 2, 0, 0x18], b"PBOC".to_vec()].concat(),
            ]
        }),
    );
    let card =
        VirtualCard::new(test_card::student("1100070100000017").unwrap(), Env::from_seed(1)).unwrap();
    let zone = card.model().tree().education().unwrap();
    let memory = xuejika_card_model::nvm::Nvm::bytes(card.model().nvm());
    let contents = zone
        .files
        .iter()
        .map(|file| memory[file.offset..file.offset + file.structure.storage().min(128)].to_vec());
    save("records", contents);
}

fn files() {
    let row = "1100260100000022\tF0260100000022\t3B8D80018031A8739E01C065010000002200\t\t2026-07-02\
               \t0001\t1\t1000260100000022\t0\t00\t\tB1\tgood";
    save("batch_row", [row.into(), "\t\tgood".into(), row.replace('2', "3").into()]);
    let blocks = [
        "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
        "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA\
         05F7425509593D03A457DC34",
        "B0128B1TX00N0300KS18FFFF00A0200001E00000KC0C000169E3KP0C00ECAD626F9F1A826814AA066D86C8C1\
         8BD0E14033E1EBEC75BEDF586E6E325F3AA8C0E5",
    ];
    let built = (0..8).map(|n| [vec![n, n, n, 40, 1], noise(n.into(), 16)].concat());
    save("key_block", blocks.map(|text| text.as_bytes().to_vec()).into_iter().chain(built));
    let cases = |name: &str| {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name)).unwrap()
    };
    let small = ["conformance/fixtures.toml", "conformance/card.ics.toml", "data/kcv.json"];
    save("case_file", small.into_iter().map(cases));
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    let path = key_path("084012".parse().unwrap());
    let mac = ListMac::new(&TestRoots.list_key(&id, path).unwrap(), id);
    let issued = Moment { date: "2026-09-01".parse().unwrap(), time: "09:30:00".parse().unwrap() };
    let edition = Edition { scope: "084012".parse().unwrap(), version: 1, issued };
    let list = List::new(edition, []).unwrap().emit(&mac);
    let bare = list[..list.len() - xuejika_card_model::list::MAC_LEN].to_vec();
    save("list", [[vec![1], list].concat(), [vec![0], bare].concat()]);
    let mapping = "schema = 1\ndates = \"digits\"\n[columns]\nserial = \"card\"\n\
                   uid = { start = 1, width = 14 }\n[constants]\nstatus = \"good\"\n";
    save("mapping", [mapping.into(), "schema = 1\n".into()]);
}
