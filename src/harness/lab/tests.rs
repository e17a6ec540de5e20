use super::*;

fn cores(ids: &[usize]) -> Cores {
    Cores { ids: ids.to_vec(), quota: None }
}

#[test]
fn smoke_and_warm_up_measure_less_but_never_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let full = Lab::new(cores(&[0, 1]), Asked::default(), data.path());
    assert_eq!((full.count(1_000_000, 10), full.rounds()), (1_000_000, ROUNDS));
    assert_eq!(full.time(Duration::from_secs(2)), Duration::from_secs(2));
    let warm = full.warm_up();
    assert_eq!(warm.count(1_000_000, 10), 125_000);
    assert!(warm.time(Duration::from_secs(2)) < Duration::from_secs(1));

    let smoke = Lab::new(cores(&[0, 1]), Asked { smoke: true, ..Asked::default() }, data.path());
    assert_eq!(smoke.count(1_000_000, 10), 5_000);
    assert_eq!(smoke.count(100, 10), 10);
    assert_eq!(smoke.rounds(), SMOKE_ROUNDS);
    assert!(smoke.time(Duration::from_secs(2)) < Duration::from_millis(100));
}

#[test]
fn what_is_asked_for_wins() {
    let data = tempfile::tempdir().expect("a directory");
    let asked = Asked { rounds: Some(3), seconds: Some(0.5), rate: Some(9), ..Asked::default() };
    let lab = Lab::new(cores(&[0, 1]), asked, data.path());
    assert_eq!((lab.rounds(), lab.rate(500)), (3, 9));
    assert_eq!(lab.time(Duration::from_secs(2)), Duration::from_millis(500));
}

#[test]
fn two_spinning_threads_need_two_cores() {
    let data = tempfile::tempdir().expect("a directory");
    let one = Lab::new(cores(&[3]), Asked::default(), data.path());
    assert!(!one.has_two_cores());
    assert_eq!(one.two_cores().expect_err("one core").exit_code(), 2);
    let two = Lab::new(cores(&[3, 5]), Asked::default(), data.path());
    assert_eq!(two.two_cores().expect("two cores"), (5, 3));
    let half = Lab::new(Cores { ids: vec![0, 1], quota: Some(1.5) }, Asked::default(), data.path());
    assert!(!half.has_two_cores(), "a quota of one and a half cores lets one thread spin");
}

#[test]
fn scratch_directories_differ_and_go_with_the_lab() {
    let data = tempfile::tempdir().expect("a directory");
    let lab = Lab::new(cores(&[0]), Asked::default(), data.path());
    let (one, two) = (lab.scratch().expect("made"), lab.scratch().expect("made"));
    assert_ne!(one, two);
    let warm = lab.warm_up().scratch().expect("made");
    std::fs::create_dir_all(&warm).expect("made");
    std::fs::create_dir(&one).expect("made");
    lab.remove(&one).expect("removed");
    drop(lab);
    assert_eq!(std::fs::read_dir(data.path()).expect("there").count(), 0);
}

#[test]
fn the_directory_of_data_goes_if_the_lab_made_it_and_nobody_else_uses_it() {
    let data = tempfile::tempdir().expect("a directory");
    let mine = data.path().join("mine");
    drop(Lab::new(cores(&[0]), Asked::default(), &mine).scratch().expect("made"));
    assert!(!mine.exists());
    let lab = Lab::new(cores(&[0]), Asked::default(), &mine);
    lab.scratch().expect("made");
    std::fs::create_dir(mine.join("demo-1")).expect("made");
    drop(lab);
    assert!(mine.join("demo-1").exists());
}
