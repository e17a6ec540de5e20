//! `pricewright journal verify`.

use std::path::Path;

use serde_json::{Value, json};

use super::args::VerifyArgs;
use super::journal::stats_json;
use super::progress::spinner;
use super::show::{hex, json as print_json, line, thousands, unless_closed};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::journal::{self, Outcome, PublicKey, SealFound, SealVerdict, Tail, Verification};

pub(super) fn verify(args: &VerifyArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    let key = args.key.as_deref().map(PublicKey::read).transpose()?;
    let found = spinner("checking every byte", || journal::verify_by(&dir, key.as_ref()));
    if args.json {
        let printed = print_json(&report(&dir, &found));
        match found.outcome {
            Outcome::Good(_) => printed?,
            // The verdict stands in the exit code too.
            _ => printed.or_else(unless_closed)?,
        }
    }
    match found.outcome {
        Outcome::Good(_) if args.json => Ok(()),
        Outcome::Good(ref tail) => line(&good_text(&dir, &found, tail, key.as_ref())),
        Outcome::Damaged(damaged) => Err(Error::Failed(format!("damaged: {damaged}"))),
        Outcome::Unusable(error) => Err(Error::Journal(error)),
    }
}

fn good_text(dir: &Path, found: &Verification, tail: &Tail, key: Option<&PublicKey>) -> String {
    let mut text = format!(
        "{}: good. {} records in {} segments, every byte checked; {}.",
        dir.display(),
        thousands(found.stats.records),
        found.stats.segments,
        tail_text(tail)
    );
    match &found.chain {
        None => {
            text.push_str("\nno hash chain is kept: an alteration with a right checksum would not be seen.")
        }
        Some(chain) if chain.last_seq < chain.first_seq => {
            text.push_str("\nhash chain: its first block of records is not full yet.");
        }
        Some(chain) => text.push_str(&format!(
            "\nhash chain: records {} to {}{}, head {}.",
            chain.first_seq,
            chain.last_seq,
            behind(found.stats.last_seq, chain.last_seq, "not chained yet"),
            hex(&chain.link)
        )),
    }
    for seal in &found.seals {
        text.push('\n');
        text.push_str(&seal_text(seal, found.stats.last_seq, key));
    }
    text
}

fn seal_text(found: &SealFound, last_seq: u64, key: Option<&PublicKey>) -> String {
    let seal = &found.seal;
    let who = match key {
        Some(key) if *key == seal.key => "by the given key".to_owned(),
        Some(_) => format!("by another key, {}", seal.key),
        None => format!("by key {} (not checked: give --key)", seal.key),
    };
    match found.verdict {
        SealVerdict::Holds => format!(
            "sealed {} at {}: records up to {}{}.",
            who,
            seal.sealed_at,
            seal.reach.last_seq,
            behind(last_seq, seal.reach.last_seq, "added since and not sealed")
        ),
        SealVerdict::Gone | SealVerdict::NotJudged => format!(
            "sealed {} at {}: records up to {}, which are not here any more.",
            who, seal.sealed_at, seal.reach.last_seq
        ),
    }
}

fn behind(last: u64, reached: u64, what: &str) -> String {
    match last.saturating_sub(reached) {
        0 => String::new(),
        count => format!(" ({} behind it, {what})", thousands(count)),
    }
}

fn tail_text(tail: &Tail) -> String {
    match tail {
        Tail::Sealed => "its end is sealed".to_owned(),
        Tail::Open => {
            "its last segment is open: it is being written, or its writer ended without closing".to_owned()
        }
        Tail::Torn { path, offset, bytes } => format!(
            "behind its last record lie {bytes} bytes that were never committed ({} at {offset}); the next run cuts them",
            path.display()
        ),
    }
}

fn report(dir: &Path, found: &Verification) -> Value {
    let name = dir.display().to_string();
    let stats = stats_json(&found.stats);
    match &found.outcome {
        Outcome::Good(tail) => json!({
            "journal": name,
            "outcome": "good",
            "tail": tail_text(tail),
            "chain": found.chain.map(|chain| json!({
                "first_seq": chain.first_seq, "last_seq": chain.last_seq, "head": hex(&chain.link),
            })),
            "seals": found.seals.iter().map(seal_json).collect::<Vec<_>>(),
            "stats": stats,
        }),
        Outcome::Damaged(damaged) => json!({
            "journal": name,
            "outcome": "damaged",
            "file": damaged.path.display().to_string(),
            "offset": damaged.offset,
            "seq": damaged.seq,
            "kind": damaged.kind,
            "damage": damaged.damage.to_string(),
            "stats": stats,
        }),
        Outcome::Unusable(error) => json!({
            "journal": name, "outcome": "unusable", "error": error.to_string(),
        }),
    }
}

fn seal_json(found: &SealFound) -> Value {
    let verdict = match found.verdict {
        SealVerdict::Holds => "holds",
        SealVerdict::Gone => "gone",
        SealVerdict::NotJudged => "not judged",
    };
    json!({
        "file": found.path.display().to_string(),
        "verdict": verdict,
        "last_seq": found.seal.reach.last_seq,
        "sealed_at": found.seal.sealed_at.to_string(),
        "key": found.seal.key.to_string(),
    })
}
