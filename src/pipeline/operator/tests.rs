use super::*;

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
        send(dir.path(), asked).expect("sent");
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
        b"\xff\xfe kill",
        &[b'k'; 200],
    ] {
        stranger.send_to(bytes, dir.path().join(NAME)).expect("sent");
    }
    send(dir.path(), &kill("ann")).expect("sent");
    assert_eq!(socket.next(), Some(kill("ann")));
}

#[test]
fn without_a_run_the_asker_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = send(dir.path(), &kill("ann")).expect_err("nobody listens");
    assert_eq!(refused.exit_code(), 2);
    assert!(refused.to_string().contains("no run has this journal open"), "{refused}");
    // A run that was killed leaves its socket; the next one takes its place.
    std::mem::forget(OperatorSocket::bind(dir.path()).expect("bound"));
    let next = OperatorSocket::bind(dir.path()).expect("bound again");
    drop(next);
    assert!(!dir.path().join(NAME).exists());
}
