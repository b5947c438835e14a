//! What a reader that holds lists does, by the rules of 2007: written from their text, without looking
//! at how the library decides.

use xuejika_card_model::date::Date;
use xuejika_card_model::list::Kind;

/// The school of the pupil, the units above it, and schools that have no say.
pub(crate) const HOME: &str = "084012";
pub(crate) const UNITS: [&str; 5] = [HOME, "080000", "000000", "084013", "054020"];

/// A report of a card (挂失、冻结、补卡).
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    pub(crate) reported: Date,
    pub(crate) effective: Date,
    pub(crate) withdrawn: Option<Date>,
}

impl Report {
    /// Whether the unit has a say about the card of a pupil of [`HOME`] (操作规程 四/二, 三/二).
    fn concerns(&self) -> bool {
        [HOME, "080000", "000000"].contains(&self.unit)
    }

    fn stands(&self) -> bool {
        self.concerns() && self.withdrawn.is_none()
    }
}

/// Why a card is refused, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Replaced,
    Lost,
    Frozen,
}

/// What lists as they were delivered say of the card (操作规程 一/八(三)3, 四/六): one report in force is
/// enough, whoever else says nothing or takes one back.
pub(crate) fn refused(lists: &[Vec<Report>], today: Date) -> Option<Why> {
    let in_force = |kind| {
        let mut reports = lists.iter().flatten();
        reports.any(|it| it.kind == kind && it.stands() && it.effective <= today)
    };
    [(Kind::Replaced, Why::Replaced), (Kind::Loss, Why::Lost), (Kind::Freeze, Why::Frozen)]
        .into_iter()
        .find(|(kind, _)| in_force(*kind))
        .map(|(_, why)| why)
}

/// The first report of a loss that stands, while the lost card is not replaced (暂行办法 六(二)).
pub(crate) fn loss(lists: &[Vec<Report>]) -> Option<Date> {
    let of = |kind| lists.iter().flatten().filter(move |it| it.kind == kind && it.stands());
    if of(Kind::Replaced).next().is_some() {
        return None;
    }
    of(Kind::Loss).map(|it| it.reported).min()
}
