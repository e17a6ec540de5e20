//! The drop copy's client: any bytes in any pieces give events only, and its own sequence never goes back within a session.

use std::ops::ControlFlow;

use pricewright_core::kernel::table::EventRef;
use pricewright_core::kernel::{Nanos, SourceId};
use pricewright_feeds::nasdaq::drop_copy::{DropCopy, DropCopyConfig};
use pricewright_feeds::nasdaq::soupbintcp::Password;
use pricewright_feeds::nasdaq::{Alpha, SessionDay};

use super::wire::{self, Bounded};
use crate::input::Input;

const ROOM: usize = 10_000;

struct World {
    copy: DropCopy,
    sink: Bounded,
    now: Nanos,
    up: bool,
}

impl World {
    fn give(&mut self, bytes: &[u8], step: usize) {
        wire::in_pieces(bytes, step, |piece| {
            if !self.up {
                return ControlFlow::Break(());
            }
            let count = wire::fill(self.copy.spare(), piece);
            if count > 0 && self.copy.on_received(count, self.now, &mut self.sink).is_err() {
                self.copy.on_disconnected(&mut self.sink);
                self.up = false;
            }
            ControlFlow::Continue(count)
        });
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let mut bytes = Vec::new();
        match input.below(12) {
            0 => bytes = input.take(64).to_vec(),
            1 => bytes = wire::frame(input.byte(), input.take(60)),
            2 if !self.up => self.up = self.copy.on_connected(self.now).is_ok(),
            3 | 4 => {
                let next = if input.one_in(4) { input.number() } else { 1 };
                bytes = wire::accepted(input.pick(&[b"S1        ", b"S1        ", b"S2        "]), next);
            }
            5 => bytes = wire::frame(b'H', &[]),
            6 => {
                self.now += Nanos(1 + i64::from(input.word()) * 1_000_000);
                self.sink.room = if input.one_in(2) { ROOM } else { input.byte().into() };
                if self.up && self.copy.on_poll(self.now).is_err() {
                    self.copy.on_disconnected(&mut self.sink);
                    self.up = false;
                }
            }
            7 if input.one_in(4) => {
                self.copy.on_disconnected(&mut self.sink);
                self.up = false;
            }
            _ => {
                let client = if input.one_in(8) { input.number32() } else { input.below(8) as u32 };
                bytes = wire::frame(b'S', &wire::answer(input, client));
            }
        }
        let step = 1 + input.below(60);
        self.give(&bytes, step);
        self.copy.consume(self.copy.output().len());
    }
}

/// See the module.
pub fn drop_copy(data: &[u8]) {
    let mut input = Input::new(data);
    let followed = input.one_in(2).then(|| (Alpha(*b"S1        "), input.number()));
    let config = DropCopyConfig {
        source: SourceId(3),
        username: Alpha(*b"U     "),
        password: Password(Alpha(*b"P         ")),
        instruments: wire::specs(),
        day: SessionDay::fixed(0),
        sessions: vec![],
        followed,
        buffer: input.pick(&[64, 256, 4_096]),
    };
    let copy = DropCopy::new(config).expect("two instruments");
    let mut world = World { copy, sink: Bounded::new(ROOM), now: Nanos(1_000_000_000), up: false };
    while !input.is_empty() {
        world.step(&mut input);
        let mut last = 0;
        for record in world.sink.records.iter() {
            match EventRef::of(&record).expect("a gateway puts events only") {
                EventRef::Mark(mark) if mark.first > 1 => {
                    assert!(last < mark.first, "message {} after {last}", mark.first);
                    last = mark.first;
                }
                EventRef::DropCopyState(_) | EventRef::Define(_) | EventRef::Mark(_) => last = 0,
                _ => {}
            }
        }
        world.sink.records.clear();
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    wire::scripts()
}
