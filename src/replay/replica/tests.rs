//! A replica beside a run on one thread: what it sees, takes and says.

use crossbeam::channel::Receiver;
use pricewright_core::kernel::Driver;

use super::*;
use crate::clock::ManualClock;
use crate::replay::snapshot::dir::list;
use crate::replay::testing::{Counter, CounterConfig, Session};

const OFTEN: Settings =
    Settings { compare: true, every_records: 10, every: Duration::from_secs(3600), keep: 3 };

struct Watched<const BUILD: u32> {
    session: Session<BUILD>,
    replica: Replica<Counter<BUILD>, ManualClock>,
    watch: Watch,
    commands: Receiver<Asked>,
    control: RunControl,
    clock: ManualClock,
}

impl<const BUILD: u32> Watched<BUILD> {
    fn start(dir: &std::path::Path, settings: Settings) -> Self {
        let session = Session::<BUILD>::open(dir, false).expect("opened");
        let state = session.sequencer.driver().snapshot().expect("a state");
        let config = CounterConfig { first: 0 };
        let second = Driver::<Counter<BUILD>>::restore(&config, &state).expect("restored");
        let begun = &session.begun;
        let (sender, commands) = bounded(4);
        let control = RunControl::default();
        let clock = ManualClock::new(Nanos(0));
        let parts = Parts {
            dir: dir.to_path_buf(),
            reader: Reader::from_seq(dir, begun.first_seq).expect("a journal"),
            follower: settings.compare.then(|| Follower::resumed(second, begun.progress)),
            progress: begun.progress,
            resume: begun.resume.clone(),
            identity: begun.identity,
            config: begun.canonical.clone(),
            run: session.sequencer.journal().run(),
            settings,
            commands: sender,
            control: control.clone(),
        };
        let (replica, watch) = Replica::new(parts, clock.clone()).expect("a thread");
        Self { session, replica, watch, commands, control, clock }
    }

    fn poll(&mut self) {
        while self.replica.poll(7) > 0 {}
    }

    fn end(mut self) -> Status {
        let state = self.session.end();
        self.control.leave_state(state);
        self.replica.close();
        self.watch.status()
    }
}

#[test]
fn it_compares_every_decision_and_takes_snapshots_that_a_restart_begins_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let mut watched = Watched::<0>::start(dir, OFTEN);
    for _ in 0..20 {
        watched.session.sell(&[1, 2, 3, 7, 13]);
        watched.poll();
        while watched.watch.shared.writing.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        watched.replica.rest_until = Instant::now();
    }
    let status = watched.end();
    assert_eq!((status.decisions, status.alarm, status.trouble, status.unchecked), (100, None, None, 0));
    assert!(status.snapshots >= 15, "{}", status.snapshots);
    let listed = list(dir).expect("listed");
    assert!(listed.iter().all(|listed| listed.unfit.is_none()), "{listed:?}");
    assert_eq!(listed.iter().map(|listed| listed.clean_stop).collect::<Vec<_>>(), [false, false, true]);
    let last = Reader::from_end(dir).expect("a journal").next_seq() - 1;
    assert_eq!(listed[2].seq, last);
    assert_eq!(status.snapshot, Some(last));

    let again = Session::<0>::open(dir, false).expect("opened");
    let told = again.begun.recovered.as_deref().expect("it tells");
    assert!(
        told.contains(&format!("from the snapshot behind record {last} and 0 records after it")),
        "{told}"
    );
    assert_eq!(again.seen(), 100);
}

#[test]
fn a_machine_that_decides_otherwise_the_second_time_raises_an_alarm_and_leaves_no_snapshot() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watched = Watched::<3>::start(dir.path(), OFTEN);
    watched.session.sell(&[1, 2]);
    watched.poll();
    assert_eq!(watched.watch.status().alarm, None);
    watched.session.sell(&[7, 1]);
    watched.poll();
    // Two events with a decision each, then the event whose decision differs.
    let differs = watched.session.begun.first_seq + 5;
    let Asked::Command(event) = watched.commands.try_recv().expect("an alarm") else {
        panic!("an alarm is a command")
    };
    assert_eq!((event.command, event.argument), (OperatorCommand::ALARM, differs as i64));
    assert!(watched.commands.try_recv().is_err(), "once");
    watched.session.sell(&[1; 40]);
    watched.poll();
    let status = watched.end();
    assert!(
        status.alarm.as_deref().is_some_and(|alarm| alarm.contains(&format!("record {differs}"))),
        "{status:?}"
    );
    assert!(matches!(status.check(), Err(Error::Diverged(_))));
    assert!(status.summary().starts_with("SELF-CHECK FAILED"));
    assert!(list(dir.path()).expect("listed").is_empty(), "its state is nothing to begin from");
}

#[test]
fn a_panic_of_the_second_machine_is_an_alarm_and_no_panic_of_the_helper() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watched = Watched::<0>::start(dir.path(), OFTEN);
    watched.session.sell(&[1, 2]);
    // The journal of a run without fault is followed by a build that panics.
    let state = watched.session.sequencer.driver().snapshot().expect("a state");
    let panicky = Driver::<Counter<1>>::restore(&CounterConfig { first: 0 }, &state).expect("restored");
    let next = watched.session.sequencer.journal().last_seq() + 1;
    watched.session.sell(&[13]);
    let begun = &watched.session.begun;
    let (sender, _commands) = bounded(4);
    let parts = Parts {
        dir: dir.path().to_path_buf(),
        reader: Reader::from_seq(dir.path(), next).expect("a journal"),
        follower: Some(Follower::resumed(panicky, begun.progress)),
        progress: begun.progress,
        resume: begun.resume.clone(),
        identity: begun.identity,
        config: begun.canonical.clone(),
        run: 1,
        settings: OFTEN,
        commands: sender,
        control: RunControl::default(),
    };
    let (mut replica, watch) = Replica::new(parts, watched.clock.clone()).expect("a thread");
    assert_eq!(replica.poll(10), 0);
    assert_eq!(watch.status().alarm, Some(format!("the machine panics on record {next}")));
    replica.close();
}

#[test]
fn switched_off_it_still_leaves_the_snapshot_of_a_clean_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watched = Watched::<0>::start(dir.path(), Settings { compare: false, ..OFTEN });
    watched.session.sell(&[1; 100]);
    watched.poll();
    let status = watched.end();
    assert_eq!((status.decisions, status.snapshots), (0, 1));
    let listed = list(dir.path()).expect("listed");
    assert!(listed.len() == 1 && listed[0].clean_stop && listed[0].unfit.is_none(), "{listed:?}");
    assert_eq!(Session::<0>::open(dir.path(), false).expect("opened").seen(), 100);
}

#[test]
fn its_lag_is_the_age_of_the_last_record_while_more_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watched = Watched::<0>::start(dir.path(), OFTEN);
    watched.session.sell(&[1; 50]);
    watched.clock.set(Nanos(1_000_000_000));
    assert_eq!(watched.replica.poll(8), 8);
    let lag = watched.watch.status().lag;
    assert!(lag > Nanos(900_000_000) && lag < Nanos(1_000_000_000), "{lag}");
    watched.poll();
    assert_eq!(watched.watch.status().lag, Nanos(0));
    watched.end();
}

/// Nothing was compared meanwhile, so nothing is wrong; only a journal that cannot be read to its end is not checked.
#[test]
fn a_journal_that_is_away_for_a_while_is_read_on_when_it_is_back() {
    for comes_back in [true, false] {
        let home = tempfile::tempdir().expect("a directory");
        let (dir, aside) = (home.path().join("j"), home.path().join("aside"));
        let mut watched = Watched::<0>::start(&dir, Settings { every_records: u64::MAX, ..OFTEN });
        watched.session.sell(&[1, 2, 3]);
        watched.poll();
        // At the end of a segment the next one is looked for by its name.
        let Watched { session, mut replica, watch, control, commands: _commands, .. } = watched;
        control.leave_state(session.end());
        std::fs::rename(&dir, &aside).expect("moved away");
        for _ in 0..3 {
            replica.poll(7);
            nap(RETRY_EVERY);
        }
        assert_eq!(watch.status().alarm, None);
        assert!(replica.unread.is_some(), "it was looked for");
        if comes_back {
            std::fs::rename(&aside, &dir).expect("moved back");
        }
        replica.close();
        let status = watch.status();
        if comes_back {
            assert_eq!((&status.alarm, status.decisions), (&None, 3));
            assert_eq!(status.snapshot, Some(status.followed));
        } else {
            assert!(status.alarm.is_some_and(|alarm| alarm.contains("cannot list")), "it is said");
        }
    }
}
