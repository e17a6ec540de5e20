//! `pricewright journal seal` and `pricewright journal keygen`.

use serde_json::json;

use super::args::{KeygenArgs, SealArgs};
use super::progress::spinner;
use super::show::{hex, json as print_json, line, thousands};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::journal::{self, JournalError, SigningKey};

pub(super) fn seal(args: &SealArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    let key = SigningKey::read(&args.sign)?;
    let sealed = spinner("checking every byte", || journal::seal(&dir, &key, jiff::Timestamp::now()))
        .map_err(refusal)?;
    let reach = &sealed.seal.reach;
    let unsealed = sealed.last_seq.saturating_sub(reach.last_seq);
    if args.json {
        return print_json(&json!({
            "journal": dir.display().to_string(),
            "file": sealed.path.display().to_string(),
            "first_seq": reach.first_seq,
            "last_seq": reach.last_seq,
            "not_sealed": unsealed,
            "head": hex(&reach.link),
            "sealed_at": nanos(sealed.seal.sealed_at),
            "key": sealed.seal.key.to_string(),
        }));
    }
    let behind = match unsealed {
        0 => String::new(),
        count => format!(
            "; {} records behind it are not chained yet, seal again when the run has ended",
            thousands(count)
        ),
    };
    line(&format!(
        "{}: sealed records {} to {}{behind}\n{} holds the statement, the signature lies beside it; key {}",
        dir.display(),
        reach.first_seq,
        reach.last_seq,
        sealed.path.display(),
        sealed.seal.key,
    ))
}

/// ns since 1970, as every stamp in JSON.
pub(super) fn nanos(stamp: jiff::Timestamp) -> i64 {
    i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MAX)
}

/// A damaged journal is a fault that was found, not a wrong argument.
fn refusal(error: JournalError) -> Error {
    match error {
        JournalError::Damaged(damaged) => {
            Error::Failed(format!("not sealed, because it is damaged: {damaged}"))
        }
        error => Error::Journal(error),
    }
}

pub(super) fn keygen(args: &KeygenArgs) -> Result<()> {
    let (public, key) = journal::make_key_pair(&args.file)?;
    if args.json {
        return print_json(&json!({
            "file": args.file.display().to_string(),
            "public_file": public.display().to_string(),
            "key": key.to_string(),
        }));
    }
    line(&format!(
        "{} holds the private key: keep it to yourself. {} holds the public one: give it to your auditor.\nkey {key}",
        args.file.display(),
        public.display(),
    ))
}
