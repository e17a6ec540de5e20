use pricewright_core::kernel::table::BookTransition;
use pricewright_core::kernel::{Cell, RecordHeader};
use pricewright_core::kernel::{InstrumentId, Record, SourceId, write_record};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::*;

fn settings(more: &str) -> Settings {
    let text = format!("lines = [\"127.0.0.1:1\"]\nrerequest = \"127.0.0.1:2\"\n{more}");
    toml::from_str(&text).expect("settings")
}

fn acme() -> Vec<InstrumentSpec> {
    vec![InstrumentSpec { id: InstrumentId(0), symbol: "ACME".to_owned(), tick_e4: 100 }]
}

#[test]
fn without_a_server_there_is_no_thread_and_nothing_to_watch() {
    assert!(SnapshotFetcher::start(&settings(""), &acme()).expect("fine").is_none());
}

#[test]
fn what_does_not_fit_the_protocol_is_named() {
    let complaint = |more: &str| client_config(&settings(more), &acme()).expect_err("unfit").to_string();
    assert!(complaint("glimpse = \"127.0.0.1:3\"").contains("glimpse_user"), "a name is needed");
    assert!(complaint("glimpse_user = \"TOOLONG\"").contains("glimpse_user"));
    let absent = "glimpse_user = \"ME\"\nglimpse_password_env = \"PRICEWRIGHT_TEST_NO_SUCH\"";
    assert!(complaint(absent).contains("PRICEWRIGHT_TEST_NO_SUCH"));
    let config = client_config(&settings("glimpse_user = \"ME\"\nglimpse_snapshot_mib = 2"), &acme());
    assert_eq!(config.expect("fit").max_bytes, 2 << 20);
}

/// A server that nobody listens on: the answer is that there is no snapshot, and it comes without waiting for it.
#[test]
fn a_server_that_is_not_there_is_an_answer() {
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let settings = settings(&format!("glimpse = \"{free}\"\nglimpse_user = \"ME\""));
    let mut fetcher = SnapshotFetcher::start(&settings, &acme()).expect("fine").expect("a server is named");
    assert!(fetcher.take().is_none(), "nothing was asked for");
    fetcher.ask();
    let answer = loop {
        match fetcher.take() {
            Some(answer) => break answer,
            None => crate::io::wait::nap(LOOK),
        }
    };
    assert!(answer.is_none());
    assert!(fetcher.take().is_none(), "one answer to one question");
}

fn watch(watch: &mut BookWatch, seq: u64, to: Health, reason: HealthReason) {
    let change = BookTransition {
        position: 1,
        missing: 0,
        orders: 0,
        instrument: InstrumentId(3),
        from: Health::VALID,
        to,
        reason,
        spare: [0; 3],
    };
    let mut cells = [Cell::ZERO; BookTransition::CELLS];
    write_record(&mut cells, &change, SourceId(9), 0);
    if let Ok((header, _)) = RecordHeader::mut_from_prefix(cells.as_mut_bytes()) {
        header.seq = seq;
    }
    watch.take(RecordRef::first_of(&cells).expect("a record")).expect("taken");
}

#[test]
fn books_that_the_machine_found_wrong_in_this_run_are_named() {
    let (mut watcher, found) = BookWatch::new(100);
    watch(&mut watcher, 99, Health::STALE, HealthReason::BAD_DATA);
    watch(&mut watcher, 100, Health::STALE, HealthReason::SILENCE);
    watch(&mut watcher, 101, Health::VALID, HealthReason::BAD_DATA);
    assert!(found.try_recv().is_err());
    watch(&mut watcher, 102, Health::STALE, HealthReason::BAD_DATA);
    assert_eq!(found.try_recv(), Ok(InstrumentId(3)));
}
