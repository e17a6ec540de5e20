//! Resuming in the middle of a session, and lines that lose.

use super::*;

/// Answers every request that is due from `log`, until none is.
fn serve(bench: &mut Bench, log: &MessageLog, now: i64) {
    let mut responder = crate::nasdaq::moldudp64::Responder::new(SESSION, 200);
    while let Some(request) = bench.feed.next_request(Nanos(now)) {
        let answer = responder.respond(&request, log).unwrap().expect("an answer").to_vec();
        let line = bench.feed.request_line();
        bench.feed.on_packet(line, &answer, Nanos(now), &mut bench.sink).unwrap();
    }
}

#[test]
fn one_who_resumes_learns_the_locate_codes_silently_and_goes_on_at_its_position() {
    let mut log = MessageLog::default();
    log.push(&listing(8, "OTHER"));
    log.push(&listing(7, "ACME"));
    for order in 3..1000 {
        log.push(&delete(7, order));
    }
    let resume = Resume { session: SESSION, next_sequence: 998, taken: 0 };
    let mut bench =
        Bench::new(MarketDataConfig { sessions: vec![SESSION], resume: Some(resume), ..config() });
    let last = log.message(999).unwrap().to_vec();
    bench.packet(&packet_of(SESSION, 999, &[last]), 1);
    serve(&mut bench, &log, 20);
    let expected =
        ["recovering gap", "mark 998 1", "delete 998!", "mark 999 1", "delete 999!", "valid filled"];
    assert_eq!(bench.words(), expected);
    assert!(bench.feed.line_counters().delivered < 20, "the middle of the session is not read again");
    assert!(bench.feed.counters().quiet >= 2);
}

#[test]
fn one_who_resumes_within_a_packet_passes_over_the_events_that_are_known() {
    let log = [listing(7, "ACME"), delete(7, 2), listing(8, "OTHER"), delete(7, 4), delete(7, 5)];
    let resume = Resume { session: SESSION, next_sequence: 2, taken: 2 };
    let mut bench =
        Bench::new(MarketDataConfig { sessions: vec![SESSION], resume: Some(resume), ..config() });
    bench.packet(&packet_of(SESSION, 1, &log), 1);
    bench.packet(&packet_of(SESSION, 6, &[delete(7, 6)]), 2);
    assert_eq!(bench.words(), ["mark 2 4", "delete 5!", "valid start", "mark 6 1", "delete 6!"]);
}

#[test]
fn one_who_resumes_into_another_session_begins_anew() {
    let resume = Resume { session: SESSION, next_sequence: 998, taken: 0 };
    let mut bench =
        Bench::new(MarketDataConfig { sessions: vec![SESSION], resume: Some(resume), ..config() });
    bench.packet(&heartbeat(NEXT_SESSION, 1), 1);
    bench.packet(&heartbeat(NEXT_SESSION, 1), 1);
    assert!(bench.words().is_empty(), "one packet does not end the day, nor do two");
    bench.packet(&packet_of(NEXT_SESSION, 1, &[listing(7, "ACME"), delete(7, 1)]), 1);
    let expected = [
        "define 1 20261122A",
        "cleared 1 session_change",
        "recovering session_change",
        "mark 1 2",
        "delete 1!",
        "valid start",
    ];
    assert_eq!(bench.words(), expected);
}

/// The market records without the flag that depends on how messages were packed.
fn market_records(records: &RecordBuf) -> Vec<String> {
    let is_market = |word: &String| word.starts_with("OrderAdd") || word.starts_with("OrderDeleted");
    let last = format!("flags: {}", market_flags::LAST_IN_BATCH);
    let words = records.iter().map(|record| format!("{:?}", EventRef::of(&record).unwrap()));
    words.filter(is_market).map(|word| word.replace(&last, "flags: 0")).collect()
}

/// Sends `log` over two lines that lose and repeat packets as `seed` says, with a re-request server that loses too.
/// Every message of lines and server is one packet, or more, of a few messages.
fn over_faulty_lines(log: &MessageLog, seed: u64) -> RecordBuf {
    let mut state = seed;
    let mut chance = |percent: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 100 < percent
    };
    let receiver = ReceiverConfig { request_timeout: Nanos(50), ..config().receiver };
    let mut bench = Bench::new(MarketDataConfig { receiver, ..config() });
    bench.sink.room = usize::MAX;
    let mut responder = crate::nasdaq::moldudp64::Responder::new(SESSION, 150);
    let mut builder = PacketBuilder::new(150);
    let (mut first, mut now) = (1, 0);
    while bench.feed.position().is_none_or(|position| position.next_sequence < log.next_sequence()) {
        now += 20;
        builder.clear();
        let mut next = first;
        while let Some(message) = log.message(next)
            && builder.push(message)
        {
            next += 1;
        }
        let packet = builder.finish(SESSION, first).to_vec();
        first = next;
        for line in [0, 1, 0] {
            if chance(40) {
                bench.feed.on_packet(line, &packet, Nanos(now), &mut bench.sink).unwrap();
            }
        }
        while let Some(request) = bench.feed.next_request(Nanos(now)) {
            let answer = responder.respond(&request, log).unwrap().map(<[u8]>::to_vec);
            if let Some(answer) = answer.filter(|_| chance(70)) {
                let line = bench.feed.request_line();
                bench.feed.on_packet(line, &answer, Nanos(now), &mut bench.sink).unwrap();
            }
        }
    }
    assert_eq!(bench.feed.health(), Health::VALID, "seed {seed}");
    bench.sink.records
}

#[test]
fn the_records_do_not_depend_on_what_the_lines_lose() {
    let mut log = MessageLog::default();
    log.push(&listing(7, "ACME"));
    for order in 1..400 {
        log.push(&add(7 + (order % 3 == 0) as u16, order, b'S', 100 * order as u32));
        if order % 2 == 0 {
            log.push(&delete(7, order / 2));
        }
    }
    let mut whole = Bench::new(config());
    for sequence in 1..log.next_sequence() {
        let message = log.message(sequence).unwrap().to_vec();
        whole.packet(&packet_of(SESSION, sequence, &[message]), 1);
    }
    let expected = market_records(&whole.sink.records);
    assert_eq!(expected.len(), 266 + 199);
    for seed in 0..60 {
        assert_eq!(market_records(&over_faulty_lines(&log, seed)), expected, "seed {seed}");
    }
}
