//! `pricewright journal verify`.

use std::path::Path;

use serde_json::{Value, json};

use super::args::VerifyArgs;
use super::journal::stats_json;
use super::journal_seal::nanos;
use super::progress::spinner;
use super::show::{count, hex, json as print_json, line, stamp, thousands, unless_closed};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::journal::archive::{REMOVED, Reason, Removed};
use crate::journal::repairs::{Cause, Repair};
use crate::journal::{self, MissingFront, Outcome, PublicKey, SealFound, SealVerdict, Tail, Verification};

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
    let good = match &found.missing {
        None => "good".to_owned(),
        Some(missing) => format!("good from record {} on", missing.last_seq.saturating_add(1)),
    };
    let mut text = format!(
        "{}: {good}. {} in {}, every byte checked; {}.",
        dir.display(),
        count(found.stats.records, "record"),
        count(found.stats.segments, "segment"),
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
        text.push_str(&seal_text(seal, found, key));
    }
    if let Some(missing) = &found.missing {
        text.push_str(&missing_text(missing));
    }
    for repair in &found.repairs {
        text.push_str(&repair_text(repair));
    }
    text
}

/// What is not here any more, and by whose removal.
fn missing_text(missing: &MissingFront) -> String {
    let mut text = format!(
        "\nNOT HERE: records 1 to {}. The list beside the journal ({REMOVED}, which nobody signs) says of them:",
        missing.last_seq
    );
    for entry in &missing.removed {
        text.push_str(&format!(
            "\n  records {} to {} (segment {}): removed at {}, {}",
            entry.first_seq,
            entry.last_seq,
            entry.segment,
            stamp(entry.removed_at),
            why_removed(entry)
        ));
    }
    text
}

/// Why a segment was removed, and where it is now.
pub(super) fn why_removed(entry: &Removed) -> String {
    match (&entry.archive, entry.reason) {
        (Some(archive), Reason::Archived) => format!("archived in {}", archive.display()),
        (Some(archive), reason) => format!("{}, archived in {}", reason.words(), archive.display()),
        (None, Reason::Archived) => "archived".to_owned(),
        (None, reason) => format!("{}, not archived", reason.words()),
    }
}

fn repair_text(repair: &Repair) -> String {
    let cause = match repair.cause {
        Cause::Repair => "REPAIRED",
        Cause::MachineLost => "LOST WITH THE MACHINE",
    };
    let aside: Vec<String> = repair.set_aside.iter().map(|path| path.display().to_string()).collect();
    let aside = if aside.is_empty() { String::new() } else { format!("; set aside: {}", aside.join(", ")) };
    let given_up = match repair.given_up {
        0 => String::new(),
        records => format!("; {} given up", count(records, "record")),
    };
    format!(
        "\n{cause} at {} behind record {} (segment {}): {}{given_up}{aside}",
        stamp(repair.repaired_at),
        repair.last_seq,
        repair.segment,
        repair.damage
    )
}

fn seal_text(found: &SealFound, journal: &Verification, key: Option<&PublicKey>) -> String {
    let (seal, last_seq) = (&found.seal, journal.stats.last_seq);
    let who = match key {
        Some(key) if *key == seal.key => "by the given key".to_owned(),
        Some(_) => format!("by another key, {}", seal.key),
        None => format!("by key {} (not checked: give --key)", seal.key),
    };
    match found.verdict {
        SealVerdict::Holds => format!(
            "sealed {} at {}: records {} to {}{}{}.",
            who,
            seal.sealed_at,
            seal.reach.first_seq,
            seal.reach.last_seq,
            not_here(seal.reach.first_seq, journal),
            behind(last_seq, seal.reach.last_seq, "added since and not sealed")
        ),
        SealVerdict::Repaired => format!(
            "sealed {} at {}: records {} to {}; A REPAIR SINCE THEN GAVE UP SOME OF THEM, so the seal cannot hold.",
            who, seal.sealed_at, seal.reach.first_seq, seal.reach.last_seq
        ),
        SealVerdict::Gone | SealVerdict::NotJudged => format!(
            "sealed {} at {}: records up to {}, which are not here any more.",
            who, seal.sealed_at, seal.reach.last_seq
        ),
    }
}

/// What of a sealed range that begins at `first_seq` is not here.
fn not_here(first_seq: u64, journal: &Verification) -> String {
    match &journal.missing {
        Some(missing) if first_seq <= missing.last_seq => {
            format!(", of which {first_seq} to {} are NOT HERE (below)", missing.last_seq)
        }
        _ => String::new(),
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

fn tail_name(tail: &Tail) -> &'static str {
    match tail {
        Tail::Sealed => "sealed",
        Tail::Open => "open",
        Tail::Torn { .. } => "torn",
    }
}

fn report(dir: &Path, found: &Verification) -> Value {
    let name = dir.display().to_string();
    let stats = stats_json(&found.stats);
    match &found.outcome {
        Outcome::Good(tail) => json!({
            "journal": name,
            "outcome": "good",
            "tail": tail_name(tail),
            "tail_text": tail_text(tail),
            "chain": found.chain.map(|chain| json!({
                "first_seq": chain.first_seq, "last_seq": chain.last_seq, "head": hex(&chain.link),
            })),
            "missing": found.missing.as_ref().map(|missing| json!({
                "first_seq": 1, "last_seq": missing.last_seq, "removed": missing.removed,
            })),
            "repairs": found.repairs,
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
        SealVerdict::Repaired => "repaired",
        SealVerdict::NotJudged => "not_judged",
    };
    json!({
        "file": found.path.display().to_string(),
        "verdict": verdict,
        "first_seq": found.seal.reach.first_seq,
        "last_seq": found.seal.reach.last_seq,
        "sealed_at": nanos(found.seal.sealed_at),
        "key": found.seal.key.to_string(),
    })
}
