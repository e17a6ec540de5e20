//! One ITCH message to at most one record.

use pricewright_core::kernel::table::{
    CrossTrade, MarketHalt, MarketPhase, OrderAdd, OrderDeleted, OrderExecuted, OrderExecutedAt,
    OrderReduced, OrderReplaced, Trade, TradeBroken, TradingStatus, market_flags,
};
use pricewright_core::kernel::{
    EventNanos, Full, HealthReason, Nanos, Record, RecordSink, RejectReason, SideCode, SourceId, Text, Ticks,
    TradingState,
};
use zerocopy::big_endian::U32;

use super::directory::Directory;
use crate::nasdaq::instrument::Instrument;
use crate::nasdaq::itch::{self, Header, Message};
use crate::nasdaq::{SessionDay, Symbol};

macro_rules! market_events {
    ($($name:ident),*) => {
        /// A record of the market, not yet written. Its tag is as wide as what follows is aligned: a copy is then of whole
        /// words, which the next load finds in the store buffer.
        #[derive(Clone, Copy, Debug)]
        #[repr(u64)]
        pub(super) enum MarketEvent {
            $($name($name),)*
        }

        impl MarketEvent {
            /// Cells of the longest.
            pub(super) const MAX_CELLS: usize = {
                let mut most = 0;
                $(if <$name as Record>::CELLS > most {
                    most = <$name as Record>::CELLS;
                })*
                most
            };

            /// Says that it is the last of its batch.
            pub(super) fn flag_last(&mut self) {
                match self {
                    $(Self::$name(record) => record.flags |= market_flags::LAST_IN_BATCH,)*
                }
            }

            /// Sets flags besides those that it has.
            pub(super) fn add_flags(&mut self, flags: u8) {
                match self {
                    $(Self::$name(record) => record.flags |= flags,)*
                }
            }

            #[inline]
            pub(super) fn put<S: RecordSink>(&self, sink: &mut S, source: SourceId) -> Result<(), Full> {
                match self {
                    $(Self::$name(record) => sink.put(record, source, 0),)*
                }
            }
        }

        $(impl From<$name> for MarketEvent {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*
    };
}

market_events!(
    OrderAdd,
    OrderExecuted,
    OrderExecutedAt,
    OrderReduced,
    OrderDeleted,
    OrderReplaced,
    Trade,
    CrossTrade,
    TradeBroken,
    TradingStatus,
    MarketPhase,
    MarketHalt
);

/// What a message that cannot be used leaves in doubt from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// No book.
    None,
    /// The book of the instrument that it is about.
    Instrument(HealthReason),
    /// Every book.
    Feed,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) reason: RejectReason,
    pub(super) text: &'static str,
    pub(super) harm: Harm,
}

const OFF_GRID: Fault = Fault {
    reason: RejectReason::OUT_OF_RANGE,
    text: "ITCH: the price of an order is off the price grid",
    harm: Harm::Instrument(HealthReason::BAD_DATA),
};
const PRINT_OFF_GRID: Fault = Fault {
    reason: RejectReason::OUT_OF_RANGE,
    text: "ITCH: the price of an execution is off the price grid",
    harm: Harm::None,
};
const NO_SIDE: Fault = Fault {
    reason: RejectReason::MALFORMED,
    text: "ITCH: the side of an order is neither B nor S",
    harm: Harm::Instrument(HealthReason::BAD_DATA),
};

/// A second listing that is not the first. Whose books it leaves in doubt, the directory says.
pub(super) const RELISTED: Fault = Fault {
    reason: RejectReason::CONTRADICTION,
    text: "ITCH: the stock directory gives a locate code or a stock another meaning",
    harm: Harm::None,
};

/// What is wrong with bytes that are no message of ITCH 5.0, where `is_ours` says whether their locate code is a configured
/// instrument's. `None`: they are about another instrument and only counted.
///
/// The venue adds types without a new version, and the locate code stands at the same place in all of them. A type that
/// never says anything of a book does not begin to by growing.
pub(super) fn fault_of(error: itch::DecodeError, has_locate: bool, is_ours: bool) -> Option<Fault> {
    let nobody_knows_whose = !has_locate;
    let (reason, text, harm) = match error {
        itch::DecodeError::Empty => (RejectReason::MALFORMED, "ITCH: an empty message", Harm::Feed),
        itch::DecodeError::UnknownType(_) => {
            let harm =
                if nobody_knows_whose { Harm::Feed } else { Harm::Instrument(HealthReason::UNKNOWN_MESSAGE) };
            (RejectReason::UNKNOWN_TYPE, "ITCH: a type that is not in ITCH 5.0", harm)
        }
        itch::DecodeError::Length { message_type, .. } => {
            let harm = match message_type {
                b'Y' | b'L' | b'V' | b'K' | b'J' | b'P' | b'Q' | b'B' | b'I' | b'N' | b'O' => Harm::None,
                // They say for the whole market whether it trades.
                b'S' | b'W' => Harm::Feed,
                _ if nobody_knows_whose => Harm::Feed,
                _ => Harm::Instrument(HealthReason::UNKNOWN_MESSAGE),
            };
            (RejectReason::MALFORMED, "ITCH: the size is not that of the type", harm)
        }
    };
    let concerns_us = is_ours || harm == Harm::Feed;
    concerns_us.then_some(Fault { reason, text, harm })
}

/// Where and when messages are from.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Which midnight the venue's stamps count from.
    pub(super) day: &'a mut SessionDay,
    /// When the message was received.
    pub(super) received: Nanos,
    /// The market's code.
    pub(super) market: u8,
}

impl Place<'_> {
    #[inline]
    fn event_ns(&mut self, header: &Header) -> EventNanos {
        let stamp = header.timestamp.nanos();
        EventNanos(self.day.start_of(stamp, self.received).saturating_add_unsigned(stamp))
    }
}

/// What a message means.
pub(super) enum Meaning {
    /// A record.
    Event(MarketEvent),
    /// The market enters another phase.
    Phase(MarketPhase),
    /// A record, and something to complain about.
    Complaint(MarketEvent, Fault),
    /// Nothing that can be used.
    Fault(Fault),
    /// The day's code of a stock.
    Listing(u16, Symbol),
    /// About an instrument that is not configured.
    OtherInstrument,
    /// A type that carries no record.
    NoRecord,
}

/// What `message` means.
#[inline]
pub(super) fn meaning(message: &Message<'_>, directory: &Directory, mut place: Place<'_>) -> Meaning {
    let header = message.header();
    match message {
        Message::SystemEvent(body) => return market_phase(body, place.event_ns(header)),
        Message::MwcbStatus(body) => return market_halt(body, place.event_ns(header)),
        Message::StockDirectory(body) => return Meaning::Listing(header.locate.get(), body.stock),
        Message::RegShoRestriction(_)
        | Message::MarketParticipantPosition(_)
        | Message::MwcbDeclineLevel(_)
        | Message::IpoQuotingPeriod(_)
        | Message::LuldAuctionCollar(_)
        | Message::NetOrderImbalance(_)
        | Message::RetailInterest(_)
        | Message::DirectListing(_) => return Meaning::NoRecord,
        _ => {}
    }
    let Some(instrument) = directory.find(header.locate.get()) else { return Meaning::OtherInstrument };
    let scope = Scope { instrument, event_ns: place.event_ns(header) };
    match message {
        Message::AddOrder(body) => scope.add(body.order.get(), body.side, body.shares.get(), body.price),
        Message::AddOrderAttributed(body) => {
            scope.add(body.order.get(), body.side, body.shares.get(), body.price)
        }
        Message::OrderExecuted(body) => scope.executed(body),
        Message::OrderExecutedWithPrice(body) => scope.executed_at(body),
        Message::OrderCancel(body) => {
            Meaning::Event(scope.reduced(body.order.get(), body.shares.get()).into())
        }
        Message::OrderDelete(body) => scope.deleted(body),
        Message::OrderReplace(body) => scope.replaced(body),
        Message::Trade(body) => scope.trade(body),
        Message::CrossTrade(body) => scope.cross(body),
        Message::BrokenTrade(body) => scope.broken(body),
        Message::StockTradingAction(body) => scope.status(body),
        Message::OperationalHalt(body) if body.market_code == place.market => scope.market_halt(body),
        _ => Meaning::NoRecord,
    }
}

fn market_phase(body: &itch::SystemEvent, event_ns: EventNanos) -> Meaning {
    Meaning::Phase(MarketPhase { event_ns, code: body.event_code, flags: 0, spare: [0; 22] })
}

fn market_halt(body: &itch::MwcbStatus, event_ns: EventNanos) -> Meaning {
    Meaning::Event(MarketHalt { event_ns, level: body.breached_level, flags: 0, spare: [0; 22] }.into())
}

/// The instrument and the stamp that a message is about.
struct Scope<'a> {
    instrument: &'a Instrument,
    event_ns: EventNanos,
}

impl Scope<'_> {
    fn ticks(&self, price: U32) -> Option<Ticks> {
        self.instrument.ticks(u64::from(price.get()))
    }

    fn add(&self, order: u64, side: u8, qty: u32, price: U32) -> Meaning {
        let side = match side {
            b'B' => SideCode::BUY,
            b'S' => SideCode::SELL,
            _ => return Meaning::Fault(NO_SIDE),
        };
        let Some(price) = self.ticks(price) else { return Meaning::Fault(OFF_GRID) };
        let (event_ns, instrument) = (self.event_ns, self.instrument.id);
        Meaning::Event(OrderAdd { event_ns, order, price, qty, instrument, side, flags: 0 }.into())
    }

    fn executed(&self, body: &itch::OrderExecuted) -> Meaning {
        let record = OrderExecuted {
            event_ns: self.event_ns,
            order: body.order.get(),
            match_number: body.match_number.get(),
            qty: body.shares.get(),
            instrument: self.instrument.id,
            side: SideCode::UNKNOWN,
            flags: market_flags::PRINTABLE,
        };
        Meaning::Event(record.into())
    }

    /// An execution whose price cannot be told in ticks still takes its shares off the book.
    fn executed_at(&self, body: &itch::OrderExecutedWithPrice) -> Meaning {
        let (order, qty) = (body.order.get(), body.shares.get());
        let Some(price) = self.ticks(body.price) else {
            return Meaning::Complaint(self.reduced(order, qty).into(), PRINT_OFF_GRID);
        };
        let record = OrderExecutedAt {
            event_ns: self.event_ns,
            order,
            match_number: body.match_number.get(),
            price,
            qty,
            instrument: self.instrument.id,
            side: SideCode::UNKNOWN,
            flags: if body.printable == b'Y' { market_flags::PRINTABLE } else { 0 },
        };
        Meaning::Event(record.into())
    }

    fn reduced(&self, order: u64, qty: u32) -> OrderReduced {
        let (event_ns, instrument) = (self.event_ns, self.instrument.id);
        OrderReduced { event_ns, order, spare: 0, qty, instrument, side: SideCode::UNKNOWN, flags: 0 }
    }

    fn deleted(&self, body: &itch::OrderDelete) -> Meaning {
        let record = OrderDeleted {
            event_ns: self.event_ns,
            order: body.order.get(),
            spare: 0,
            spare2: 0,
            instrument: self.instrument.id,
            side: SideCode::UNKNOWN,
            flags: 0,
        };
        Meaning::Event(record.into())
    }

    fn replaced(&self, body: &itch::OrderReplace) -> Meaning {
        let Some(price) = self.ticks(body.price) else { return Meaning::Fault(OFF_GRID) };
        let record = OrderReplaced {
            event_ns: self.event_ns,
            order: body.order.get(),
            new_order: body.new_order.get(),
            price,
            qty: body.shares.get(),
            instrument: self.instrument.id,
            side: SideCode::UNKNOWN,
            flags: 0,
        };
        Meaning::Event(record.into())
    }

    /// The side of a trade says nothing: the venue has written `B` always since 2014.
    fn trade(&self, body: &itch::Trade) -> Meaning {
        let Some(price) = self.ticks(body.price) else { return Meaning::Fault(PRINT_OFF_GRID) };
        let record = Trade {
            event_ns: self.event_ns,
            match_number: body.match_number.get(),
            price,
            qty: body.shares.get(),
            instrument: self.instrument.id,
            side: SideCode::UNKNOWN,
            flags: market_flags::PRINTABLE,
        };
        Meaning::Event(record.into())
    }

    fn cross(&self, body: &itch::CrossTrade) -> Meaning {
        let Some(price) = self.ticks(body.price) else { return Meaning::Fault(PRINT_OFF_GRID) };
        let record = CrossTrade {
            event_ns: self.event_ns,
            match_number: body.match_number.get(),
            price,
            qty: body.shares.get(),
            instrument: self.instrument.id,
            cross_type: body.cross_type,
            flags: market_flags::PRINTABLE,
            spare: 0,
        };
        Meaning::Event(record.into())
    }

    fn broken(&self, body: &itch::BrokenTrade) -> Meaning {
        let record = TradeBroken {
            event_ns: self.event_ns,
            match_number: body.match_number.get(),
            spare: 0,
            instrument: self.instrument.id,
            spare2: 0,
            flags: 0,
            spare3: 0,
        };
        Meaning::Event(record.into())
    }

    fn status(&self, body: &itch::StockTradingAction) -> Meaning {
        let state = match body.trading_state {
            b'T' => TradingState::TRADING,
            b'H' => TradingState::HALTED,
            b'P' => TradingState::PAUSED,
            b'Q' => TradingState::QUOTING,
            _ => TradingState::UNKNOWN,
        };
        self.trading(state, Text::excerpt(body.reason.as_str()))
    }

    /// A halt that no Stock Trading Action announces: the two are told apart, so that neither ends the other.
    fn market_halt(&self, body: &itch::OperationalHalt) -> Meaning {
        let state = match body.action {
            b'T' => TradingState::MARKET_RESUMED,
            _ => TradingState::MARKET_HALTED,
        };
        self.trading(state, Text::default())
    }

    fn trading(&self, state: TradingState, reason: Text<4>) -> Meaning {
        let (event_ns, instrument) = (self.event_ns, self.instrument.id);
        Meaning::Event(TradingStatus { event_ns, instrument, state, flags: 0, reason, spare: [0; 16] }.into())
    }
}
