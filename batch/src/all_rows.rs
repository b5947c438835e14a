//! What has to be known of all rows of a batch at once: what occurs twice, and what is missing.

use std::collections::BTreeMap;

use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::ident::CardSerial;

use crate::index::{Index, Sorted};
use crate::noted::Noted;
use crate::{Check, Finding, Place, Plan, Row, State};

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

/// What tells the cards of a batch apart, in order of the values: what a history keeps of it.
#[derive(Debug)]
pub struct SortedRows {
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
    /// Hands over what occurs in two rows, check by check. The second row of a serial is one fault,
    /// whatever else it repeats. `rows` is the number of rows, `limit` that of findings to keep.
    pub(crate) fn check_repeated<E>(
        &self,
        rows: u32,
        limit: u64,
        mut take: impl FnMut(Noted) -> Result<(), E>,
    ) -> Result<(), E> {
        let serials = pairs(&self.serials);
        let is_copy = |row: u32| serials.binary_search_by_key(&row, |(row, _)| *row).is_ok();
        let others =
            |pairs: Vec<Pair>| pairs.into_iter().filter(|(row, _)| !is_copy(*row)).collect();
        let found = [
            (Check::ChipUidTwice, "uid", pairs(&self.uids)),
            (Check::WalletTwice, "wallet_number", others(pairs(&self.wallets))),
            (Check::KeyCopied, "kcv_k0 kcv_k1 kcv_k2", others(pairs(&self.fingerprints))),
            (Check::ReplacementTwice, "replacement", pairs(&self.replacements)),
            (Check::SerialTwice, "serial", serials),
        ];
        if found.iter().all(|(.., pairs)| pairs.is_empty()) {
            return Ok(());
        }
        let cards = self.cards(rows);
        for (check, field, pairs) in found.into_iter().rev() {
            let mut noted = Noted::new(limit);
            for (row, first) in pairs {
                let found = format!("the value of row {first}");
                let finding = Finding::new(check, "another value", found).field(field);
                let serial = cards.get(row as usize).copied().map(CardSerial::from_bytes);
                noted.add(finding.at(Place::row(row)), serial.and_then(Result::ok));
            }
            take(noted)?;
        }
        Ok(())
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

    /// The serial of each row, by its number; zeros where there is none.
    fn cards(&self, rows: u32) -> Vec<[u8; 8]> {
        let mut cards = vec![[0; 8]; rows as usize + 1];
        for (value, row) in self.serials.entries() {
            cards.iter_mut().skip(*row as usize).take(1).for_each(|card| *card = *value);
        }
        cards
    }

    /// Serials without a row, and replacements that are no good cards.
    pub(crate) fn missing(&self, plan: &Plan) -> impl Iterator<Item = Finding> {
        let gaps = plan.serials.iter().flat_map(|range| self.serials.missing(*range));
        let gaps = gaps.map(|(first, count)| {
            Finding::new(Check::SerialGap, "a row", format!("{count} missing"))
                .field("serial")
                .subject(first)
        });
        let unknown = self
            .replacements
            .entries()
            .iter()
            .filter(|(value, _)| !self.serials.contains(value) || self.scrap.contains(value));
        let expected = "a good card of the batch";
        gaps.chain(unknown.map(move |(_, row)| {
            Finding::new(Check::ReplacementUnknown, expected, "another serial")
                .field("replacement")
                .at(Place::row(*row))
        }))
    }
}

/// A row that repeats a value, and the first row with it.
type Pair = (u32, u32);

/// What occurs in two rows, by row.
fn pairs<const N: usize>(values: &Sorted<N>) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = values.repeated().map(|twice| (twice.row, twice.first)).collect();
    pairs.sort_unstable();
    pairs
}
