use super::*;

#[test]
fn a_command_reaches_the_run_with_its_operator() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = OperatorSocket::bind(dir.path()).expect("bound");
    assert_eq!(socket.next(), None);
    send(dir.path(), OperatorCommand::KILL, "ann on duty").expect("sent");
    send(dir.path(), OperatorCommand::REARM, "").expect("sent");
    assert_eq!(socket.next(), Some((OperatorCommand::KILL, "ann on duty".to_owned())));
    assert_eq!(socket.next(), Some((OperatorCommand::REARM, String::new())));
    assert_eq!(socket.next(), None);
}

#[test]
fn what_is_no_command_is_passed_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = OperatorSocket::bind(dir.path()).expect("bound");
    let stranger = UnixDatagram::unbound().expect("a socket");
    for bytes in [&b""[..], b"stop ann", b"start", b"\xff\xfe kill", &[b'k'; 200]] {
        stranger.send_to(bytes, dir.path().join(NAME)).expect("sent");
    }
    send(dir.path(), OperatorCommand::KILL, "ann").expect("sent");
    assert_eq!(socket.next(), Some((OperatorCommand::KILL, "ann".to_owned())));
}

#[test]
fn without_a_run_the_asker_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = send(dir.path(), OperatorCommand::KILL, "ann").expect_err("nobody listens");
    assert_eq!(refused.exit_code(), 2);
    assert!(refused.to_string().contains("no run has this journal open"), "{refused}");
    // A run that was killed leaves its socket; the next one takes its place.
    std::mem::forget(OperatorSocket::bind(dir.path()).expect("bound"));
    let next = OperatorSocket::bind(dir.path()).expect("bound again");
    drop(next);
    assert!(!dir.path().join(NAME).exists());
}
