//! What a generated batch looks like: every card is a function of the seed and its number, so that
//! all processors can make cards at once and the same seed gives the same bytes.

use std::collections::BTreeMap;

use xuejika_card_model::bcd::Digits;
use xuejika_card_model::card::{Header, Privacy, UID_LEN};
use xuejika_card_model::date::Date;
use xuejika_card_model::factory;
use xuejika_card_model::file::tree::{CardKind, PROFILE_VERSION};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::record::{CardType, Issuance, Profile};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::{Algorithm, KeyVersion};

use crate::error::{Cause, Error};
use crate::manifest::{
    Carton, Count, Encoding, Format, Head, Keys, Limits, Manifest, Range, RowFile,
};
use crate::plan::kcv_method;
use crate::{Column, KeySlot, KeySource, State, Tally, schema};

/// Largest batch: the sequence number of a serial has seven digits.
const MAX_CARDS: u32 = 9_999_000;

/// Cards in a box.
pub(crate) const BOX: u32 = 250;

/// First byte of every UID; no chip maker has it.
const UID_PREFIX: u8 = 0xF0;

/// Bytes of a UID that tell the cards of a batch apart: 40 bits.
const UID_MASK: u64 = 0xFF_FFFF_FFFF;

/// Year of the serials.
const YEAR: u8 = 26;

/// Days on which the cards are initialised.
const DAYS: u32 = 5;

/// Initialisation sites.
const SITES: [[u8; 2]; 2] = [[0, 1], [0, 2]];

/// Last digits of the serial in ATR and ATS.
const SERIAL_DIGITS: usize = 10;

/// A batch before it is written.
#[derive(Clone, Debug)]
pub struct Design {
    seed: u64,
    /// Cards in all.
    pub(crate) cards: u32,
    /// Cards made on top of the order.
    pub(crate) spare: u32,
    /// One card in this many is scrap.
    pub(crate) scrap_every: u32,
    /// Most scrap cards.
    most_scrap: u32,
    /// Card profile.
    pub(crate) profile: Profile,
    /// Algorithm of the profile.
    pub(crate) algorithm: Algorithm,
    /// Key-set version.
    pub(crate) key_version: KeyVersion,
    init_date: Date,
    valid: (Date, Date),
    number: Digits<6>,
    vendor: Digits<2>,
    /// The vendor in serials.
    short_vendor: u8,
}

/// A card before its keys are derived and its row is written.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    /// Place in the batch, from 0.
    pub(crate) index: u32,
    /// Card serial.
    pub(crate) serial: CardSerial,
    /// UID.
    pub(crate) uid: [u8; UID_LEN],
    /// Initialisation date.
    pub(crate) init_date: Date,
    /// Initialisation site.
    pub(crate) site: [u8; 2],
    /// Issuance record.
    pub(crate) issuance: Issuance,
    /// Card number of the wallet.
    pub(crate) wallet_number: [u8; 8],
    /// Serial and wallet card number that its keys are derived by.
    pub(crate) keys: ([u8; 8], [u8; 8]),
    /// Box.
    pub(crate) place: u32,
    /// Whether it can be used.
    pub(crate) state: State,
    /// Card that replaces it.
    pub(crate) replacement: Option<CardSerial>,
}

impl Design {
    /// A batch of this many cards.
    ///
    /// # Errors
    /// Returns [`Error::Design`] for no card, or more than serials of one vendor and year can count.
    pub fn new(cards: u32, seed: u64, profile: Profile) -> Result<Self, Error> {
        if !(1..=MAX_CARDS).contains(&cards) {
            return Err(Error::Design(format!("expected 1 to {MAX_CARDS}").into()));
        }
        Self::of(cards, seed, profile).map_err(Error::Design)
    }

    fn of(cards: u32, seed: u64, profile: Profile) -> Result<Self, Cause> {
        Ok(Self {
            seed,
            cards,
            spare: cards / 50,
            scrap_every: 100,
            most_scrap: u32::MAX,
            profile,
            algorithm: match profile {
                Profile::CpuSm4 => Algorithm::Sm4,
                _ => Algorithm::Aes128,
            },
            key_version: KeyVersion::FIRST,
            init_date: Date::new(2026, 7, 1)?,
            valid: (Date::new(2026, 9, 1)?, Date::new(2038, 8, 31)?),
            number: Digits::new(202_607_000_000 + seed % 1_000_000)?,
            // Serials and UIDs of batches with neighbouring seeds have nothing in common.
            vendor: Digits::new(1 + seed % 99)?,
            short_vendor: u8::try_from(1 + seed % 99)?,
        })
    }

    /// Cards ordered.
    pub(crate) const fn ordered(&self) -> u32 {
        self.cards - self.spare
    }

    /// This many cards are scrap, and as many are spares.
    ///
    /// # Errors
    /// Returns [`Error::Design`] when they are more than half of the cards.
    pub fn with_scrap(self, scrap: u32) -> Result<Self, Error> {
        if scrap > self.cards / 2 {
            return Err(Error::Design("scrap: more than half of the cards".into()));
        }
        let scrap_every = (self.cards - scrap).checked_div(scrap).unwrap_or(self.scrap_every);
        Ok(Self { spare: scrap, scrap_every, most_scrap: scrap, ..self })
    }

    /// Number of scrap cards.
    pub(crate) fn scrap(&self) -> u32 {
        (self.ordered() / self.scrap_every).min(self.most_scrap)
    }

    /// Number of boxes.
    pub(crate) const fn boxes(&self) -> u32 {
        self.cards.div_ceil(BOX)
    }

    /// Place of the scrap card with this number, from 0.
    pub(crate) fn scrap_card(&self, number: u32) -> u32 {
        let every = u64::from(self.scrap_every);
        let within = self.random(u64::from(number) ^ 0x5C4A_0000_0000) % every;
        number * self.scrap_every + u32::try_from(within).unwrap_or(0)
    }

    /// The serial of a card.
    ///
    /// # Errors
    /// Never below [`MAX_CARDS`].
    pub(crate) fn serial(&self, index: u32) -> Result<CardSerial, Cause> {
        Ok(CardSerial::new(YEAR, self.short_vendor, index + 1)?)
    }

    /// The card at a place.
    ///
    /// # Errors
    /// Never in a batch; see [`Self::serial`].
    pub(crate) fn sketch(&self, index: u32) -> Result<Sketch, Cause> {
        let serial = self.serial(index)?;
        let number = index / self.scrap_every;
        let scrap = number < self.scrap() && self.scrap_card(number) == index;
        let day = u64::from(index) * u64::from(DAYS) / u64::from(self.cards);
        let init_date = self.init_date.add_days(i32::try_from(day)?).unwrap_or(self.init_date);
        let [site, other] = SITES;
        let site = if self.random(u64::from(index)).is_multiple_of(2) { site } else { other };
        let issuance = Issuance {
            card_serial: serial,
            card_type: CardType::Pupil,
            profile: self.profile,
            vendor: self.vendor,
            key_set_version: core::num::NonZeroU8::MIN,
            init_date,
            batch: self.number,
            site,
            generation: 0,
            valid_from: self.valid.0,
            valid_until: self.valid.1,
        };
        let wallet_number = factory::transit_number(&issuance);
        Ok(Sketch {
            index,
            serial,
            uid: self.uid(index),
            init_date,
            site,
            issuance,
            wallet_number,
            keys: (serial.bytes(), wallet_number),
            place: index / BOX,
            state: if scrap { State::Scrap } else { State::Good },
            replacement: scrap.then(|| self.serial(self.ordered() + number)).transpose()?,
        })
    }

    /// The manifest of the rows that were written.
    ///
    /// # Errors
    /// Never in a batch; see [`Self::serial`].
    pub(crate) fn manifest(
        &self,
        source: &KeySource<'_>,
        tally: &Tally,
        file: RowFile,
    ) -> Result<Manifest, Cause> {
        let hex = |bytes: &[u8]| hex::encode_upper(bytes);
        let range = |first, last| -> Result<Range, Cause> {
            let [first, last] = [self.serial(first)?, self.serial(last)?];
            Ok(Range { first: first.to_string(), last: last.to_string() })
        };
        let mut boxes = Vec::new();
        for (at, count) in (0..self.boxes()).zip(&tally.boxes) {
            let last = ((at + 1) * BOX).min(self.cards) - 1;
            let Range { first, last } = range(at * BOX, last)?;
            boxes.push(Carton { id: box_name(at), first, last, count: *count });
        }
        let last_day = self.init_date.add_days(i32::try_from(DAYS)? - 1).unwrap_or(self.init_date);
        let (atr, ats) = self.patterns()?;
        Ok(Manifest {
            schema: schema::VERSION,
            batch: Head {
                number: self.number.to_string(),
                vendor: self.vendor.to_string(),
                profile: self.profile.to_string(),
                profile_version: PROFILE_VERSION.into(),
                initialised_from: self.init_date.to_string(),
                initialised_until: last_day.to_string(),
                valid_from: self.valid.0.to_string(),
                valid_until: self.valid.1.to_string(),
                sites: SITES.iter().map(|site| hex(site)).collect(),
                uid_prefix: hex(&[UID_PREFIX]),
                atr,
                ats,
            },
            count: Count {
                rows: tally.rows,
                // The order is what came out of it: faults of rows are no faults of the counts.
                ordered: (tally.good + tally.scrap).saturating_sub(self.spare),
                spare: self.spare,
                good: tally.good,
                scrap: tally.scrap,
            },
            limits: Limits::default(),
            keys: Keys {
                version: self.key_version.number().into(),
                root_kcv: self.root_kcv(source)?,
            },
            files: vec![file],
            serials: vec![range(0, self.cards - 1)?],
            boxes,
        })
    }

    fn root_kcv(&self, source: &KeySource<'_>) -> Result<BTreeMap<String, String>, Cause> {
        let value = |slot: KeySlot| {
            let value = source.root(slot)?.unwrap_or_default();
            let method = kcv_method(slot, self.algorithm);
            Ok((slot.name().to_owned(), format!("{method}{}", hex::encode(value))))
        };
        KeySlot::all().map(value).collect()
    }

    /// The patterns of ATR and ATS.
    fn patterns(&self) -> Result<(String, String), Cause> {
        let sketch = self.sketch(self.cards - 1)?;
        let serial = sketch.serial.to_string();
        let (_, digits) = serial.split_at(serial.len() - SERIAL_DIGITS);
        let marked = |text: String| text.replace(digits, &"s".repeat(SERIAL_DIGITS));
        let (mut atr, ats) = (marked(self.atr(&sketch)), marked(self.ats(&sketch)));
        // The check byte follows from the rest.
        atr.truncate(atr.len() - 2);
        Ok((atr + "xx", ats))
    }

    /// The ATR of a card, in hexadecimal.
    pub(crate) fn atr(&self, sketch: &Sketch) -> String {
        hex::encode_upper(xuejika_card_model::atr::atr(&self.header(sketch)))
    }

    /// The ATS of a card, in hexadecimal.
    pub(crate) fn ats(&self, sketch: &Sketch) -> String {
        hex::encode_upper(xuejika_card_model::atr::ats(&self.header(sketch)))
    }

    fn header(&self, sketch: &Sketch) -> Header {
        Header {
            kind: CardKind::Student,
            algorithm: self.algorithm,
            privacy: Privacy::default(),
            uid: sketch.uid,
            serial: CardId(sketch.serial.bytes()),
        }
    }

    /// A UID that no other card of the batch has: an odd factor makes the product unique.
    fn uid(&self, index: u32) -> [u8; UID_LEN] {
        let factor = self.random(0x0D1D) | 1;
        let bits =
            u64::from(index).wrapping_mul(factor).wrapping_add(self.random(0xF00D)) & UID_MASK;
        let [_, _, _, a, b, c, d, e] = bits.to_be_bytes();
        [UID_PREFIX, self.short_vendor, a, b, c, d, e]
    }

    /// A number that looks random (SplitMix64).
    pub(crate) fn random(&self, salt: u64) -> u64 {
        let mut z = (self.seed ^ salt.rotate_left(32)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Sketch {
    /// Makes it the card with another serial, through and through.
    pub(crate) fn rename(&mut self, serial: CardSerial) {
        self.serial = serial;
        self.issuance.card_serial = serial;
        self.wallet_number = factory::transit_number(&self.issuance);
        self.keys = (serial.bytes(), self.wallet_number);
    }

    /// Its row, cell by cell.
    pub(crate) fn cells(
        &self,
        design: &Design,
        values: &[[u8; 3]; KeySlot::COUNT],
        mut cell: impl FnMut(&str),
    ) {
        let hex = |bytes: &[u8]| hex::encode_upper(bytes);
        cell(&self.serial.to_string());
        cell(&hex(&self.uid));
        cell(&design.atr(self));
        cell(&design.ats(self));
        cell(&self.init_date.to_string());
        cell(&hex(&self.site));
        cell(&hex(&[design.key_version.number()]));
        // What failed before its keys were loaded has nothing after that step.
        let loaded = self.state == State::Good;
        if loaded {
            cell(&hex(&self.wallet_number));
            cell("0");
            cell("00");
            cell(&hex(&self.issuance.emit()));
        } else {
            [(); 4].iter().for_each(|()| cell(""));
        }
        cell(&box_name(self.place));
        cell(self.state.name());
        cell(&self.replacement.map(|serial| serial.to_string()).unwrap_or_default());
        for value in values {
            let mut digits = [0; 6];
            let text = hex::encode_to_slice(value, &mut digits).map(|()| &digits);
            cell(if loaded {
                text.map_or("", |text| str::from_utf8(text).unwrap_or(""))
            } else {
                ""
            });
        }
    }
}

/// The heading of a file.
pub(crate) fn heading() -> String {
    Column::all().map(Column::name).collect::<Vec<_>>().join(",")
}

/// The one file of rows of a generated batch.
pub(crate) fn row_file(format: Format, bytes: u64, sha256: [u8; 32]) -> RowFile {
    RowFile {
        name: file_name(format).to_owned(),
        format,
        encoding: Encoding::Utf8,
        bytes,
        sha256: hex::encode(sha256),
        mapping: None,
    }
}

/// Its name.
pub(crate) const fn file_name(format: Format) -> &'static str {
    match format {
        Format::Jsonl => "cards.jsonl",
        _ => "cards.csv",
    }
}

/// The name of a box.
fn box_name(place: u32) -> String {
    format!("B{:05}", place + 1)
}
