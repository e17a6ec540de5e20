use std::sync::Barrier;

use super::*;
use crate::replay::testing::sale;
use crate::testing::seeded;

/// A demo that was killed at once leaves a journal without events: it is neither the newest nor one of those that are kept.
#[test]
fn journals_without_events_do_not_push_out_those_with() {
    let data = tempfile::tempdir().expect("a directory");
    let dirs: Vec<PathBuf> =
        (0..6).map(|_| fresh_dir_in(data.path(), "demo").expect("a directory")).collect();
    let mut random = seeded(5);
    sale(&dirs[0], 1, 1, &mut random);
    for dir in &dirs[1..5] {
        let source = dirs[0].join("journal-00000001.pwj");
        let mut bytes = std::fs::read(&source).expect("a segment");
        let first = crate::journal::Reader::open(&dirs[0])
            .and_then(|mut reader| reader.next_record().map(|_| ()).map(|()| reader.offset()))
            .expect("a record");
        bytes[first as usize..].fill(0);
        bytes[3968..4096].fill(0);
        std::fs::write(dir.join("journal-00000001.pwj"), bytes).expect("written");
    }
    let with: Vec<bool> = dirs.iter().map(|dir| has_events(dir)).collect();
    assert_eq!(with, [true, false, false, false, false, true], "the last has not begun");
    assert_eq!(newest_in(data.path()).as_deref(), Some(dirs[0].as_path()));
    remove_old_in(data.path(), "demo").expect("removed");
    let there = dirs.iter().map(|dir| dir.exists()).collect::<Vec<_>>();
    assert_eq!(there, [true, false, false, false, false, true]);
}

#[test]
fn those_that_ask_at_once_get_directories_of_their_own() {
    let data = tempfile::tempdir().expect("a directory");
    let barrier = Barrier::new(8);
    let mut names: Vec<PathBuf> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            fresh_dir_in(data.path(), "demo").expect("a directory")
        };
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
}

#[test]
fn a_journal_that_is_written_or_has_not_begun_is_not_removed() {
    let data = tempfile::tempdir().expect("a directory");
    let dirs: Vec<PathBuf> =
        (0..6).map(|_| fresh_dir_in(data.path(), "demo").expect("a directory")).collect();
    // The second has not begun.
    for dir in dirs.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, dir)| dir) {
        std::fs::write(dir.join("journal-00000001.pwj"), "").expect("a file");
    }
    let written = lock(&dirs[0]).expect("a lock");
    remove_old_in(data.path(), "demo").expect("removed");
    let there = |dirs: &[PathBuf]| dirs.iter().map(|dir| dir.exists()).collect::<Vec<_>>();
    assert_eq!(there(&dirs), [true, true, false, true, true, true]);
    drop(written);
    remove_old_in(data.path(), "demo").expect("removed");
    assert_eq!(there(&dirs), [false, true, false, true, true, true]);
}
