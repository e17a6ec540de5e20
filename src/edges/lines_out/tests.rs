use pricewright_core::kernel::table::{Define, PricePublished};
use pricewright_core::kernel::{
    Column, EventNanos, Minor, PriceGuard, Record, RecordBuf, RecordSink as _, SourceId, Text,
};

use super::*;

const FEED: SourceId = SourceId(1);

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines_out(control: &RunControl) -> LinesOut {
    let settings = JsonlGateway::default();
    let journal = (Path::new("."), 1, &Resume::default());
    let mut out = LinesOut::open(&settings, || Encoder::new(2, 8), journal, control.clone())
        .expect("open")
        .files
        .expect("dead letters go to standard error");
    let text = Text::excerpt("A");
    take(&mut out, 1, Define { id: 0, column: Column::SKU, source: FEED, text }).expect("defined");
    out
}

fn take<R: Record>(out: &mut LinesOut, seq: u64, record: R) -> Result<()> {
    let mut buffer = RecordBuf::with_capacity(16);
    buffer.put(&record, FEED, 0).expect("it fits");
    let mut cells = buffer.cells().to_vec();
    // The journal's stamp: byte 8 of the header.
    zerocopy::IntoBytes::as_mut_bytes(cells.as_mut_slice())[8..16].copy_from_slice(&seq.to_le_bytes());
    out.take(RecordRef::first_of(&cells).expect("a record"))
}

fn price() -> PricePublished {
    PricePublished {
        event_ns: EventNanos(0),
        price: Minor(17_500),
        previous: Minor(0),
        formula: Minor(17_500),
        initial: 40,
        stock: 10,
        sku: 0,
        source: FEED,
        guard: PriceGuard::NONE,
    }
}

#[test]
fn a_closed_standard_output_ends_the_run_and_closed_dead_letters_do_not() {
    let control = RunControl::default();
    let mut out = lines_out(&control);
    out.dead_letters = Some(Out::new(Box::new(Closed), Path::new("standard error"), 1));
    if let Some(dead_letters) = &mut out.dead_letters {
        dead_letters.write(2, b"x\n").expect("buffered");
    }
    out.flush().expect("no failure");
    assert!(out.dead_letters.is_none() && !control.threads().stop_requested());
    out.prices.push(Out::new(Box::new(Closed), Path::new("standard output"), 1));
    take(&mut out, 2, price()).expect("buffered");
    out.flush().expect("no failure");
    assert!(out.prices.is_empty() && control.threads().stop_requested() && !control.failed());
    assert_eq!(control.reason(), EndReason::OUTPUT_CLOSED);
}
