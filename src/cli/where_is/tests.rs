use std::sync::Barrier;

use super::*;

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
