//! Records about the run itself.

use crate::kernel::codes::{EndReason, Text};
use crate::kernel::units::Nanos;

fields! {
    /// First record of a run: what runs, under which configuration. [`ConfigChunk`]s follow.
    RunStart {
        /// 1 for the journal's first run, then rising.
        run: u64,
        /// Wall clock at the start.
        started: Nanos,
        /// Seed of every generator of the machine.
        seed: u64,
        /// Bytes of the canonical configuration.
        config_len: u32,
        /// How many [`ConfigChunk`]s follow.
        config_chunks: u32,
        /// BLAKE3 of the canonical configuration.
        config_hash: [u8; 32],
        /// BLAKE3 that names the build.
        build_hash: [u8; 32],
        /// The machine's name.
        machine: Text<24>,
    }

    /// A part of the canonical configuration (TOML, never secrets).
    ConfigChunk {
        /// Position among the chunks, from 0.
        index: u16,
        /// How many chunks there are.
        total: u16,
        /// Bytes used of `text`.
        len: u32,
        /// The part.
        text: Text<984>,
    }

    /// Last record of a run that ended cleanly.
    RunEnd {
        /// Events of this run, system records not counted.
        events: u64,
        /// Decisions of this run.
        decisions: u64,
        /// The machine's state hash after the last event.
        state_hash: [u8; 32],
        /// Why it ended.
        reason: EndReason,
        /// Zero.
        spare: [u8; 7],
    }

    /// What recovery found and did, at the start of the run that follows a crash.
    Recovered {
        /// The last sequence that the crashed run had committed.
        last_seq: u64,
        /// Bytes of a torn record that were cut off.
        torn_bytes: u64,
        /// Decisions that were missing and were appended as not sent.
        decisions_added: u32,
        /// Zero.
        spare: u32,
        /// The run that crashed.
        run: u64,
    }

    /// An operator let a build go on that decides otherwise than the journal says, or that took over another build's crashed
    /// run. The decisions before this record are what was sent; the machine's state is what the new build makes of the events.
    DivergenceAccepted {
        /// The last record that was followed.
        last_seq: u64,
        /// The first record where the new build decided otherwise; 0 where it decided the same.
        first: u64,
        /// Records where it decided otherwise.
        records: u64,
        /// The run that was taken over.
        run: u64,
        /// BLAKE3 that names the build that wrote that run.
        build_hash: [u8; 32],
    }

    /// What a repair gave up before this run. `repaired.jsonl` beside the journal says it in words.
    Repaired {
        /// The last record up to which the journal is what it was.
        last_seq: u64,
        /// The segment at which the repair began.
        segment: u64,
        /// Files that were set aside.
        files: u64,
    }

    /// The journal's last stamp lay ahead of the machine's wall clock when the run began, and an operator let it go on: its
    /// stamps go on from that one.
    ClockAhead {
        /// The wall clock.
        wall: Nanos,
        /// The last stamp before this run.
        last: Nanos,
    }
}
