//! `pricewright operator`: commands to a run that goes on in another process.

use std::path::Path;
use std::time::{Duration, Instant};

use pricewright_core::kernel::{EventRef, OperatorCommand};
use serde_json::json;

use super::args::{OperatorArgs, OperatorVerb};
use super::show::{json as print_json, line};
use super::where_is::journal_dir;
use crate::error::{Error, Result};
use crate::io::wait::nap;
use crate::journal::Reader;
use crate::pipeline::operator::send;

/// How long a run may take to journal a command.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn operator(args: &OperatorArgs) -> Result<()> {
    let dir = journal_dir(args.dir.as_deref())?;
    let command = match args.verb {
        OperatorVerb::Kill => OperatorCommand::KILL,
        OperatorVerb::Rearm => OperatorCommand::REARM,
    };
    let mut journal = Reader::from_end(&dir)?;
    send(&dir, command, &args.name)?;
    let Some(seq) = heard(&mut journal, command)? else {
        return Err(not_heard(command, &dir));
    };
    if args.json {
        return print_json(&json!({
            "journal": dir.display().to_string(), "command": command.name(), "seq": seq,
        }));
    }
    line(&format!("{}: {} is record {seq}", dir.display(), command.name()))
}

/// The record of the command, once the run has journalled it.
fn heard(journal: &mut Reader, command: OperatorCommand) -> Result<Option<u64>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let Some(record) = journal.next_record()? else {
            nap(Duration::from_millis(1));
            continue;
        };
        if let Some(EventRef::Operator(told)) = EventRef::of(&record)
            && told.command == command
        {
            return Ok(Some(record.header().seq));
        }
    }
    Ok(None)
}

fn not_heard(command: OperatorCommand, dir: &Path) -> Error {
    Error::Failed(format!(
        "{}: the run has not acted on {} within {} s: its hot thread stands still, or it is ending; a kill drops its venue \
         session all the same",
        dir.display(),
        command.name(),
        PATIENCE.as_secs()
    ))
}
