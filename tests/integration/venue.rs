//! A venue that does what a test tells it to: OUCH 5.0 over SoupBinTCP on a real socket. It accepts orders and cancels
//! them when asked; fills, breaks, bytes that mean nothing and another session come when a test says so.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pricewright_core::kernel::Nanos;
use pricewright_feeds::nasdaq::order_entry::{VenueEvent, VenueSession, append_answer};
use pricewright_feeds::nasdaq::ouch::{self, AppendageBuf, Body, Request};
use pricewright_feeds::nasdaq::soupbintcp::{Password, ServerConfig};
use pricewright_feeds::nasdaq::{Alpha, MessageLog, SessionId, Symbol};
use zerocopy::big_endian::{U32, U64};

use crate::support::BOUND;

/// An order as the venue has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) client: u32,
    pub(crate) side: u8,
    pub(crate) open: u32,
    pub(crate) price: u64,
    pub(crate) symbol: Symbol,
}

/// What the venue knows.
pub(crate) struct Book {
    session: SessionId,
    pub(crate) log: MessageLog,
    /// The drop copy of the day: it goes on whatever the order session does.
    pub(crate) copies: MessageLog,
    /// Orders that rest.
    pub(crate) resting: Vec<Order>,
    /// Every order that was ever accepted.
    pub(crate) accepted: Vec<Order>,
    /// Lots executed of an order and of those that it replaced.
    executed: HashMap<u32, u32>,
    /// Numbers that a cancel was asked for.
    pub(crate) cancels: Vec<u32>,
    /// The next order number, as the account query says it.
    pub(crate) next: u32,
    /// Answers to nothing but the account query.
    pub(crate) mute: bool,
    /// Connections are dropped, and not taken.
    pub(crate) closed: bool,
    pub(crate) logins: u64,
    matches: u64,
}

/// A venue on a thread of its own.
pub(crate) struct Venue {
    address: SocketAddr,
    drop_copy: SocketAddr,
    book: Arc<Mutex<Book>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Venue {
    /// Opens in `session`.
    pub(crate) fn open(session: &str) -> Self {
        let (listener, address) = listening();
        let (reader, drop_copy) = listening();
        let book = Arc::new(Mutex::new(Book {
            session: SessionId::new(session).expect("a name"),
            log: MessageLog::default(),
            copies: MessageLog::default(),
            resting: Vec::new(),
            accepted: Vec::new(),
            executed: HashMap::new(),
            cancels: Vec::new(),
            next: 1,
            mute: false,
            closed: false,
            logins: 0,
            matches: 7_000,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&book), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&listener, &reader, &shared, &stopped));
        Self { address, drop_copy, book, stop, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn drop_copy(&self) -> SocketAddr {
        self.drop_copy
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("not poisoned")
    }

    /// Drops the connection and begins `session` without a message, what rests as it is. The old one's answers are lost.
    pub(crate) fn begin(&self, session: &str) {
        self.book().closed = true;
        std::thread::sleep(Duration::from_millis(20));
        let mut book = self.book();
        book.session = SessionId::new(session).expect("a name");
        book.log = MessageLog::default();
        book.closed = false;
    }

    /// Waits until the venue's book is as `wanted`.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Book) -> bool) {
        let start = Instant::now();
        while !wanted(&self.book()) {
            assert!(start.elapsed() < BOUND, "the venue waits for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Book {
    /// Bytes as the next answer, whatever they are.
    pub(crate) fn say_raw(&mut self, bytes: &[u8]) {
        self.log.push(bytes);
    }

    pub(crate) fn say<B: Body>(&mut self, body: &B) {
        append_answer(&mut self.log, body, &AppendageBuf::default()).expect("a message");
        self.copy(body);
    }

    /// In the drop copy alone.
    pub(crate) fn copy<B: Body>(&mut self, body: &B) {
        if b"AUCDEBJM".contains(&B::TYPE) {
            append_answer(&mut self.copies, body, &AppendageBuf::default()).expect("a message");
        }
    }

    /// In the order session, or, where that is mute, in the drop copy alone.
    fn answer<B: Body>(&mut self, body: &B) {
        if self.mute { self.copy(body) } else { self.say(body) }
    }

    /// Executes lots of an order that rests, and returns the match number.
    pub(crate) fn fill(&mut self, client: u32, qty: u32, said: bool) -> u64 {
        let order = self.resting.iter_mut().find(|order| order.client == client).expect("it rests");
        order.open -= qty;
        let price = order.price;
        *self.executed.entry(client).or_default() += qty;
        self.resting.retain(|order| order.open > 0);
        self.matches += 1;
        let body = executed(client, qty, price, self.matches);
        if said {
            self.say(&body)
        } else {
            self.copy(&body)
        }
        self.matches
    }

    fn take(&mut self, request: Request<'_>) {
        match request {
            Request::EnterOrder(order, _) => {
                let order = Order {
                    client: order.user_ref_num.get(),
                    side: order.side,
                    open: order.quantity.get(),
                    price: order.price.get(),
                    symbol: order.symbol,
                };
                self.next = self.next.max(order.client + 1);
                self.resting.push(order);
                self.accepted.push(order);
                self.answer(&accepted(&order));
            }
            Request::ReplaceOrder(replace, _) => {
                let (prior, client) = (replace.original.get(), replace.user_ref_num.get());
                self.next = self.next.max(client + 1);
                let Some(at) = self.resting.iter().position(|order| order.client == prior) else { return };
                let old = self.resting.remove(at);
                // The quantity is of the chain, with all that was executed in it (OUCH 5.0 §2.2).
                let executed = self.executed.get(&prior).copied().unwrap_or(0);
                self.executed.insert(client, executed);
                let open = replace.quantity.get() - executed;
                let order = Order { client, open, price: replace.price.get(), ..old };
                self.resting.push(order);
                self.accepted.push(order);
                self.answer(&replaced(prior, &order));
            }
            Request::CancelOrder(cancel, _) => {
                let client = cancel.user_ref_num.get();
                self.cancels.push(client);
                let Some(at) = self.resting.iter().position(|order| order.client == client) else { return };
                let order = self.resting.remove(at);
                self.answer(&canceled(client, order.open));
            }
            Request::AccountQuery(..) => self.say(&ouch::AccountQueryResponse {
                message_type: ouch::AccountQueryResponse::TYPE,
                timestamp: stamp(),
                next_user_ref_num: U32::new(self.next),
            }),
            Request::ModifyOrder(..) => {}
        }
    }
}

/// Nanoseconds since midnight, UTC: each answer has a stamp of its own.
fn stamp() -> U64 {
    U64::new(now().0.unsigned_abs() % 86_400_000_000_000)
}

fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Nanos(i64::try_from(since.as_nanos()).expect("in range"))
}

pub(crate) fn accepted(order: &Order) -> ouch::OrderAccepted {
    ouch::OrderAccepted {
        message_type: ouch::OrderAccepted::TYPE,
        timestamp: stamp(),
        user_ref_num: U32::new(order.client),
        side: order.side,
        quantity: U32::new(order.open),
        symbol: order.symbol,
        price: U64::new(order.price),
        time_in_force: b'0',
        display: b'Y',
        order_reference: U64::new(1 << 40 | u64::from(order.client)),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        client_order: Alpha::BLANK,
    }
}

fn replaced(prior: u32, order: &Order) -> ouch::OrderReplaced {
    ouch::OrderReplaced {
        message_type: ouch::OrderReplaced::TYPE,
        timestamp: stamp(),
        original: U32::new(prior),
        user_ref_num: U32::new(order.client),
        side: order.side,
        quantity: U32::new(order.open),
        symbol: order.symbol,
        price: U64::new(order.price),
        time_in_force: b'0',
        display: b'Y',
        order_reference: U64::new(1 << 40 | u64::from(order.client)),
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        client_order: Alpha::BLANK,
    }
}

pub(crate) fn canceled(client: u32, qty: u32) -> ouch::OrderCanceled {
    ouch::OrderCanceled {
        message_type: ouch::OrderCanceled::TYPE,
        timestamp: stamp(),
        user_ref_num: U32::new(client),
        quantity: U32::new(qty),
        reason: b'U',
    }
}

pub(crate) fn executed(client: u32, qty: u32, price: u64, match_number: u64) -> ouch::OrderExecuted {
    ouch::OrderExecuted {
        message_type: ouch::OrderExecuted::TYPE,
        timestamp: stamp(),
        user_ref_num: U32::new(client),
        quantity: U32::new(qty),
        price: U64::new(price),
        liquidity: b'A',
        match_number: U64::new(match_number),
    }
}

pub(crate) fn broken(client: u32, match_number: u64) -> ouch::BrokenTrade {
    ouch::BrokenTrade {
        message_type: ouch::BrokenTrade::TYPE,
        timestamp: stamp(),
        user_ref_num: U32::new(client),
        match_number: U64::new(match_number),
        reason: b'E',
        client_order: Alpha::BLANK,
    }
}

/// A port of its own that is asked for connections and waits for none.
fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("settable");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn serve(listener: &TcpListener, reader: &TcpListener, book: &Mutex<Book>, stop: &AtomicBool) {
    let copies = SessionId::new("C1").expect("a name");
    let mut orders: Option<Client> = None;
    let mut copy: Option<Client> = None;
    while !stop.load(Ordering::Acquire) {
        let mut book = book.lock().expect("not poisoned");
        if book.closed {
            orders = None;
        } else {
            orders = Client::accept(listener, book.session).or(orders);
        }
        if orders.as_mut().is_some_and(|client| !client.trade(&mut book)) {
            orders = None;
        }
        copy = Client::accept(reader, copies).or(copy);
        if copy.as_mut().is_some_and(|client| !client.read_along(&book.copies)) {
            copy = None;
        }
        drop(book);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Who is connected to one of the two services.
struct Client {
    stream: TcpStream,
    session: VenueSession,
}

impl Client {
    fn accept(listener: &TcpListener, session: SessionId) -> Option<Self> {
        let (stream, _) = listener.accept().ok()?;
        stream.set_nonblocking(true).expect("settable");
        let username = Alpha::new("DESK1").expect("a name");
        let login = ServerConfig { username, password: Password(Alpha::BLANK), session };
        Some(Self { stream, session: VenueSession::new(login, 1 << 16, now()) })
    }

    /// Takes what has come; false if nothing more will.
    fn receive(&mut self) -> bool {
        match self.stream.read(self.session.spare()) {
            Ok(0) => false,
            Ok(count) => {
                self.session.commit(count);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Sends what `log` has for it; false if it has been silent for too long.
    fn send(&mut self, log: &MessageLog) -> bool {
        self.session.pump(log, now());
        if self.session.poll(now()).is_err() {
            return false;
        }
        if let Ok(count) = self.stream.write(self.session.output()) {
            self.session.consume(count);
        }
        true
    }

    /// The drop copy: whatever its client sends but the login is passed over. False at the end of the connection.
    fn read_along(&mut self, copies: &MessageLog) -> bool {
        let open = self.receive();
        while let Ok(Some(_)) = self.session.next_event(copies, now()) {}
        self.send(copies) && open
    }

    /// The order session. False at the end of the connection.
    fn trade(&mut self, book: &mut Book) -> bool {
        let mut open = self.receive();
        loop {
            // The log is borrowed by the event's reading alone; what it says goes to the book afterwards.
            let log = std::mem::take(&mut book.log);
            let event = self.session.next_event(&log, now());
            book.log = log;
            match event {
                Ok(Some(VenueEvent::Request(request))) => book.take(request),
                Ok(Some(VenueEvent::LoggedIn)) => book.logins += 1,
                Ok(Some(VenueEvent::Refused(_) | VenueEvent::LoggedOut)) => open = false,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        self.send(&book.log) && open
    }
}
