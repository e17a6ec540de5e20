//! What is said of repairs, and which of them are refused.

use std::path::Path;

use pricewright_core::kernel::table::Repaired;

use crate::error::{Error, Result};
use crate::journal::repairs::{Cause, REPAIRED, Repair, note_missing};
use crate::journal::{Left, RecoveryReport, sealed_beyond};
use crate::replay::run_info::RunInfo;
use crate::replay::snapshot::{PassedOver, dir};

/// Refuses a repair that would leave nothing which a run can go on from.
///
/// # Errors
/// What would be left, and what helps.
pub(super) fn judge(dir: &Path, left: &Left) -> core::result::Result<(), String> {
    if leads_on(dir, left) {
        return Ok(());
    }
    let what = if left.last_seq < left.first_seq {
        "no record would be left".to_owned()
    } else {
        format!(
            "of the records only {} to {} would be left, and they hold no complete configuration of a run from the journal's \
             beginning on and no snapshot",
            left.first_seq, left.last_seq
        )
    };
    // Such a journal may well go on as it is: what is damaged lies in front of the snapshot.
    let newest =
        dir::list(dir).unwrap_or_default().into_iter().rev().find(|snapshot| snapshot.unfit.is_none());
    let without = newest.map_or_else(String::new, |snapshot| {
        format!(", run without --repair (from the snapshot behind record {} it may go on)", snapshot.seq)
    });
    let damage = left.damage.as_deref().unwrap_or("it is damaged");
    Err(format!(
        "{}: --repair would leave nothing that a run can go on from, so nothing was changed: {what}. {damage}. Restore the file \
         from a copy{without}, or begin anew in another directory (--journal DIR)",
        dir.display()
    ))
}

/// True where a run can be brought to the end of what would be left: from the beginning, or from a snapshot.
fn leads_on(dir: &Path, left: &Left) -> bool {
    let from_the_beginning = left.first_seq == 1
        && RunInfo::first_with_end(dir).is_ok_and(|(_, configured)| configured <= left.last_seq);
    from_the_beginning
        || dir::list(dir).unwrap_or_default().iter().any(|snapshot| {
            snapshot.unfit.is_none()
                && (left.first_seq.saturating_sub(1)..=left.last_seq).contains(&snapshot.seq)
        })
}

/// Records that a snapshot or a seal of this journal speaks of and that are not there.
pub(super) struct Missing {
    /// The last one that is there, and the last one that was.
    range: (u64, u64),
    what: String,
}

impl Missing {
    /// Writes it into the list of what was given up.
    pub(super) fn note(self, dir: &Path, repair: bool) -> Result<Repair> {
        let cause = if repair { Cause::Repair } else { Cause::MachineLost };
        tracing::warn!("{}: {}: the run goes on without them", dir.display(), self.what);
        Ok(note_missing(dir, cause, self.range, self.what)?)
    }
}

/// What is missing by the word of the seals, and of the snapshots `ahead` of the journal, unless that is in a note already: the
/// newest segments were taken away, or went down with the machine.
///
/// # Errors
/// The same, unless the run `may_go_on` without.
pub(super) fn missing(
    dir: &Path,
    report: &RecoveryReport,
    ahead: &[PassedOver],
    may_go_on: bool,
) -> Result<Option<Missing>> {
    let noted = report.repairs.iter().map(|repair| repair.last_seq.saturating_add(repair.given_up)).max();
    let snapshot = ahead.iter().max_by_key(|passed| passed.seq);
    let snapshot = snapshot
        .filter(|newest| noted.unwrap_or(0) < newest.seq && !report.lost_undurable)
        .map(|newest| (newest.path.clone(), newest.seq, "a snapshot stands behind them"));
    let seal = sealed_beyond(dir, report.last_head.map(|head| head.journal_id), report.last_seq)?
        .map(|(path, seq)| (path, seq, "a seal vouches for them"));
    let Some((path, seq, witness)) = seal.into_iter().chain(snapshot).max_by_key(|(_, seq, _)| *seq) else {
        return Ok(None);
    };
    let range = (report.last_seq, seq);
    let what = format!("records {} to {} are not there, and {witness}", range.0 + 1, range.1);
    if !may_go_on {
        return Err(Error::Usage(format!(
            "{}: {what} ({}): bring the newest segments back, or let `pricewright run FILE --repair` go on without them, \
             which is noted",
            dir.display(),
            path.display()
        )));
    }
    Ok(Some(Missing { range, what }))
}

/// The record about a repair.
pub(super) fn record(repair: &Repair) -> Repaired {
    let files = repair.set_aside.len() as u64;
    Repaired { last_seq: repair.last_seq, segment: repair.segment, files }
}

/// What was given up, in words.
pub(super) fn describe(repairs: &[Repair]) -> String {
    let records: u64 = repairs.iter().map(|repair| repair.given_up).sum();
    let files: usize = repairs.iter().map(|repair| repair.set_aside.len()).sum();
    let cause = if repairs.iter().any(|repair| repair.cause == Cause::MachineLost) {
        "LOST WITH THE MACHINE"
    } else {
        "REPAIRED"
    };
    let behind = repairs.iter().map(|repair| repair.last_seq).min().unwrap_or(0);
    if records == 0 && cause == "REPAIRED" {
        return format!("{cause}: behind record {behind} the hash chain was made anew ({REPAIRED} says why)");
    }
    format!(
        "{cause}: behind record {behind} {records} record{} given up, {files} file{} set aside ({REPAIRED} names them)",
        if records == 1 { " was" } else { "s were" },
        if files == 1 { " was" } else { "s were" },
    )
}
