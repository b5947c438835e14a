//! `list check`: whether lists are authentic, fresh, and within the limits of the rules.

use std::path::Path;

use xuejika_card_model::calendar::{Deadline, Holidays};
use xuejika_card_model::date::Date;
use xuejika_card_model::list::{EffectError, Entry, Kind, Listing, Standing};

use super::CheckArgs;
use super::files::{AnyList, Keys};
use super::report::{FileReport, FindingReport};
use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

/// Checks every file; one that is not authentic or damaged ends the check.
pub(super) fn run(args: &CheckArgs, out: &Output) -> Outcome<Code> {
    let keys = Keys::open(&args.keys)?;
    let (today, _) = clock::stamp(&clock::env(None)?, args.date, None)?;
    let holidays = args.holidays.read()?;
    let mut good = true;
    let mut before: Vec<(&Path, AnyList)> = Vec::new();
    for path in &args.files {
        let list = keys.any(path)?;
        out.report(&FileReport::new("check", path, &list))?;
        let mut found = findings(path, &list, today, &holidays)?;
        let beside = |(other, earlier): &(&Path, AnyList)| {
            let error = list.stands_beside(earlier).err()?;
            Some(finding(path, "edition", None, format!("with {}: {error}", other.display())))
        };
        found.extend(before.iter().filter_map(beside));
        good &= found.is_empty();
        found.iter().try_for_each(|finding| out.report(finding))?;
        before.push((path, list));
    }
    Ok(Code::of(good))
}

fn findings(
    path: &Path,
    list: &AnyList,
    today: Date,
    holidays: &Holidays,
) -> Outcome<Vec<FindingReport>> {
    let finding = |what, entry, detail| finding(path, what, entry, detail);
    let issued = list.edition().issued.date;
    let listing = Listing { issued, standing: Standing::default() };
    let mut findings = Vec::new();
    if listing.is_stale(today) {
        let detail = format!("issued {issued}, {} days before {today}", listing.age(today));
        findings.push(finding("stale", None, detail));
    }
    if listing.age(today) < 0 {
        findings.push(finding("ahead", None, format!("issued {issued}, after {today}")));
    }
    let is_replaced = |serial| list.entries().open(serial, Kind::Replaced).next().is_some();
    for entry in list.entries() {
        let serial = entry.serial();
        let (reported, effective) = (entry.reported().date, entry.effective());
        match entry.kind().effective(reported, Some(effective), holidays) {
            Ok(_) => {}
            Err(EffectError::TooLate { limit, .. }) => {
                let article = Deadline::LossEffective.rule().article;
                let detail = format!(
                    "card {serial}: the loss takes effect on {effective}, after {limit} ({article})"
                );
                findings.push(finding("effective-late", Some(entry), detail));
            }
            Err(error) => {
                let error = anyhow::Error::from(error).context(format!("card {serial}"));
                return Err(Failure::usage(error));
            }
        }
        if entry.withdrawn().is_some() && is_replaced(serial) {
            let detail = format!("card {serial}: withdrawn, but the card was replaced");
            findings.push(finding("withdrawn-replaced", Some(entry), detail));
        }
    }
    findings.extend(list.entries().disagreements().map(|pair| FindingReport::new(path, &pair)));
    Ok(findings)
}

fn finding(
    path: &Path,
    finding: &'static str,
    entry: Option<&Entry>,
    detail: String,
) -> FindingReport {
    let card = entry.map(|entry| entry.serial().to_string());
    FindingReport { file: path.display().to_string(), finding, card, detail }
}
