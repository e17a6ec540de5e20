use quickcheck::QuickCheck;

use super::*;
use crate::testing::seeded;

/// A simulated machine: true time, a counter that runs at `hertz`, a reference that can be stepped and skewed.
struct World {
    time: i64,
    hertz: i128,
    offset: i64,
    skew_ppm: i64,
}

impl World {
    fn new(hertz: i128) -> Self {
        Self { time: 0, hertz, offset: 1_700_000_000_000_000_000, skew_ppm: 0 }
    }

    fn pass(&mut self, nanos: i64) {
        self.time += nanos;
        self.offset += (i128::from(nanos) * i128::from(self.skew_ppm) / 1_000_000) as i64;
    }

    fn sample(&self) -> Sample {
        Sample { ticks: self.ticks(), nanos: self.offset + self.time }
    }

    fn ticks(&self) -> u64 {
        (i128::from(self.time) * self.hertz / 1_000_000_000) as u64
    }

    fn start(&mut self) -> Discipline {
        let first = self.sample();
        self.pass(10_000_000);
        Discipline::new(first, self.sample()).expect("in order")
    }
}

const SECOND: i64 = 1_000_000_000;

#[test]
fn holds_a_steady_reference_within_a_microsecond() {
    let mut world = World::new(2_399_999_123);
    let mut clock = world.start();
    for _ in 0..600 {
        world.pass(SECOND);
        let adjustment = clock.update(world.sample());
        assert!(!adjustment.stepped);
        assert!(adjustment.gap_nanos.abs() < 1_000, "{adjustment:?}");
    }
}

#[test]
fn learns_a_drift_of_the_reference() {
    let mut world = World::new(2_400_000_000);
    let mut clock = world.start();
    world.skew_ppm = 40;
    let mut last = clock.update(world.sample());
    for _ in 0..300 {
        world.pass(SECOND);
        last = clock.update(world.sample());
    }
    assert!(last.gap_nanos.abs() < 1_000, "{last:?}");
    assert!((39_000..41_000).contains(&last.slew_ppb), "{last:?}");
}

#[test]
fn a_step_of_the_reference_is_followed_by_slewing() {
    for step in [-20_000_000, 20_000_000] {
        let mut world = World::new(3_000_000_000);
        let mut clock = world.start();
        world.pass(SECOND);
        clock.update(world.sample());
        world.offset += step;
        world.pass(SECOND);
        let adjustment = clock.update(world.sample());
        assert!(adjustment.stepped);
        // The clock counts on to rates no further than the bound from nominal, and closes 20 ms in some 40 s.
        let mut seconds = 0;
        while clock.update(world.sample()).gap_nanos.abs() > 1_000 {
            world.pass(SECOND);
            seconds += 1;
            assert!(seconds < 60, "never arrives");
        }
        assert!(seconds >= 39, "20 ms at 500 ppm take 40 s, not {seconds}");
    }
}

#[test]
fn start_after_a_later_stamp_continues_past_it_and_is_caught_up() {
    let mut world = World::new(2_000_000_000);
    let mut clock = world.start();
    let last = world.sample().nanos + 5_000_000;
    clock.raise_to(world.ticks(), last + 1);
    assert_eq!(clock.params().at(world.ticks()), last + 1);
    clock.raise_to(world.ticks(), last - 1000);
    assert_eq!(clock.params().at(world.ticks()), last + 1, "never lowered");
    for _ in 0..20 {
        world.pass(SECOND);
        clock.update(world.sample());
    }
    assert!(clock.update(world.sample()).gap_nanos.abs() < 1_000);
}

#[test]
fn samples_out_of_order_are_refused_at_start() {
    let first = Sample { ticks: 10, nanos: 10 };
    assert!(Discipline::new(first, first).is_none());
    assert!(Discipline::new(first, Sample { ticks: 11, nanos: 9 }).is_none());
    assert!(
        Discipline::new(first, Sample { ticks: 11, nanos: 10 }).is_none(),
        "a reference that stands still"
    );
}

/// Whatever the reference does, the clock never goes back and never leaves the bound.
#[test]
fn monotone_and_bounded_under_any_reference() {
    fn property(moves: Vec<(u32, i64, i8)>) -> bool {
        let mut world = World::new(2_445_000_000);
        let mut clock = world.start();
        let mut last = (world.time, clock.params().at(world.ticks()));
        moves.iter().all(|&(pass, step, skew)| {
            world.skew_ppm = i64::from(skew) * 10;
            world.offset = world.offset.wrapping_add(step % (3600 * SECOND));
            world.pass(i64::from(pass));
            let before = clock.params().at(world.ticks());
            clock.update(world.sample());
            let after = clock.params().at(world.ticks());
            let (elapsed, shown) = (world.time - last.0, after - last.1);
            last = (world.time, after);
            let most = elapsed * MAX_SLEW_PPM / 1_000_000 + 3;
            before == after && shown >= 0 && (shown - elapsed).abs() <= most
        })
    }
    let tests = if cfg!(miri) { 3 } else { 2_000 };
    QuickCheck::new().tests(tests).rng(seeded(200)).quickcheck(property as fn(Vec<(u32, i64, i8)>) -> bool);
}
