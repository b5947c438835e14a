//! Districts and counties of Beijing: the last two digits of GB/T 2260, as a dated table.
//!
//! A card lives up to twelve years, so districts that were merged or renamed stay in the table: old
//! numbers remain valid. Education-only codes (Yanshan, the development area) are not public and
//! therefore not listed.

use crate::code::codes;

codes! {
    /// A district (区) or county (县); one BCD byte.
    pub enum District {
        Dongcheng = 0x01, "01", "Dongcheng", "东城区";
        Xicheng = 0x02, "02", "Xicheng", "西城区";
        Chongwen = 0x03, "03", "Chongwen", "崇文区";
        Xuanwu = 0x04, "04", "Xuanwu", "宣武区";
        Chaoyang = 0x05, "05", "Chaoyang", "朝阳区";
        Fengtai = 0x06, "06", "Fengtai", "丰台区";
        Shijingshan = 0x07, "07", "Shijingshan", "石景山区";
        Haidian = 0x08, "08", "Haidian", "海淀区";
        Mentougou = 0x09, "09", "Mentougou", "门头沟区";
        Fangshan = 0x11, "11", "Fangshan", "房山区";
        Tongzhou = 0x12, "12", "Tongzhou", "通州区";
        Shunyi = 0x13, "13", "Shunyi", "顺义区";
        Changping = 0x14, "14", "Changping", "昌平区";
        Daxing = 0x15, "15", "Daxing", "大兴区";
        Huairou = 0x16, "16", "Huairou", "怀柔区";
        Pinggu = 0x17, "17", "Pinggu", "平谷区";
        Miyun = 0x18, "18", "Miyun", "密云区";
        Yanqing = 0x19, "19", "Yanqing", "延庆区";
        MiyunCounty = 0x28, "28", "Miyun county", "密云县";
        YanqingCounty = 0x29, "29", "Yanqing county", "延庆县";
    }
}

impl District {
    /// Returns the first year of the code, or `None` when it is as old as the card (2007).
    #[must_use]
    pub const fn since(self) -> Option<u16> {
        match self {
            Self::Miyun | Self::Yanqing => Some(2015),
            _ => None,
        }
    }

    /// Returns the last year of the code, or `None` while it is in force.
    #[must_use]
    pub const fn until(self) -> Option<u16> {
        match self {
            Self::Chongwen | Self::Xuanwu => Some(2010),
            Self::MiyunCounty | Self::YanqingCounty => Some(2015),
            _ => None,
        }
    }

    /// Tells whether the code was in force in `year`; in a year of change both codes are.
    #[must_use]
    pub fn in_force(self, year: u16) -> bool {
        self.since().is_none_or(|first| first <= year)
            && self.until().is_none_or(|last| year <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_by_year() {
        let count = |year| District::ALL.iter().filter(|d| d.in_force(year)).count();
        assert_eq!([2007, 2011, 2016, 2026].map(count), [18, 16, 16, 16]);
        assert_eq!(District::from_code(0x10), None);
        assert_eq!(District::from_code(0x00), None);
    }
}
