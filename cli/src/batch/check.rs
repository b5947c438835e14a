//! `batch check`: every row of a batch against its manifest and its keys, on all processors and in
//! bounded memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::index::{Index, Repeated, Sorted};
use xuejika_card_model::batch::keys::{self, KnownValues};
use xuejika_card_model::batch::manifest::RowFile;
use xuejika_card_model::batch::{
    Check, Finding, KeySource, Manifest, Place, Plan, Row, State, Tally, chip, schema,
};
use xuejika_card_model::card::UID_LEN;
use xuejika_card_model::ident::CardSerial;
use xuejika_keyscheme::provider::ProviderError;

use super::layout::Layout;
use super::lines::{Block, FileEnd, Lines};
use super::mapping::Mapping;
use super::progress::Progress;
use super::report::Report;
use super::roots::{BatchRoots, RootArgs};
use super::{measure, pipeline};
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

/// Name of the manifest in the folder of a batch.
pub(crate) const MANIFEST: &str = "batch.toml";

/// Largest manifest or mapping file, in bytes.
const MAX_MANIFEST: u64 = 64 * 1024 * 1024;

/// Fewest bytes that a row can have, to bound what a manifest can make us reserve.
const MIN_ROW: u64 = 100;

/// Keys whose check values tell cards apart: K0, K1 and K2.
const FINGERPRINT: usize = 9;

/// `batch check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder with the manifest batch.toml in it, or a manifest.
    #[arg(value_name = "DIR")]
    batch: PathBuf,
    #[command(flatten)]
    roots: RootArgs,
    /// Findings of one check that are printed; all are counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Afterwards, derive keys of the same cards in a plain loop, and tell the gain.
    #[arg(long)]
    measure: bool,
}

/// Checks a batch.
pub(crate) fn run(args: &CheckArgs, out: &Output) -> Outcome<Code> {
    let (folder, manifest) = open(&args.batch).map_err(Failure::usage)?;
    let files = manifest.files.iter().map(|file| file.name.clone()).collect();
    let mut report = Report::new(out, args.limit, files);
    let progress = Progress::start("checking", manifest.count.rows.into());
    let mut tally = Tally::new(0);
    let mut key_values = 0;
    let mut effort = None;
    match Plan::new(&manifest) {
        Err(findings) => report.take(findings, None)?,
        Ok(plan) => {
            let roots = BatchRoots::open(&args.roots, &plan)?;
            let source = roots.source(plan.key_version, plan.algorithm);
            report.take(keys::check_roots(&source, &plan)?, None)?;
            tally = Tally::new(plan.boxes.len());
            // With other roots than the batch was made with, every key would be wrong.
            if !report.is_refused() {
                let checker = Checker { folder: &folder, manifest: &manifest, plan: &plan, source };
                key_values = checker.run(&mut report, &mut tally, &progress)?;
                effort = Some(progress.end(tally.rows.into()));
                if args.measure {
                    let gains = measure::gains(&checker.source, &plan)?;
                    gains.iter().try_for_each(|gain| out.report(gain))?;
                }
            }
        }
    }
    let effort = effort.unwrap_or_else(|| progress.end(0));
    report.end(&manifest.batch.number, key_values, &tally, effort)
}

/// Reads the manifest of a batch, and tells its folder.
fn open(batch: &Path) -> anyhow::Result<(PathBuf, Manifest)> {
    let path = if batch.is_dir() { batch.join(MANIFEST) } else { batch.to_owned() };
    let manifest: Manifest =
        toml::from_str(&read(&path)?).with_context(|| path.display().to_string())?;
    ensure!(
        manifest.schema == schema::VERSION,
        "{}: schema {} is not supported, expected {}",
        path.display(),
        manifest.schema,
        schema::VERSION
    );
    Ok((path.parent().unwrap_or(Path::new("")).to_owned(), manifest))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let text = || -> anyhow::Result<String> {
        let length = fs::metadata(path)?.len();
        ensure!(length <= MAX_MANIFEST, "has {length} bytes, more than any manifest");
        Ok(fs::read_to_string(path)?)
    };
    text().with_context(|| path.display().to_string())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What all workers share.
struct Checker<'a> {
    folder: &'a Path,
    manifest: &'a Manifest,
    plan: &'a Plan,
    source: KeySource<'a>,
}

/// A piece of work.
enum Job {
    /// A file begins at this row.
    Start(u32, Vec<Finding>),
    /// Rows and how they are laid out.
    Rows(Block, Arc<Layout>),
    /// A file was read.
    End(FileEnd),
    /// A file cannot be checked.
    Unread(Vec<Finding>),
    /// A file cannot be read.
    Failed(Failure),
}

/// What came out of a piece of work.
enum Done {
    Start(u32, Vec<Finding>),
    Rows { findings: Vec<Finding>, rows: Vec<(Place, Row)>, tally: Tally, key_values: u64 },
    End(FileEnd),
    Unread(Vec<Finding>),
    Failed(Failure),
}

impl Checker<'_> {
    fn run(&self, report: &mut Report<'_>, tally: &mut Tally, progress: &Progress) -> Outcome<u64> {
        let known = KnownValues::new(self.plan.algorithm);
        let mut all = AllRows::new(self.capacity());
        let (mut key_values, mut complete) = (0, true);
        pipeline::run(
            self.jobs(),
            |job| self.work(&known, job),
            |done| {
                match done {
                    Done::Start(row, findings) => {
                        report.file_starts(row);
                        report.take(findings, Some(progress))?;
                    }
                    Done::Rows { findings, rows, tally: counted, key_values: values } => {
                        progress.advance(counted.rows.into());
                        tally.merge(&counted);
                        key_values += values;
                        all.take(rows);
                        report.take(findings, Some(progress))?;
                    }
                    Done::End(end) => report.take(self.check_end(&end), Some(progress))?,
                    Done::Unread(findings) => {
                        complete = false;
                        report.take(findings, Some(progress))?;
                    }
                    Done::Failed(failure) => return Err(failure),
                }
                Ok(())
            },
        )?;
        let mut findings = Vec::new();
        let sorted = all.sorted();
        sorted.check_repeated(&mut findings);
        // What is missing from files that were not read is no fault of the rows.
        if complete {
            sorted.check_missing(self.plan, &mut findings);
            tally.check(self.plan, &mut findings);
        }
        report.take(findings, Some(progress))?;
        Ok(key_values)
    }

    /// Rows to make room for; a manifest alone cannot claim more than its files can hold.
    fn capacity(&self) -> usize {
        let bytes: u64 = self
            .manifest
            .files
            .iter()
            .filter_map(|file| fs::metadata(self.folder.join(&file.name)).ok())
            .map(|about| about.len())
            .sum();
        usize::try_from(bytes / MIN_ROW).map_or(0, |most| most.min(self.plan.count.rows as usize))
    }

    fn jobs(&self) -> impl Iterator<Item = Job> + Send {
        let mut next_row = 1;
        let mut files = self.manifest.files.iter().enumerate();
        let mut current: Option<(Lines, Arc<Layout>)> = None;
        core::iter::from_fn(move || {
            if let Some((mut lines, layout)) = current.take() {
                return Some(match lines.block() {
                    Ok(Some(block)) => {
                        current = Some((lines, Arc::clone(&layout)));
                        Job::Rows(block, layout)
                    }
                    Ok(None) => match lines.end() {
                        Ok(end) => {
                            next_row = end.next_row;
                            Job::End(end)
                        }
                        Err(error) => Job::Failed(Failure::device(error)),
                    },
                    Err(error) => Job::Failed(Failure::device(error)),
                });
            }
            let (number, file) = files.next()?;
            Some(match self.start(number, file, next_row) {
                Ok((lines, layout, findings)) => {
                    current = Some((lines, Arc::new(layout)));
                    Job::Start(next_row, findings)
                }
                Err(job) => job,
            })
        })
    }

    /// Opens a file and reads its heading.
    fn start(
        &self,
        number: usize,
        file: &RowFile,
        next_row: u32,
    ) -> Result<(Lines, Layout, Vec<Finding>), Job> {
        let usage =
            |error: anyhow::Error| Job::Failed(Failure::usage(error.context(file.name.clone())));
        let path = self.path(&file.name).map_err(usage)?;
        let mapping = self.mapping(file.mapping.as_deref()).map_err(usage)?;
        let mut layout = Layout::new(file.format, file.encoding, mapping).map_err(usage)?;
        let place = Place { file: Some(number), row: None, byte: None };
        let mut findings = Vec::new();
        let mut lines = Lines::open(&path, number, next_row, &mut findings).map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => {
                    let finding = Finding::new(Check::FileMissing, "a file", "none");
                    Job::Unread(vec![finding.at(place)])
                }
                io::ErrorKind::InvalidData
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::PermissionDenied => usage(error.into()),
                _ => Job::Failed(Failure::device(
                    anyhow::Error::from(error).context(path.display().to_string()),
                )),
            }
        })?;
        if layout.has_heading() {
            let heading = lines.heading().map_err(|error| Job::Failed(Failure::device(error)))?;
            let mut wrong = Vec::new();
            let readable = layout.read_heading(heading.as_deref(), &mut wrong);
            findings.extend(wrong.into_iter().map(|finding| {
                let byte = finding.place.byte;
                finding.at(Place { byte, ..place })
            }));
            if !readable {
                return Err(Job::Unread(findings));
            }
        }
        Ok((lines, layout, findings))
    }

    fn mapping(&self, name: Option<&str>) -> anyhow::Result<Mapping> {
        let Some(name) = name else { return Ok(Mapping::default()) };
        Mapping::parse(&read(&self.path(name)?)?).with_context(|| name.to_owned())
    }

    /// A file of the batch, which lies in its folder and nowhere else.
    fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let plain = Path::new(name).file_name().is_some_and(|plain| plain == name);
        ensure!(plain, "{name:?} is no name of a file in the folder of the manifest");
        Ok(self.folder.join(name))
    }

    fn work(&self, known: &KnownValues, job: Job) -> Done {
        match job {
            Job::Start(row, findings) => Done::Start(row, findings),
            Job::Rows(block, layout) => self
                .check_rows(known, &block, &layout)
                .unwrap_or_else(|error| Done::Failed(error.into())),
            Job::End(end) => Done::End(end),
            Job::Unread(findings) => Done::Unread(findings),
            Job::Failed(failure) => Done::Failed(failure),
        }
    }

    fn check_rows(
        &self,
        known: &KnownValues,
        block: &Block,
        layout: &Layout,
    ) -> Result<Done, ProviderError> {
        let mut findings = block.findings.clone();
        let mut tally = Tally::new(self.plan.boxes.len());
        let mut rows = Vec::with_capacity(block.len());
        for (place, line) in block.rows() {
            let before = findings.len();
            // An empty line was reported by whoever took it.
            let row = if line.is_empty() {
                None
            } else {
                layout.read(place, line, &mut findings, |cells, findings| {
                    Row::read(self.plan, sha256, cells, findings)
                })
            };
            tally.add(row.as_ref());
            let serial = row.as_ref().and_then(|row| row.serial);
            for finding in findings.iter_mut().skip(before) {
                finding.subject = serial.map(|serial| serial.to_string());
            }
            rows.extend(row.map(|row| (place, row)));
        }
        let wrong = keys::check_block(&self.source, known, &rows)?;
        findings.extend(wrong.findings);
        findings.sort_by_key(|finding| finding.place);
        Ok(Done::Rows { findings, rows, tally, key_values: wrong.values })
    }

    fn check_end(&self, end: &FileEnd) -> Vec<Finding> {
        let place = Place { file: Some(end.file), row: None, byte: None };
        let Some(file) = self.manifest.files.get(end.file) else { return Vec::new() };
        let mut findings = Vec::new();
        if end.bytes != file.bytes {
            let (expected, found) =
                (format!("{} bytes", file.bytes), format!("{} bytes", end.bytes));
            findings.push(Finding::new(Check::FileSize, expected, found).at(place));
        }
        if chip::hex_bytes(&file.sha256) != Some(end.sha256) {
            let finding = Finding::new(Check::FileHash, &file.sha256, hex::encode(end.sha256));
            findings.push(finding.at(place));
        }
        findings
    }
}

/// What has to be known of all rows at once.
struct AllRows {
    serials: Index<8>,
    scrap: Index<8>,
    uids: Index<UID_LEN>,
    wallets: Index<8>,
    fingerprints: Index<FINGERPRINT>,
    replacements: Index<8>,
}

impl AllRows {
    fn new(capacity: usize) -> Self {
        Self {
            serials: Index::with_capacity(capacity),
            scrap: Index::default(),
            uids: Index::with_capacity(capacity),
            wallets: Index::with_capacity(capacity),
            fingerprints: Index::with_capacity(capacity),
            replacements: Index::default(),
        }
    }

    fn take(&mut self, rows: Vec<(Place, Row)>) {
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

    fn sorted(self) -> SortedRows {
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
struct SortedRows {
    serials: Sorted<8>,
    scrap: Sorted<8>,
    uids: Sorted<UID_LEN>,
    wallets: Sorted<8>,
    fingerprints: Sorted<FINGERPRINT>,
    replacements: Sorted<8>,
}

impl SortedRows {
    /// What occurs in two rows. The second row of a serial is one fault, whatever else it repeats.
    fn check_repeated(&self, findings: &mut Vec<Finding>) {
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
            new.sort_by_key(|finding| finding.place);
        }
    }

    /// Serials without a row, and replacements that are no good cards.
    fn check_missing(&self, plan: &Plan, findings: &mut Vec<Finding>) {
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
