//! `pricewright replay --packets`: a recording of packets through the whole pipeline again.

use std::path::Path;

use serde_json::json;

use super::args::{RecordedTopology, ReplayArgs};
use super::show::{json as print_json, line, thousands};
use super::where_is::journal_dir;
use crate::config::{ConfigText, Topology};
use crate::error::Result;
use crate::journal;
use crate::machines::{Hosted, MachineVisitor, names, with_machine};
use crate::pipeline::recorded::{self, Recording};
use crate::replay::run_info::RunInfo;

pub(super) fn packets<Own: Hosted>(args: &ReplayArgs, packets: &Path, dir: &Path) -> Result<()> {
    let text = configuration(args.dir.as_deref())?;
    let machine = text.machine_of(&names::<Own>())?;
    let recording = Recording::read(packets)?;
    let count = recording.len() as u64;
    let seconds = (recording.last_stamp() - recording.first_stamp()).0 as f64 / 1e9;
    let topology = match args.topology {
        RecordedTopology::Fused => Topology::Fused,
        RecordedTopology::Pipelined => Topology::Pipelined,
    };
    with_machine::<Own, _>(&machine, Visit { text, recording, dir, topology })??;
    let stats = journal::stats(dir)?;
    if args.json {
        return print_json(&json!({
            "packets": count,
            "recorded_s": seconds,
            "journal": dir.display().to_string(),
            "records": stats.records,
        }));
    }
    line(&format!(
        "{} packets of {seconds:.3} s gave {} records. Journal: {}",
        thousands(count),
        thousands(stats.records),
        dir.display()
    ))
}

/// A file's configuration, or the one that a journal begins with.
fn configuration(from: Option<&Path>) -> Result<ConfigText> {
    match from {
        Some(file) if file.is_file() => ConfigText::read(file),
        from => Ok(RunInfo::read(&journal_dir(from)?)?.config),
    }
}

struct Visit<'a> {
    text: ConfigText,
    recording: Recording,
    dir: &'a Path,
    topology: Topology,
}

impl MachineVisitor for Visit<'_> {
    type Output = Result<()>;

    fn visit<M: Hosted>(self) -> Self::Output {
        let config = self.text.pipeline::<M>()?;
        recorded::run::<M>(&config, self.recording, self.dir, self.topology)
    }
}
