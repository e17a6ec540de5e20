use super::*;

const SOON: Duration = Duration::from_millis(100);

fn kill(who: &str) -> Asked {
    Operator::says(who, OperatorCommand::KILL, 0).into()
}

#[test]
fn a_command_reaches_the_run_with_its_operator() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = OperatorSocket::bind(dir.path()).expect("bound");
    assert_eq!(socket.next(), None);
    let told = [
        kill("ann on duty"),
        Operator::says("", OperatorCommand::REARM, 0).into(),
        Asked::position(InstrumentId(3), Lots(-40), None, "ann"),
        Asked::position(InstrumentId(0), Lots(7), Some(Ticks(-2)), "ann on duty"),
    ];
    for asked in &told {
        send(dir.path(), asked, SOON).expect("sent");
    }
    for asked in told {
        assert_eq!(socket.next(), Some(asked));
    }
    assert_eq!(socket.next(), None);
}

#[test]
fn what_is_no_command_is_passed_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = OperatorSocket::bind(dir.path()).expect("bound");
    let stranger = UnixDatagram::unbound().expect("a socket");
    for bytes in [
        &b""[..],
        b"stop ann",
        b"start",
        b"position",
        b"position 1 x - ann",
        b"position 70000 1 - ann",
        b"position 0 9223372036854775807 - ann",
        b"position 0 -9223372036854775808 - ann",
        b"position 0 100000000000000000 - ann",
        b"position 0 1 9223372036854775807 ann",
        b"position 0 1 -9223372036854775808 ann",
        b"position 0 9223372036854775808 - ann",
        b"\xff\xfe kill",
        &[b'k'; 200],
    ] {
        stranger.send_to(bytes, dir.path().join(NAME)).expect("sent");
        // The kernel holds ten datagrams at most.
        assert_eq!(socket.next(), None);
    }
    send(dir.path(), &kill("ann"), SOON).expect("sent");
    assert_eq!(socket.next(), Some(kill("ann")));
}

#[test]
fn without_a_run_the_asker_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = send(dir.path(), &kill("ann"), SOON).expect_err("nobody listens");
    assert_eq!(refused.exit_code(), 2);
    assert!(refused.to_string().contains("no run has this journal open"), "{refused}");
    // A run that was killed leaves its socket; the next one takes its place.
    std::mem::forget(OperatorSocket::bind(dir.path()).expect("bound"));
    let next = OperatorSocket::bind(dir.path()).expect("bound again");
    drop(next);
    assert!(!dir.path().join(NAME).exists());
}

#[test]
fn a_socket_that_somebody_removed_is_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = OperatorSocket::bind(dir.path()).expect("bound");
    let mut keeper = socket.keeper();
    assert!(keeper.look().is_none(), "it stands");
    std::fs::remove_file(dir.path().join(NAME)).expect("removed");
    let next = keeper.look().expect("another");
    assert!(keeper.look().is_none(), "it stands again");
    drop(socket);
    send(dir.path(), &kill("ann"), SOON).expect("the old one left the new one's file alone");
    assert_eq!(next.next(), Some(kill("ann")));
    drop(next);
    assert!(!dir.path().join(NAME).exists());
}

#[test]
fn a_run_whose_socket_is_gone_is_found_by_its_lock() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = crate::journal::lock(dir.path()).expect("locked");
    let refused = send(dir.path(), &kill("ann"), SOON).expect_err("no socket");
    assert_eq!(refused.exit_code(), 1);
    assert!(refused.to_string().contains("a run has this journal open"), "{refused}");
    drop(lock);
    assert_eq!(send(dir.path(), &kill("ann"), SOON).expect_err("no run").exit_code(), 2);
}

/// A stopped process takes nothing, and the kernel holds some ten datagrams.
#[test]
fn a_run_that_takes_nothing_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = OperatorSocket::bind(dir.path()).expect("bound");
    let outcome = (0..1_000).map(|_| send(dir.path(), &kill("ann"), SOON)).find(Result::is_err);
    let refused = outcome.expect("full").expect_err("full");
    assert_eq!(refused.exit_code(), 1);
    let said = refused.to_string();
    assert!(said.contains("kill was not sent") && said.contains("cancel them there"), "{said}");
    assert_eq!(socket.next(), Some(kill("ann")), "those before wait");
    send(dir.path(), &kill("ann"), SOON).expect("there is room again");
}

/// A socket's address has 108 bytes; a journal may lie deeper.
#[test]
fn a_long_path_is_no_wall() {
    let dir = tempfile::tempdir().expect("a directory");
    let deep = dir.path().join("d".repeat(80)).join("e".repeat(80));
    std::fs::create_dir_all(&deep).expect("made");
    assert_eq!(send(&deep, &kill("ann"), SOON).expect_err("nobody listens").exit_code(), 2);
    let socket = OperatorSocket::bind(&deep).expect("bound");
    let mut keeper = socket.keeper();
    assert!(keeper.look().is_none(), "it stands");
    send(&deep, &kill("ann"), SOON).expect("sent");
    assert_eq!(socket.next(), Some(kill("ann")));
    drop(socket);
    assert!(!deep.join(NAME).exists());
}
