//! Messages as they lie on the wire, half made by rule and half by the input, for several targets.

use std::ops::ControlFlow;

use pricewright_core::kernel::{Full, InstrumentId, RecordBuf, RecordRef, RecordSink};
use pricewright_feeds::nasdaq::soupbintcp::numeric;
use pricewright_feeds::nasdaq::{InstrumentSpec, itch, ouch};

use crate::drive::Random;
use crate::input::Input;

/// Symbols of the two instruments that the feeds and gateways know, and of one that they don't.
pub(crate) const SYMBOLS: [&[u8; 8]; 3] = [b"PRCW    ", b"WRGT    ", b"OTHER   "];

/// The two instruments.
pub(crate) fn specs() -> Vec<InstrumentSpec> {
    let spec =
        |id, symbol: &str| InstrumentSpec { id: InstrumentId(id), symbol: symbol.to_owned(), tick_e4: 100 };
    vec![spec(0, "PRCW"), spec(1, "WRGT")]
}

/// A sink of bounded room.
#[derive(Debug)]
pub(crate) struct Bounded {
    pub(crate) records: RecordBuf,
    pub(crate) room: usize,
}

impl Bounded {
    pub(crate) fn new(room: usize) -> Self {
        Self { records: RecordBuf::default(), room }
    }
}

impl RecordSink for Bounded {
    fn push(&mut self, record: RecordRef<'_>) -> Result<(), Full> {
        self.room = self.room.checked_sub(record.cells().len()).ok_or(Full)?;
        self.records.push(record)
    }

    fn room(&self) -> usize {
        self.room
    }
}

/// A packet of SoupBinTCP.
pub(crate) fn frame(letter: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 1).unwrap_or(u16::MAX);
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.push(letter);
    bytes.extend_from_slice(payload);
    bytes
}

/// A login request.
pub(crate) fn login(user: &[u8; 6], password: &[u8; 10], session: &[u8; 10], sequence: u64) -> Vec<u8> {
    frame(b'L', &[&user[..], password, session, &numeric(sequence)].concat())
}

/// The acceptance of a login.
pub(crate) fn accepted(session: &[u8; 10], next: u64) -> Vec<u8> {
    frame(b'A', &[&session[..], &numeric(next)].concat())
}

/// Gives `bytes` in pieces of at most `step` to whatever takes them, until it has no room or says that it is over.
pub(crate) fn in_pieces(bytes: &[u8], step: usize, mut take: impl FnMut(&[u8]) -> ControlFlow<(), usize>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = &rest[..rest.len().min(step)];
        match take(piece) {
            ControlFlow::Continue(0) | ControlFlow::Break(()) => return,
            ControlFlow::Continue(taken) => rest = &rest[taken..],
        }
    }
}

/// Copies what fits of `piece` into `spare`.
pub(crate) fn fill(spare: &mut [u8], piece: &[u8]) -> usize {
    let count = spare.len().min(piece.len());
    spare[..count].copy_from_slice(&piece[..count]);
    count
}

macro_rules! sizes {
    ($($name:ident)*) => {
        /// Letter and bytes of the fixed part of each answer of OUCH 5.0.
        pub(crate) const ANSWERS: &[(u8, usize)] = &[
            $((<ouch::$name as ouch::Body>::TYPE, size_of::<ouch::$name>()),)*
        ];
    };
}

sizes! {
    SystemEvent OrderAccepted OrderReplaced OrderCanceled AiqCanceled OrderExecuted BrokenTrade Rejected CancelPending
    CancelReject OrderPriorityUpdate OrderModified OrderRestated AccountQueryResponse
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}

fn price(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        0 => input.number(),
        1 => 1_000_050,
        step => 999_000 + 100 * u64::from(step % 32),
    }
}

/// An answer with bytes of the input in it, mostly about order `client`; the layouts are those of OUCH 5.0, section 3.
pub(crate) fn answer(input: &mut Input<'_>, client: u32) -> Vec<u8> {
    let (letter, size) = input.pick(ANSWERS);
    let mut bytes = vec![0; size];
    bytes[0] = letter;
    let noise = input.take(12);
    set(&mut bytes, size.saturating_sub(noise.len()).max(1), noise);
    set(&mut bytes, 9, &client.to_be_bytes());
    let symbol = SYMBOLS[input.below(8).saturating_sub(5)];
    match letter {
        b'A' => {
            bytes[13] = input.pick(b"BSTE");
            set(&mut bytes, 14, &input.number32().to_be_bytes());
            set(&mut bytes, 18, symbol);
            set(&mut bytes, 26, &price(input).to_be_bytes());
        }
        b'U' => {
            set(&mut bytes, 13, &input.number32().to_be_bytes());
            bytes[17] = input.pick(b"BSTE");
            set(&mut bytes, 18, &input.number32().to_be_bytes());
            set(&mut bytes, 22, symbol);
            set(&mut bytes, 30, &price(input).to_be_bytes());
        }
        b'E' => {
            set(&mut bytes, 13, &input.number32().to_be_bytes());
            set(&mut bytes, 17, &price(input).to_be_bytes());
            bytes[25] = input.pick(b"ARX");
            set(&mut bytes, 26, &input.number().to_be_bytes());
        }
        b'C' => {
            set(&mut bytes, 13, &input.number32().to_be_bytes());
            set(&mut bytes, 17, &[input.pick(b"UITDE")]);
        }
        _ => {}
    }
    match input.below(4) {
        0 => {}
        1 => bytes.extend([0, 0]),
        2 => bytes.truncate(input.below(64)),
        _ => {
            let options = input.take(9);
            bytes.extend((options.len() as u16).to_be_bytes());
            bytes.extend(options);
        }
    }
    bytes
}

/// An answer to an account query.
pub(crate) fn query_answer(next_client: u32) -> Vec<u8> {
    let mut bytes = vec![b'Q'];
    bytes.extend(0_u64.to_be_bytes());
    bytes.extend(next_client.to_be_bytes());
    bytes
}

/// An ITCH message of a right size about few orders, symbols and prices; the layouts are those of ITCH 5.0, section 1.
pub(crate) fn itch_message(input: &mut Input<'_>) -> Vec<u8> {
    let letter = input.pick(b"AAAAAAAFEECXDUUPQBHHRRSVWKJhINOYL");
    let size = itch::size_of_type(letter).unwrap_or(12);
    let mut bytes = vec![0; size];
    bytes[0] = letter;
    let locate = match input.byte() {
        0 => input.byte(),
        1 => 3,
        other => 1 + other % 2,
    };
    bytes[2] = locate;
    let symbol = SYMBOLS[usize::from(locate).saturating_sub(1).min(2)];
    let order = |input: &mut Input<'_>| match input.byte() {
        0 => input.number(),
        other => u64::from(other % 32),
    };
    let shares = |input: &mut Input<'_>| match input.byte() {
        0 => input.number32(),
        other => u32::from(other) * 10,
    };
    if matches!(letter, b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U') {
        set(&mut bytes, 11, &order(input).to_be_bytes());
    }
    match letter {
        b'A' | b'F' | b'P' => {
            bytes[19] = input.pick(b"BSBSBSBX");
            set(&mut bytes, 20, &shares(input).to_be_bytes());
            set(&mut bytes, 24, symbol);
            set(&mut bytes, 32, &(price(input) as u32).to_be_bytes());
        }
        b'E' | b'X' => set(&mut bytes, 19, &shares(input).to_be_bytes()),
        b'C' => {
            set(&mut bytes, 19, &shares(input).to_be_bytes());
            bytes[31] = input.pick(b"YN");
            set(&mut bytes, 32, &(price(input) as u32).to_be_bytes());
        }
        b'U' => {
            set(&mut bytes, 19, &order(input).to_be_bytes());
            set(&mut bytes, 27, &shares(input).to_be_bytes());
            set(&mut bytes, 31, &(price(input) as u32).to_be_bytes());
        }
        b'Q' => {
            set(&mut bytes, 11, &input.number().to_be_bytes());
            set(&mut bytes, 19, symbol);
            set(&mut bytes, 27, &(price(input) as u32).to_be_bytes());
        }
        b'H' => {
            set(&mut bytes, 11, symbol);
            bytes[19] = input.pick(b"TTTTHPQx");
        }
        b'R' => set(&mut bytes, 11, if input.one_in(16) { SYMBOLS[1] } else { symbol }),
        b'S' => bytes[11] = input.pick(b"OSQMECx"),
        b'h' => {
            set(&mut bytes, 11, symbol);
            bytes[19] = input.pick(b"QBX");
            bytes[20] = input.pick(b"HT");
        }
        b'D' => {}
        _ => {
            let noise = input.take(size - 11);
            set(&mut bytes, 11, noise);
        }
    }
    if input.one_in(32) {
        bytes.truncate(input.below(size));
    }
    bytes
}

fn itch(letter: u8, locate: u16) -> Vec<u8> {
    let mut bytes = vec![0; itch::size_of_type(letter).unwrap_or(12)];
    bytes[0] = letter;
    set(&mut bytes, 1, &locate.to_be_bytes());
    bytes
}

/// A stock directory or trading action message.
pub(crate) fn listing(letter: u8, locate: u16, symbol: &[u8; 8], state: u8) -> Vec<u8> {
    let mut bytes = itch(letter, locate);
    set(&mut bytes, 11, symbol);
    bytes[19] = state;
    bytes
}

/// An order that is added to a book.
pub(crate) fn add(locate: u16, symbol: &[u8; 8], order: u64, side: u8, shares: u32, price: u32) -> Vec<u8> {
    let mut bytes = itch(b'A', locate);
    set(&mut bytes, 11, &order.to_be_bytes());
    bytes[19] = side;
    set(&mut bytes, 20, &shares.to_be_bytes());
    set(&mut bytes, 24, symbol);
    set(&mut bytes, 32, &price.to_be_bytes());
    bytes
}

/// A system event.
pub(crate) fn event(code: u8) -> Vec<u8> {
    let mut bytes = itch(b'S', 0);
    bytes[11] = code;
    bytes
}

/// Scripts of choices for targets that read their input as one.
pub(crate) fn scripts() -> Vec<Vec<u8>> {
    let mut random = Random::new(0x5c21_97e5);
    [16, 128, 512, 1_024, 2_048]
        .iter()
        .map(|len| (0..*len).map(|_| random.number() as u8).collect())
        .collect()
}
