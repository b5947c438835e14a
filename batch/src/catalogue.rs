//! The catalogue of checks. An identifier never changes its meaning and is never used again; new
//! checks take new numbers.

use core::fmt;

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth a look; the batch can be accepted.
    Warning,
    /// The batch is refused.
    Error,
}

impl Severity {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! catalogue {
    ($($variant:ident = $id:literal, $severity:ident, $title:literal, $remedy:literal;)+) => {
        /// A check of a batch.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum Check {
            $(#[doc = concat!("`", $id, "`: ", $title, ".")] $variant,)+
        }

        impl Check {
            /// Every check, in the order of the identifiers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable identifier.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// How much a finding weighs, unless the manifest says otherwise:
            /// [`Limits::severity`](crate::manifest::Limits::severity).
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// What was found, without particulars.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

catalogue! {
    FileMissing = "B-FILE-001", Error, "a file of the manifest is missing",
        "deliver the file, or correct the manifest";
    FileHash = "B-FILE-002", Error, "the SHA-256 of a file is not that of the manifest",
        "deliver the file again; if it was changed on purpose, a new manifest is needed";
    FileSize = "B-FILE-003", Error, "a file has another length than the manifest says",
        "deliver the file again; it was cut short or continued after the manifest was made";
    FileBom = "B-FILE-004", Warning, "a file begins with a byte-order mark",
        "write the file without it";
    FileEncoding = "B-FILE-005", Error, "a row is not in the declared encoding",
        "write the whole file in one encoding and declare that one";
    FileControl = "B-FILE-006", Error, "a row has a control character in it",
        "write the row again without it; look for a damaged disk or a binary field";
    FileLineEnds = "B-FILE-007", Warning, "a file mixes line ends",
        "end all rows with LF, or all with CR LF";
    FileLongLine = "B-FILE-008", Error, "a row is longer than any row can be",
        "look for missing line ends";
    FileCutShort = "B-FILE-009", Error, "the last row has no line end: the file is cut short",
        "deliver the whole file";
    FileColumnMissing = "B-FILE-010", Error, "a column is missing",
        "add the column, or describe the vendor's own layout in a mapping file";
    FileColumnTwice = "B-FILE-011", Error, "a column occurs twice",
        "leave one of them";
    FileColumnUnknown = "B-FILE-012", Warning, "a column is in no schema and was not read",
        "remove it; nothing but the columns of the schema is checked";
    FileFieldCount = "B-FILE-013", Error, "a row has another number of fields than the heading",
        "write the row again; look for separators inside fields";
    FileQuotes = "B-FILE-014", Error, "the quotes of a row do not match",
        "quote as RFC 4180 says; no field goes over a line end";
    FileFormula = "B-FILE-015", Error, "a cell begins like a spreadsheet formula",
        "write the value itself; do not pass the file through a spreadsheet";
    FileJson = "B-FILE-016", Error, "a line is not a JSON object with each column once",
        "write one object of strings per line";
    FileEmptyLine = "B-FILE-017", Warning, "a file has an empty line between rows",
        "remove it";
    FileWidth = "B-FILE-018", Error, "a row of fixed width has another width",
        "write the row again, padded to the width of the mapping file";
    FileSpaces = "B-FILE-019", Warning, "a cell has spaces around its value",
        "write the value alone";
    FileDamaged = "B-FILE-020", Error, "a workbook or Parquet file is damaged",
        "deliver the file again; if it opens elsewhere, write its rows as CSV";
    FileBomb = "B-FILE-021", Error, "a file holds more than any batch has",
        "do not open it; ask the vendor what it is, and for the rows as CSV";
    FileUnread = "B-FILE-022", Error, "a file is written in a way that is not read",
        "write it again as the message says, or its rows as CSV";

    ManifestField = "B-MAN-001", Error, "a field of the manifest has a wrong value",
        "correct the manifest";
    ManifestSerials = "B-MAN-002", Error, "the serial ranges of the manifest contradict each other",
        "correct the manifest: each range ascends and no two share a serial";
    ManifestBoxes = "B-MAN-003", Error, "the boxes of the manifest contradict each other",
        "correct the manifest: each box has a name of its own and a range of its own";
    ManifestKeys = "B-MAN-004", Error, "the keys of the manifest are not those of the schema",
        "name each key of the schema once, with the check value of its root";

    CountRows = "B-CNT-001", Error, "the number of rows is not that of the manifest",
        "find the missing or added rows, or correct the manifest";
    CountBoxes = "B-CNT-002", Error, "the boxes of the manifest do not add up to the batch",
        "correct the manifest";
    CountBox = "B-CNT-003", Error, "a box holds another number of cards than the manifest says",
        "count the box; correct its rows or the manifest";
    CountState = "B-CNT-004", Error, "the numbers of good and scrap cards are not those of the manifest",
        "correct the status of the rows or the manifest";
    CountOrder = "B-CNT-005", Error, "good and scrap cards are not the ordered and spare ones together",
        "account for every card that was ordered or made as a spare";
    CountGood = "B-CNT-006", Error, "there are fewer good cards than were ordered",
        "deliver the missing cards";
    CountScrap = "B-CNT-007", Warning, "scrap is above the limit of the manifest",
        "settle it as the contract says; only a contract that refuses the batch makes this an error";
    CountSpare = "B-CNT-008", Warning, "spare cards are above the limit of the manifest",
        "settle it as the contract says; only a contract that refuses the batch makes this an error";

    SerialForm = "B-SER-001", Error, "a card serial is not 16 digits that begin with 1100",
        "write the serial as it is on the card";
    SerialDigit = "B-SER-002", Error, "a card serial has a wrong check digit",
        "look for a typing error; the card itself may be right";
    SerialRange = "B-SER-003", Error, "a card serial is outside the ranges of the batch",
        "find out where the card comes from; it may belong to another batch";
    SerialTwice = "B-SER-004", Error, "a card serial occurs twice in the batch",
        "find the two cards; one of them must be destroyed";
    SerialGap = "B-SER-005", Error, "serials of the batch have no readable row",
        "deliver the cards, or their rows with the status scrap";

    ChipUid = "B-CHIP-001", Error, "a UID is not 7 bytes",
        "read the UID from the chip again";
    ChipMaker = "B-CHIP-002", Error, "a UID does not begin as the manifest says",
        "find out whose chip it is; another chip needs a new approval";
    ChipUidTwice = "B-CHIP-003", Error, "a UID occurs twice in the batch",
        "find the two cards; a chip with a 7-byte UID is unique, so one row is wrong or a copy";
    ChipAtr = "B-CHIP-004", Error, "an ATR is malformed",
        "read the ATR from the card again";
    ChipAtrOther = "B-CHIP-005", Error, "an ATR is not that of the profile and the serial",
        "find out what card it is; rows may have been swapped";
    ChipAts = "B-CHIP-006", Error, "an ATS is malformed",
        "read the ATS from the card again";
    ChipAtsOther = "B-CHIP-007", Error, "an ATS is not that of the profile and the serial",
        "find out what card it is; rows may have been swapped";

    KeyForm = "B-KEY-001", Error, "a key check value is not 6 hexadecimal digits",
        "write three bytes; if a key stands there, it is compromised: destroy the card and the file";
    KeyWrong = "B-KEY-002", Error, "a key check value is not that of the key derived for the card",
        "read the check value from the card; load the right keys";
    KeyDefault = "B-KEY-003", Error, "a key check value is that of a well-known default key",
        "the card still has a transport or default key: load the right keys";
    KeyRoot = "B-KEY-004", Error, "a key check value is that of the root itself",
        "destroy the card: whoever opens it has the keys of all cards; replace the root";
    KeySwapped = "B-KEY-005", Error, "a key check value is that of another key of the card",
        "two columns or two keys are swapped; read the check values from the card";
    KeyVersion = "B-KEY-006", Error, "a key check value is that of another version of the key",
        "load the version that was ordered";
    KeyTest = "B-KEY-007", Error, "a key check value is that of a published test key",
        "the card was made with test keys: load the right keys";
    KeyMethod = "B-KEY-008", Error, "a key check value was computed by another method",
        "the key is right: write the CMAC check value of K and S keys, the zero-block one of W keys";
    KeyWeak = "B-KEY-009", Error, "a key check value is that of a weak DES key",
        "load the right keys";
    KeyCopied = "B-KEY-010", Error, "two cards have the same keys",
        "the keys were not diversified or one card is a copy: load the right keys";
    KeySetVersion = "B-KEY-011", Error, "the key-set version of a card is not that of the batch",
        "load the version that was ordered";
    KeyRootOther = "B-KEY-012", Error, "a root has another check value than the manifest says",
        "check with the right key file, or ask which roots the vendor used";
    KeyNotChecked = "B-KEY-013", Warning, "key check values were not recomputed: their roots are not here",
        "check again with all roots before cards go into stock";
    KeyRootsEqual = "B-KEY-014", Warning, "two roots have the same check value",
        "make sure that they are two different roots";

    ImageForm = "B-IMG-001", Error, "an issuance image is neither 48 bytes nor a SHA-256",
        "write EF 05 in hexadecimal, or its hash";
    ImageCrc = "B-IMG-002", Error, "an issuance image has a wrong CRC",
        "read EF 05 from the card; the file or the memory is damaged";
    ImageField = "B-IMG-003", Error, "a field of an issuance image breaks a rule",
        "write EF 05 of the card again";
    ImageSerial = "B-IMG-004", Error, "an issuance image has the serial of another card",
        "rows or cards were swapped; read EF 05 from the card";
    ImageProfile = "B-IMG-005", Error, "an issuance image has another profile than the batch",
        "write EF 05 of the card again";
    ImageVendor = "B-IMG-006", Error, "an issuance image has another vendor than the batch",
        "write EF 05 of the card again";
    ImageKeySet = "B-IMG-007", Error, "an issuance image has another key-set version than the batch",
        "write EF 05 of the card again";
    ImageInitDate = "B-IMG-008", Error, "an issuance image has another date than its row",
        "find out which of the two is right";
    ImageBatch = "B-IMG-009", Error, "an issuance image has the number of another batch",
        "find out which batch the card belongs to";
    ImageSite = "B-IMG-010", Error, "an issuance image has another site than its row",
        "find out which of the two is right";
    ImageTestCard = "B-IMG-011", Error, "an issuance image says that the card is a test card",
        "take the card out of the batch";
    ImageGeneration = "B-IMG-012", Error, "an issuance image says that the card was recalled before",
        "take the card out of the batch: new cards have generation 0";
    ImageValidity = "B-IMG-013", Error, "an issuance image has another validity than the batch",
        "write EF 05 of the card again";
    ImageHash = "B-IMG-014", Error, "the hash of an issuance image is not that of its row",
        "read EF 05 from the card and compare field by field";

    RowEmpty = "B-ROW-001", Error, "a cell is empty",
        "fill it in; only scrap cards may lack what was never loaded";
    RowDate = "B-ROW-002", Error, "the initialisation date is no date",
        "write it as 2026-07-01, or name the form of the vendor under dates in the mapping file";
    RowDateOutside = "B-ROW-003", Error, "the initialisation date is outside the days of the batch",
        "correct the row or the manifest";
    RowSite = "B-ROW-004", Error, "the initialisation site is none of the batch",
        "correct the row or the manifest";
    RowStatus = "B-ROW-005", Error, "the status is neither good nor scrap",
        "write good or scrap";
    RowForm = "B-ROW-006", Error, "a cell has not the form of its column",
        "write every digit, leading zeros too; a spreadsheet loses them in columns that are not text";

    WalletNumber = "B-WAL-001", Error, "a wallet card number is not 16 digits that begin with 1000",
        "write the number as the operator assigned it";
    WalletTwice = "B-WAL-002", Error, "a wallet card number occurs twice in the batch",
        "find the two cards and ask the operator which one is right";
    WalletBalance = "B-WAL-003", Error, "a wallet is not empty",
        "return the card to the operator: new cards have a balance of 0";
    WalletOpen = "B-WAL-004", Error, "a wallet is open",
        "return the card to the operator: the holder's guardian opens it";

    BoxUnknown = "B-BOX-001", Error, "a box is not in the manifest",
        "correct the row or the manifest";
    BoxOther = "B-BOX-002", Error, "a card is not in the box of its serial",
        "open the box and correct the row, or move the card";

    ReplacementMissing = "B-REP-001", Error, "a scrap card has no replacement",
        "name the spare card that takes its place";
    ReplacementNeedless = "B-REP-002", Error, "a good card has a replacement",
        "clear the cell, or correct the status";
    ReplacementUnknown = "B-REP-003", Error, "a replacement is no good card of the batch",
        "name a good card of this batch";
    ReplacementTwice = "B-REP-004", Error, "a card replaces two scrap cards",
        "name another spare card for one of them";

    HistoryBatch = "B-HIS-001", Error, "the batch was accepted before",
        "check its number; accepted again, it would be counted twice";
    HistorySerial = "B-HIS-002", Error, "a card serial is that of an accepted batch",
        "find the two cards; one of them must be destroyed";
    HistoryUid = "B-HIS-003", Error, "a UID is that of a card of an accepted batch",
        "find the two cards; one row is wrong, or one card is a copy";
    HistoryKeys = "B-HIS-004", Error, "a card has the keys of a card of an accepted batch",
        "one card is a copy, or keys were not diversified: load the right keys";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_well_formed_ascend_and_are_unique() {
        let family = |check: &Check| check.id().rsplit_once('-').unwrap();
        for pair in Check::ALL.windows(2) {
            let ((before, low), (after, high)) = (family(&pair[0]), family(&pair[1]));
            assert!(before != after || low < high, "{} {}", pair[0], pair[1]);
        }
        for (at, check) in Check::ALL.iter().enumerate() {
            let (family, number) = family(check);
            assert!(family.starts_with("B-") && number.len() == 3, "{check}");
            assert!(Check::ALL[..at].iter().all(|other| other.id() != check.id()), "{check}");
            assert!(!check.title().ends_with('.') && !check.remedy().ends_with('.'), "{check}");
        }
    }
}
