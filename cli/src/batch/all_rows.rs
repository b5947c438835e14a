//! What has to be known of all rows of a batch at once: what occurs twice, and what is missing.

use std::collections::BTreeMap;

use xuejika_card_model::batch::index::{Index, Repeated, Sorted};
use xuejika_card_model::batch::{Check, Finding, Place, Plan, Row, State};
use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::ident::CardSerial;

/// Keys whose check values tell cards apart: K0, K1 and K2.
pub(crate) const FINGERPRINT: usize = 9;

/// What has to be known of all rows at once.
pub(crate) struct AllRows {
    serials: Index<8>,
    scrap: Index<8>,
    uids: Index<UID_LEN>,
    wallets: Index<8>,
    fingerprints: Index<FINGERPRINT>,
    replacements: Index<8>,
}

impl AllRows {
    /// Nothing yet, with room for this many rows.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            serials: Index::with_capacity(capacity),
            scrap: Index::default(),
            uids: Index::with_capacity(capacity),
            wallets: Index::with_capacity(capacity),
            fingerprints: Index::with_capacity(capacity),
            replacements: Index::default(),
        }
    }

    /// Takes rows in their order.
    pub(crate) fn take(&mut self, rows: Vec<(Place, Row)>) {
        for (place, row) in rows {
            let number = place.row.unwrap_or(0);
            if let Some(serial) = row.serial {
                self.serials.push(serial.bytes(), number);
                if row.state == Some(State::Scrap) {
                    self.scrap.push(serial.bytes(), number);
                }
            }
            if let Some(uid) = row.uid {
                self.uids.push(uid, number);
            }
            if let Some(wallet) = row.wallet_number {
                self.wallets.push(wallet, number);
            }
            if let Some(replacement) = row.replacement {
                self.replacements.push(replacement.bytes(), number);
            }
            if let [Some(a), Some(b), Some(c), ..] = row.kcv {
                let mut fingerprint = [0; FINGERPRINT];
                let values = a.into_iter().chain(b).chain(c);
                fingerprint.iter_mut().zip(values).for_each(|(to, from)| *to = from);
                self.fingerprints.push(fingerprint, number);
            }
        }
    }

    /// Sorts all values.
    pub(crate) fn sorted(self) -> SortedRows {
        SortedRows {
            serials: self.serials.sorted(),
            scrap: self.scrap.sorted(),
            uids: self.uids.sorted(),
            wallets: self.wallets.sorted(),
            fingerprints: self.fingerprints.sorted(),
            replacements: self.replacements.sorted(),
        }
    }
}

/// All rows, in order of their values.
pub(crate) struct SortedRows {
    /// Card serials.
    pub(crate) serials: Sorted<8>,
    scrap: Sorted<8>,
    /// UIDs.
    pub(crate) uids: Sorted<UID_LEN>,
    wallets: Sorted<8>,
    /// Check values of K0, K1 and K2, one behind the other.
    pub(crate) fingerprints: Sorted<FINGERPRINT>,
    replacements: Sorted<8>,
}

impl SortedRows {
    /// What occurs in two rows. The second row of a serial is one fault, whatever else it repeats.
    pub(crate) fn check_repeated(&self, findings: &mut Vec<Finding>) {
        fn finding<const N: usize>(
            check: Check,
            field: &'static str,
            twice: Repeated<N>,
        ) -> Finding {
            let found = format!("the value of row {}", twice.first);
            Finding::new(check, "another value", found).field(field).at(Place::row(twice.row))
        }
        let mut copies: Vec<u32> = self.serials.repeated().map(|twice| twice.row).collect();
        copies.sort_unstable();
        let is_copy = |row: u32| copies.binary_search(&row).is_ok();
        let before = findings.len();
        findings.extend(self.serials.repeated().map(|twice| {
            let finding = finding(Check::SerialTwice, "serial", twice);
            match CardSerial::from_bytes(twice.value) {
                Ok(serial) => finding.subject(serial),
                Err(_) => finding,
            }
        }));
        findings
            .extend(self.uids.repeated().map(|twice| finding(Check::ChipUidTwice, "uid", twice)));
        let wallets = self.wallets.repeated().filter(|twice| !is_copy(twice.row));
        findings.extend(wallets.map(|twice| finding(Check::WalletTwice, "wallet_number", twice)));
        let keys = self.fingerprints.repeated().filter(|twice| !is_copy(twice.row));
        findings.extend(keys.map(|twice| finding(Check::KeyCopied, "kcv_k0 kcv_k1 kcv_k2", twice)));
        let replacements = self.replacements.repeated();
        findings.extend(
            replacements.map(|twice| finding(Check::ReplacementTwice, "replacement", twice)),
        );
        if let Some(new) = findings.get_mut(before..) {
            self.name_cards(new);
            new.sort_by_key(|finding| finding.place);
        }
    }

    /// Says which cards findings are about that have only a row.
    pub(crate) fn name_cards(&self, findings: &mut [Finding]) {
        let mut by_row: BTreeMap<u32, Vec<&mut Finding>> = BTreeMap::new();
        for finding in findings.iter_mut().filter(|finding| finding.subject.is_none()) {
            if let Some(row) = finding.place.row {
                by_row.entry(row).or_default().push(finding);
            }
        }
        if by_row.is_empty() {
            return;
        }
        for (value, row) in self.serials.entries() {
            let (Some(findings), Ok(serial)) =
                (by_row.get_mut(row), CardSerial::from_bytes(*value))
            else {
                continue;
            };
            findings.iter_mut().for_each(|finding| finding.subject = Some(serial.to_string()));
        }
    }

    /// Serials without a row, and replacements that are no good cards.
    pub(crate) fn check_missing(&self, plan: &Plan, findings: &mut Vec<Finding>) {
        for range in &plan.serials {
            findings.extend(self.serials.missing(*range).map(|(first, count)| {
                Finding::new(Check::SerialGap, "a row", format!("{count} missing"))
                    .field("serial")
                    .subject(first)
            }));
        }
        for (value, row) in self.replacements.entries() {
            if !self.serials.contains(value) || self.scrap.contains(value) {
                let finding = Finding::new(
                    Check::ReplacementUnknown,
                    "a good card of the batch",
                    "another serial",
                );
                findings.push(finding.field("replacement").at(Place::row(*row)));
            }
        }
    }
}
