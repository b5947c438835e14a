//! Batches under roots of the city's and of the operator's own, from a key file.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use xuejika_batch::plan::kcv_method;
use xuejika_batch::schema::KeyPlace;
use xuejika_batch::{KeySlot, KeySource};
use xuejika_keyscheme::key::{Kek, Key, Root};
use xuejika_keyscheme::legacy::{WalletKeyType, WalletRoots};
use xuejika_keyscheme::provider::Roots;
use xuejika_keyscheme::{Algorithm, KeyId, KeyVersion};
use xuejika_reader::channel::key_file::{self, Form};

use super::support::{Batch, Found, run};

const ALGORITHM: Algorithm = Algorithm::Aes128;
const VERSION: KeyVersion = KeyVersion::FIRST;
const KEK: [u8; 16] = *b"envelopes' key..";

/// What roots are made of.
const MIX: [u8; 16] = *b"own test roots..";

fn city_root(id: &KeyId) -> Key<Root> {
    let [zone, low] = id.zone.0.to_be_bytes();
    Key::new(ALGORITHM, MIX.map(|byte| zone ^ low ^ id.number.0 ^ byte))
}

fn operator_root(key_type: WalletKeyType) -> [u8; 16] {
    // A difference in the lowest bits would be one of parity.
    MIX.map(|byte| key_type.code() << 1 ^ byte)
}

/// The types of wallet keys that a row has.
fn types() -> impl Iterator<Item = WalletKeyType> {
    KeySlot::all().filter_map(|slot| match slot.place() {
        KeyPlace::Wallet(code) => WalletKeyType::new(code),
        KeyPlace::Card(..) => None,
    })
}

fn ids() -> impl Iterator<Item = KeyId> {
    KeySlot::all().filter_map(|slot| slot.id(VERSION, ALGORITHM))
}

/// A batch as a vendor makes it under these roots.
struct Own {
    batch: Batch,
}

impl Own {
    fn new() -> Self {
        let own = Self { batch: Batch::new(&["--count", "60", "--seed", "3"]) };
        let (mut city, mut operator) = (Roots::new(), WalletRoots::new());
        ids().for_each(|id| city.add(id, Box::new(city_root(&id))).unwrap());
        types().for_each(|it| operator.add(it, &operator_root(it)).unwrap());
        let roots = xuejika_batch::Roots { city: Some(&city), wallet: Some(&operator) };
        own.load_keys(&KeySource::new(roots, VERSION, ALGORITHM));
        own
    }

    /// Puts the check values of these keys into rows and manifest.
    fn load_keys(&self, source: &KeySource<'_>) {
        let mut lines = self.batch.lines();
        let heading: Vec<String> = lines[0].split(',').map(str::to_owned).collect();
        let column = |name: &str| heading.iter().position(|known| known == name).unwrap();
        for line in &mut lines[1..] {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            for slot in KeySlot::all() {
                let number = if slot.is_wallet() { "wallet_number" } else { "serial" };
                let card = hex::decode(&cells[column(number)]).unwrap();
                let cell = &mut cells[column(&format!("kcv_{}", slot.name()))];
                if !cell.is_empty() {
                    let card = card.try_into().unwrap();
                    let values = source.check_values_singly(slot, &[card]).unwrap().unwrap();
                    *cell = hex::encode(values[0]);
                }
            }
            *line = cells.join(",");
        }
        self.batch.set_lines(&lines);
        self.batch.edit_manifest(|manifest| {
            let values = manifest["keys"]["root-kcv"].as_table_mut().unwrap();
            for slot in KeySlot::all() {
                let value = hex::encode(source.root(slot).unwrap().unwrap());
                let value = format!("{}{value}", kcv_method(slot, ALGORITHM));
                values.insert(slot.name().to_owned(), value.into());
            }
        });
    }

    /// Writes a secret.
    fn secret(&self, name: &str, text: &str) -> String {
        let path = self.batch.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    /// Options that name a key file with these tables.
    fn keys(&self, tables: &str) -> [String; 4] {
        let keys = self.secret("keys.toml", tables);
        let kek = self.secret("kek", &hex::encode(KEK));
        ["--keys".to_owned(), keys, "--kek".to_owned(), kek]
    }

    fn check(&self, tables: &str) -> super::support::Run {
        let options = self.keys(tables);
        self.batch.check_with(&options.each_ref().map(String::as_str))
    }

    fn good(&self) -> u64 {
        let lines = self.batch.lines();
        let good = lines[1..].iter().filter(|line| line.split(',').any(|cell| cell == "good"));
        good.count().try_into().unwrap()
    }

    /// Changes the check value of the purchase key in a row.
    fn plant(&self, row: usize) {
        let mut lines = self.batch.lines();
        let column = lines[0].split(',').position(|name| name == "kcv_w3e").unwrap();
        let mut cells: Vec<String> = lines[row].split(',').map(str::to_owned).collect();
        cells[column] = if cells[column] == "123456" { "654321" } else { "123456" }.to_owned();
        lines[row] = cells.join(",");
        self.batch.set_lines(&lines);
    }
}

fn kek() -> Key<Kek> {
    Key::new(ALGORITHM, KEK)
}

fn city() -> String {
    let table =
        |id| key_file::emit(&id, &Form::Envelope(&key_file::seal(&kek(), &id, &city_root(&id))));
    ids().map(table).collect()
}

fn sealed(key_type: WalletKeyType, root: &[u8; 16]) -> String {
    key_file::emit_wallet(key_type, &key_file::seal_wallet(&kek(), key_type, root))
}

fn operator(without: u8) -> String {
    let types = types().filter(|key_type| key_type.code() != without);
    types.map(|key_type| sealed(key_type, &operator_root(key_type))).collect()
}

fn of_batch(ids: &[&str]) -> BTreeSet<Found> {
    ids.iter().map(|id| Found::of_batch(id)).collect()
}

#[test]
fn wallet_keys_are_recomputed_from_the_operators_roots() {
    let own = Own::new();
    let checked = own.check(&(city() + &operator(0))).expect(0);
    assert_eq!(checked.findings(), BTreeSet::new());
    assert_eq!(checked.verdict()["key_values"], 26 * own.good());
    assert!(!checked.err.contains("TEST"), "{}", checked.err);

    own.plant(7);
    let checked = own.check(&(city() + &operator(0))).expect(1);
    assert_eq!(checked.findings(), [Found::on("B-KEY-002", 7)].into());
    assert_eq!(checked.objects()[0]["field"], "kcv_w3e");
}

#[test]
fn keys_whose_root_is_not_in_the_file_are_told() {
    let own = Own::new();
    own.plant(7);
    let absent = |tables: &str, values: u64| {
        let checked = own.check(tables).expect(0);
        assert_eq!(checked.findings(), of_batch(&["B-KEY-013"]));
        assert_eq!(checked.verdict()["key_values"], values * own.good());
        checked.objects()[0]["found"].as_str().unwrap().to_owned()
    };
    assert_eq!(absent(&city(), 15), "w30 w31 w32 w34 w36 w37 w38 w39 w3d w3e w3f");
    assert_eq!(absent(&(city() + &operator(0x3E)), 25), "w3e");
    let checked = own.check(&operator(0)).expect(1);
    assert_eq!(checked.verdict()["key_values"], 11 * own.good());
    let expected = [Found::of_batch("B-KEY-013"), Found::on("B-KEY-002", 7)];
    assert_eq!(checked.findings(), expected.into());
}

#[test]
fn a_wrong_wallet_root_is_told_before_any_row() {
    let own = Own::new();
    let purchase = WalletKeyType::new(0x3E).unwrap();
    let tables = city() + &operator(0x3E) + &sealed(purchase, b"some other root!");
    let checked = own.check(&tables).expect(1);
    assert_eq!(checked.findings(), of_batch(&["B-KEY-012"]));
    assert_eq!(checked.verdict()["rows"], 0);
}

#[test]
fn published_wallet_roots_in_a_file_are_refused() {
    let own = Own::new();
    let purchase = WalletKeyType::new(0x3E).unwrap();
    let root = *WalletRoots::test().expose(purchase).unwrap();
    let clear = format!("[[wallet-root]]\ntype = 0x3E\nclear = \"{}\"\n", hex::encode(root));
    for table in [clear, sealed(purchase, &root)] {
        let refused = own.check(&(city() + &table)).expect(4);
        let message = "wallet keys of type 3E (purchase key) is a published TEST key";
        assert!(refused.err.contains(message), "{}", refused.err);
        assert!(refused.out.is_empty() && !refused.err.contains(&hex::encode(root)));
    }
}

#[test]
fn a_batch_under_own_roots_is_accepted() {
    let own = Own::new();
    let keys = own.keys(&(city() + &operator(0)));
    let history = own.batch.path("history").display().to_string();
    let folder = own.batch.path("").display().to_string();
    let accept = ["batch", "accept", &folder, "--json", "--history", &history];
    let keys = keys.each_ref().map(String::as_str);
    let accepted = run(&[&accept[..], &keys].concat()).expect(0);
    assert_eq!(accepted.findings(), BTreeSet::new());
}
