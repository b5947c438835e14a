//! EF 05 issuance record (发行信息): the card itself. Written once at initialisation.

use core::num::NonZeroU8;

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, Writer};
use crate::bcd::Digits;
use crate::code::codes;
use crate::date::Date;
use crate::ident::CardSerial;

codes! {
    /// What the card is for (卡类型); one binary byte (project-defined).
    pub enum CardType {
        Pupil = 0x01, "01", "pupil card", "学生卡";
        Test = 0x7F, "7F", "test card", "测试卡";
    }
}

codes! {
    /// Chip and cryptography of the card (芯片/配置); one binary byte (project-defined). 02 is kept
    /// free: no TDES education zone is offered.
    pub enum Profile {
        S70 = 0x01, "01", "s70", "S70 存储卡";
        CpuSm4 = 0x03, "03", "cpu-sm4", "CPU 卡 SM4";
        CpuAes = 0x04, "04", "cpu-aes", "CPU 卡 AES";
    }
}

/// The issuance record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Issuance {
    /// Card serial number (卡序号).
    pub card_serial: CardSerial,
    /// What the card is for (卡类型).
    pub card_type: CardType,
    /// Chip and cryptography (芯片/配置).
    pub profile: Profile,
    /// Vendor code (供卡方代码); its last two digits are the vendor of the serial.
    pub vendor: Digits<2>,
    /// Version of the key set (密钥版本).
    pub key_set_version: NonZeroU8,
    /// Date of initialisation (初始化日期).
    pub init_date: Date,
    /// Batch number (批次号).
    pub batch: Digits<6>,
    /// Initialisation site (初始化机构), opaque.
    pub site: [u8; 2],
    /// How often the card was recalled and restocked (代次).
    pub generation: u8,
    /// First day of the education application (教育应用启用日).
    pub valid_from: Date,
    /// Last day of the education application (有效期至).
    pub valid_until: Date,
}

impl Issuance {
    /// Length in bytes.
    pub const LEN: usize = 48;

    /// Layout version written and read.
    pub const LAYOUT_VERSION: u8 = 0x01;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Issuance, len: Self::LEN, fields: field::ALL };

    /// Reads the record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let card_serial = r.read(field::CARD_SERIAL);
        let card_type = r.read(field::CARD_TYPE);
        r.expect_version(field::LAYOUT_VERSION, Self::LAYOUT_VERSION);
        let profile = r.read(field::PROFILE);
        let vendor = r.read(field::VENDOR);
        let key_set_version = r.read(field::KEY_SET_VERSION);
        let init_date = r.read(field::INIT_DATE);
        let batch = r.read(field::BATCH);
        let site = r.read(field::SITE);
        let generation = r.read(field::GENERATION);
        let valid_from = r.read(field::VALID_FROM);
        let valid_until = r.read(field::VALID_UNTIL);
        check(card_serial, vendor, [valid_from, valid_until], &mut r.errors);
        r.finish(|| {
            Some(Self {
                card_serial: card_serial?,
                card_type: card_type?,
                profile: profile?,
                vendor: vendor?,
                key_set_version: key_set_version?,
                init_date: init_date?,
                batch: batch?,
                site: site?,
                generation: generation?,
                valid_from: valid_from?,
                valid_until: valid_until?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::CARD_SERIAL, &self.card_serial)
            .write(field::CARD_TYPE, &self.card_type)
            .write(field::LAYOUT_VERSION, &Self::LAYOUT_VERSION)
            .write(field::PROFILE, &self.profile)
            .write(field::VENDOR, &self.vendor)
            .write(field::KEY_SET_VERSION, &self.key_set_version)
            .write(field::INIT_DATE, &self.init_date)
            .write(field::BATCH, &self.batch)
            .write(field::SITE, &self.site)
            .write(field::GENERATION, &self.generation)
            .write(field::VALID_FROM, &self.valid_from)
            .write(field::VALID_UNTIL, &self.valid_until)
            .seal(&Self::LAYOUT)
    }

    /// Checks the agreement between fields.
    ///
    /// # Errors
    /// The vendor code is not that of the serial, or the validity ends before it begins.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        let validity = [self.valid_from, self.valid_until].map(Some);
        check(Some(self.card_serial), Some(self.vendor), validity, &mut errors);
        errors.into_result(Some(()))
    }
}

fn check(
    serial: Option<CardSerial>,
    vendor: Option<Digits<2>>,
    validity: [Option<Date>; 2],
    errors: &mut FieldErrors,
) {
    if let (Some(serial), Some(vendor)) = (serial, vendor)
        && vendor.value() % 100 != u64::from(serial.vendor())
    {
        let problem = Problem::disagrees(vendor, field::CARD_SERIAL, serial.vendor());
        errors.push(field::VENDOR, problem);
    }
    errors.check_order((field::VALID_FROM, validity[0]), (field::VALID_UNTIL, validity[1]));
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Issuance;

    pub(super) const CARD_SERIAL: Field = Field::value(R, 0, 8, "card_serial", "卡序号");
    pub(super) const CARD_TYPE: Field = Field::value(R, 8, 1, "card_type", "卡类型");
    pub(super) const LAYOUT_VERSION: Field = Field::value(R, 9, 1, "layout_version", "布局版本");
    pub(super) const PROFILE: Field = Field::value(R, 10, 1, "profile", "芯片/配置");
    pub(super) const VENDOR: Field = Field::value(R, 11, 2, "vendor", "供卡方代码");
    pub(super) const KEY_SET_VERSION: Field = Field::value(R, 13, 1, "key_set_version", "密钥版本");
    const CRC_1: Field = Field::crc(R, 14, "crc_1");
    pub(super) const INIT_DATE: Field = Field::value(R, 16, 4, "init_date", "初始化日期");
    pub(super) const BATCH: Field = Field::value(R, 20, 6, "batch", "批次号");
    pub(super) const SITE: Field = Field::value(R, 26, 2, "site", "初始化机构");
    pub(super) const GENERATION: Field = Field::value(R, 28, 1, "generation", "代次");
    const RFU_1: Field = Field::reserved(R, 29, 1, "rfu_1");
    const CRC_2: Field = Field::crc(R, 30, "crc_2");
    pub(super) const VALID_FROM: Field = Field::value(R, 32, 4, "valid_from", "教育应用启用日");
    pub(super) const VALID_UNTIL: Field = Field::value(R, 36, 4, "valid_until", "有效期至");
    const RFU_2: Field = Field::reserved(R, 40, 6, "rfu_2");
    const CRC_3: Field = Field::crc(R, 46, "crc_3");

    pub(super) const ALL: &[Field] = &[
        CARD_SERIAL,
        CARD_TYPE,
        LAYOUT_VERSION,
        PROFILE,
        VENDOR,
        KEY_SET_VERSION,
        CRC_1,
        INIT_DATE,
        BATCH,
        SITE,
        GENERATION,
        RFU_1,
        CRC_2,
        VALID_FROM,
        VALID_UNTIL,
        RFU_2,
        CRC_3,
    ];
}
