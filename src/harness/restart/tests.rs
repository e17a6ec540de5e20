use super::*;

#[test]
fn every_start_comes_to_the_same_state_and_only_the_one_without_snapshots_follows_everything() {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = dir.path().join("journal");
    let measured = measure(250_000, true, &journal).expect("measured");
    assert!(measured.records > 250_000 && measured.whole.is_some());
    assert!(measured.tail < measured.records, "a snapshot was taken before the crash");
    assert_eq!(
        measure(250_000, false, &dir.path().join("again")).expect("measured").state_hash,
        measured.state_hash
    );
}
