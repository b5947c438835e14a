//! `keys token`: the root objects in a PKCS#11 token, and taking one away.

use core::fmt;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::kcv::KcvMethod;
use xuejika_reader::channel::label;

use super::secret::parse_kcv;
use super::source::{key_id, quiet_token};
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

/// `keys token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List the roots in a token, those that cannot be used and those left unfinished included.
    List {
        /// pkcs11: URI of the token (RFC 7512).
        #[arg(value_name = "URI")]
        uri: String,
    },
    /// Remove a root from a token, for good: one of several of one name, or one left unfinished.
    Remove(RemoveArgs),
}

/// `keys token remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// pkcs11: URI of the token (RFC 7512).
    #[arg(value_name = "URI")]
    uri: String,
    /// Name of the root, as DF01-01-01-01.
    #[arg(long, value_name = "ID", value_parser = key_id)]
    key: KeyId,
    /// Check value that `keys token list` shows of it, or none.
    #[arg(long, value_name = "KCV")]
    kcv: String,
}

/// A root object in a report.
#[derive(Debug, Serialize)]
struct ObjectReport {
    key: String,
    kcv: Option<String>,
    finished: bool,
    /// Why it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// What it may do beside its duty.
    #[serde(skip_serializing_if = "Option::is_none")]
    misuse: Option<String>,
}

impl fmt::Display for ObjectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.key, self.kcv.as_deref().unwrap_or(NONE))?;
        let remarks = [&self.fault, &self.misuse].into_iter().flatten();
        remarks.into_iter().try_for_each(|remark| write!(f, "  {remark}"))
    }
}

/// What stands for the check value of an object that computes none.
const NONE: &str = "none";

/// Runs one of the commands.
pub(super) fn run(command: &TokenCommand, out: &Output) -> Outcome<Code> {
    match command {
        TokenCommand::List { uri } => list(uri, out),
        TokenCommand::Remove(args) => remove(args, out),
    }
}

fn list(uri: &str, out: &Output) -> Outcome<Code> {
    let objects = quiet_token(uri)?.objects()?;
    for object in &objects {
        out.report(&ObjectReport {
            key: label::emit(&object.id),
            kcv: object.kcv.map(|kcv| kcv.to_string()),
            finished: object.finished,
            fault: object.fault.as_ref().map(ToString::to_string),
            misuse: (!object.misuse.is_none()).then(|| object.misuse.to_string()),
        })?;
    }
    Ok(Code::of(objects.iter().all(|object| object.fault.is_none())))
}

fn remove(args: &RemoveArgs, out: &Output) -> Outcome<Code> {
    let kcv = match args.kcv.as_str() {
        NONE => None,
        text => {
            let kcv = parse_kcv(text, KcvMethod::Cmac(args.key.algorithm));
            let wrong = || Failure::usage(anyhow!("--kcv: expected cmac-aes:xxxxxx or none"));
            Some(kcv.ok_or_else(wrong)?)
        }
    };
    quiet_token(&args.uri)?.remove(&args.key, kcv)?;
    out.lines(&format_args!("{}  removed", label::emit(&args.key)))?;
    Ok(Code::AsExpected)
}
