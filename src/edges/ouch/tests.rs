use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use pricewright_core::kernel::table::SessionChanged;
use pricewright_feeds::nasdaq::SessionDay;

use super::*;

/// How long a scripted venue may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A venue that answers each login with `answer` and then hangs up where `close` says so. Gives the logins it saw.
fn venue(answer: &'static [u8], logins: usize, close: bool) -> (SocketAddr, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = move || {
        let mut seen = 0;
        for _ in 0..logins {
            let (mut stream, _) = listener.accept().unwrap();
            let mut login = [0; 49];
            stream.read_exact(&mut login).unwrap();
            assert_eq!(&login[..3], &[0, 47, b'L'], "a login request of 47 bytes");
            seen += 1;
            stream.write_all(answer).unwrap();
            if !close {
                // Until the client hangs up.
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest));
            }
        }
        seen
    };
    (address, thread::spawn(script))
}

fn opened(address: SocketAddr) -> OuchGateway {
    let settings = Settings {
        address,
        user: "desk".to_owned(),
        password_env: String::new(),
        drop_copy: None,
        warm_us: 0,
    };
    let (units, resume) = (DisplayUnits::default(), Resume::default());
    OuchGateway::open(&settings, &units, &resume, SessionDay::fixed(0), Nanos(1), None).unwrap()
}

/// Polls until the gateway gives up, and gives its words.
fn fate(address: SocketAddr) -> String {
    let mut gateway = opened(address);
    let mut answers = RecordBuf::default();
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < PATIENCE, "the gateway neither gives up nor goes on");
        let now = Nanos(i64::try_from(begin.elapsed().as_nanos()).unwrap());
        if let Err(error) = gateway.poll(now, &mut answers) {
            assert_eq!(gateway.open_orders(), 0);
            assert_eq!(error.exit_code(), 1);
            return error.to_string();
        }
        thread::yield_now();
    }
}

// Login Rejected: length 2, type J, reason A (SoupBinTCP 3.00).
#[test]
fn a_refused_password_ends_the_run_after_one_login() {
    let (address, venue) = venue(&[0, 2, b'J', b'A'], 1, true);
    let said = fate(address);
    assert!(said.contains("refused user and password") && said.contains("password_env"), "{said}");
    assert_eq!(venue.join().unwrap(), 1);
}

// Login Accepted: length 31, type A, session of 10, sequence of 20, right-aligned (SoupBinTCP 3.00).
#[test]
fn lost_answers_are_said_and_do_not_end_the_run() {
    let (address, venue) = venue(b"\x00\x1fA      DAY1                  50", 1, false);
    let mut gateway = opened(address);
    let mut answers = RecordBuf::default();
    let begin = Instant::now();
    let change = loop {
        assert!(begin.elapsed() < PATIENCE, "the gateway says nothing");
        let now = Nanos(i64::try_from(begin.elapsed().as_nanos()).unwrap());
        gateway.poll(now, &mut answers).unwrap();
        if let Some(change) = answers.iter().find_map(|record| record.get::<SessionChanged>().copied()) {
            break change;
        }
        thread::yield_now();
    };
    assert_eq!((change.wanted, change.found), (1, 50));
    drop(gateway);
    assert_eq!(venue.join().unwrap(), 1);
}
