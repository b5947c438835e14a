//! Several case files as one suite.

use std::collections::{BTreeMap, HashMap, HashSet};

use toml::Spanned;

use super::raw::{AxisValue, RawCase, RawFile, RawStep};
use super::{Case, Variant};
use crate::conformance::bytes::{Template, is_name};
use crate::conformance::hash::{Hash, Hasher};
use crate::conformance::ics::Condition;
use crate::conformance::source::{Place, SourceError};
use crate::conformance::step::Step;

/// The only version of the format.
const SCHEMA: u32 = 1;

/// Most variants of one case.
const MAX_VARIANTS: usize = 4096;

/// Cases from any number of files.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The cases, file by file.
    pub cases: Vec<Case>,
    /// Over names and contents of all files.
    pub hash: Hash,
    /// Values all cases know, by name.
    pub(in crate::conformance) values: BTreeMap<String, Template>,
}

/// A step that knows where it stands.
struct Located<'a> {
    place: &'a Place<'a>,
    step: &'a Spanned<RawStep>,
}

impl Suite {
    /// Reads the files of a suite, each with its name.
    ///
    /// # Errors
    /// Returns a [`SourceError`] with file and line of the first slip.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, SourceError> {
        let mut hasher = Hasher::new();
        let mut parsed = Vec::new();
        for (file, text) in files {
            hasher.field(file.as_bytes());
            hasher.field(text.as_bytes());
            let place = Place::new(file, text);
            let file = parse_file(&place)?;
            parsed.push((place, file));
        }
        let mut fixtures: HashMap<&str, Vec<Located<'_>>> = HashMap::new();
        let mut values = BTreeMap::new();
        for (place, file) in &parsed {
            for fixture in &file.fixture {
                let steps = &fixture.get_ref().steps;
                let steps = steps.iter().map(|step| Located { place, step }).collect();
                if fixtures.insert(&fixture.get_ref().name, steps).is_some() {
                    let message = format!("fixture {:?} is there twice", fixture.get_ref().name);
                    return Err(place.error(fixture.span().start, message));
                }
            }
            for (name, text) in &file.values {
                let error = |message: String| place.error(text.span().start, message);
                let value = Template::parse(text.get_ref()).map_err(|e| error(e.to_string()))?;
                if !is_name(name) || values.insert(name.clone(), value).is_some() {
                    return Err(error(format!("value {name:?} is no name, or is there twice")));
                }
            }
        }
        let mut cases = Vec::new();
        let mut ids = HashSet::new();
        for (place, file) in &parsed {
            for raw in &file.case {
                let case = parse_case(place, raw.get_ref(), &fixtures)?;
                if !ids.insert(case.id.clone()) {
                    let message = format!("case {} is there twice", case.id);
                    return Err(place.error(raw.get_ref().id.span().start, message));
                }
                cases.push(case);
            }
        }
        Ok(Self { cases, hash: hasher.finish(), values })
    }

    /// Every variant with its case.
    pub fn variants(&self) -> impl Iterator<Item = (&Case, &Variant)> {
        self.cases.iter().flat_map(|case| case.variants.iter().map(move |variant| (case, variant)))
    }
}

fn parse_file(place: &Place<'_>) -> Result<RawFile, SourceError> {
    let file: RawFile = place.parse()?;
    if *file.schema.get_ref() != SCHEMA {
        let message = format!("schema {}, expected {SCHEMA}", file.schema.get_ref());
        return Err(place.error(file.schema.span().start, message));
    }
    Ok(file)
}

fn parse_case(
    place: &Place<'_>,
    raw: &RawCase,
    fixtures: &HashMap<&str, Vec<Located<'_>>>,
) -> Result<Case, SourceError> {
    let id = raw.id.get_ref();
    if !is_id(id) {
        let message = format!("id {id:?}, expected <AREA>-<UNIT>-<NNN>");
        return Err(place.error(raw.id.span().start, message));
    }
    if raw.clause.get_ref().is_empty() {
        return Err(place.error(raw.clause.span().start, "clause: expected one or more"));
    }
    let requires = raw.requires.iter().map(|text| {
        Condition::parse(text.get_ref()).map_err(|error| place.error(text.span().start, error))
    });
    let mut variants = Vec::new();
    for (label, parameters) in combinations(place, raw)? {
        let given = given(place, raw, fixtures, &parameters)?;
        let own = |steps: &[Spanned<RawStep>]| -> Result<Vec<Step>, SourceError> {
            steps.iter().map(|step| parse_step(place, step, &parameters)).collect()
        };
        let id = if label.is_empty() { id.clone() } else { format!("{id}[{label}]") };
        variants.push(Variant { id, given, steps: own(&raw.steps)?, after: own(&raw.after)? });
    }
    let mut labels = HashSet::new();
    if let Some(twice) = variants.iter().find(|variant| !labels.insert(&variant.id)) {
        let message = format!("variant {} is there twice", twice.id);
        return Err(place.error(raw.id.span().start, message));
    }
    Ok(Case {
        id: id.clone(),
        title: raw.title.clone(),
        title_zh: raw.title_zh.clone(),
        purpose: raw.purpose.clone(),
        clause: raw.clause.get_ref().clone(),
        requires: requires.collect::<Result<_, _>>()?,
        card: raw.card,
        class: raw.class,
        changes: raw.changes || raw.destructive,
        destructive: raw.destructive,
        variants,
    })
}

/// The steps of the fixtures a case begins with; `name*3` is three times.
fn given(
    place: &Place<'_>,
    raw: &RawCase,
    fixtures: &HashMap<&str, Vec<Located<'_>>>,
    parameters: &Parameters,
) -> Result<Vec<Step>, SourceError> {
    let mut steps = Vec::new();
    for name in &raw.given {
        let filled = fill(name.get_ref(), parameters);
        let unknown = || place.error(name.span().start, format!("there is no fixture {filled:?}"));
        let (fixture, times) = match filled.split_once('*') {
            Some((fixture, times)) => (fixture, times.parse().map_err(|_| unknown())?),
            None => (filled.as_str(), 1_u16),
        };
        let fixture = fixtures.get(fixture).ok_or_else(unknown)?;
        for located in (0..times).flat_map(|_| fixture) {
            steps.push(parse_step(located.place, located.step, parameters)?);
        }
    }
    Ok(steps)
}

fn parse_step(
    place: &Place<'_>,
    raw: &Spanned<RawStep>,
    parameters: &Parameters,
) -> Result<Step, SourceError> {
    let fields = raw.get_ref().iter().map(|(key, value)| {
        let text = fill(&value.get_ref().text(), parameters);
        (key.clone(), (text, place.line(value.span().start)))
    });
    let line = place.line(raw.span().start);
    Step::parse(line, fields.collect()).map_err(|(line, message)| place.at_line(line, message))
}

/// Parameters by name.
type Parameters = BTreeMap<String, String>;

/// The product of a case's parameters, each combination with its label.
fn combinations(
    place: &Place<'_>,
    raw: &RawCase,
) -> Result<Vec<(String, Parameters)>, SourceError> {
    let mut all = vec![(String::new(), Parameters::new())];
    for (axis, values) in &raw.variants {
        let error = |message: String| place.error(values.span().start, message);
        if !is_name(axis) {
            return Err(error(format!("parameter {axis:?} is no name")));
        }
        let mut product = Vec::new();
        for (label, parameters) in &all {
            for value in values.get_ref() {
                let mut parameters = parameters.clone();
                let own = match value {
                    AxisValue::Text(text) => {
                        parameters.insert(axis.clone(), text.text());
                        text.text()
                    }
                    AxisValue::Row(row) => {
                        let own = row.get("label").ok_or_else(|| {
                            error(format!("every table of parameter {axis:?} needs a label"))
                        })?;
                        let row = row.iter().filter(|(name, _)| *name != "label");
                        parameters.extend(row.map(|(name, value)| (name.clone(), value.text())));
                        own.text()
                    }
                };
                let gap = if label.is_empty() { "" } else { "," };
                product.push((format!("{label}{gap}{own}"), parameters));
            }
        }
        all = product;
        if all.is_empty() || all.len() > MAX_VARIANTS {
            return Err(error(format!("expected 1 to {MAX_VARIANTS} variants")));
        }
    }
    Ok(all)
}

/// `text` with its parameters filled in.
fn fill(text: &str, parameters: &Parameters) -> String {
    parameters
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// `<AREA>-<UNIT>-<NNN>`: capital letters and digits, the last part three digits.
fn is_id(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let word = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    match parts.as_slice() {
        [area, unit, number] => {
            word(area)
                && word(unit)
                && number.len() == 3
                && number.chars().all(|c| c.is_ascii_digit())
        }
        _ => false,
    }
}
