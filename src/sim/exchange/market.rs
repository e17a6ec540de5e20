//! The two kinds of market behind one set of commands.

use pricewright_core::kernel::{InstrumentId, Lots, Side, Ticks};
use pricewright_core::market::book::{Bbo, OrderView};
use pricewright_core::market::matching::{
    MatchSink, MatchingEngine, NewOrder, OpenOrder, OwnerToken, RemovalReason, Replacement,
};

use crate::sim::replay::Replay;

/// Where orders trade.
pub(super) enum Market {
    /// Everybody's orders meet in a matching engine.
    Matched(Box<MatchingEngine>),
    /// Outside orders trade against a recorded book.
    Replayed(Box<Replay>),
}

impl Market {
    pub(super) fn enter<S: MatchSink>(&mut self, new: &NewOrder, sink: &mut S) {
        match self {
            Self::Matched(engine) => engine.enter(new, sink),
            Self::Replayed(replay) => replay.enter(new, sink),
        }
    }

    pub(super) fn cancel<S: MatchSink>(&mut self, key: OwnerToken, keep: Lots, sink: &mut S) {
        match self {
            Self::Matched(engine) => engine.cancel(key, keep, sink),
            Self::Replayed(replay) => replay.cancel(key, keep, sink),
        }
    }

    pub(super) fn replace<S: MatchSink>(&mut self, key: OwnerToken, with: &Replacement, sink: &mut S) {
        match self {
            Self::Matched(engine) => engine.replace(key, with, sink),
            Self::Replayed(replay) => replay.replace(key, with, sink),
        }
    }

    pub(super) fn cancel_owner<S: MatchSink>(&mut self, owner: u32, reason: RemovalReason, sink: &mut S) {
        match self {
            Self::Matched(engine) => engine.cancel_owner(owner, reason, sink),
            Self::Replayed(replay) => replay.cancel_owner(owner, reason, sink),
        }
    }

    pub(super) fn open_order(&self, key: OwnerToken) -> Option<OpenOrder> {
        match self {
            Self::Matched(engine) => engine.open_order(key),
            Self::Replayed(replay) => replay.open_order(key),
        }
    }

    /// True where an order would trade on arrival.
    pub(super) fn crosses(&self, instrument: InstrumentId, side: Side, price: Ticks) -> bool {
        match self {
            Self::Matched(engine) => engine.crosses(instrument, side, price),
            Self::Replayed(replay) => replay.crosses(instrument, side, price),
        }
    }

    pub(super) fn best(&self, instrument: InstrumentId) -> Bbo {
        let book = match self {
            Self::Matched(engine) => engine.book(instrument),
            Self::Replayed(replay) => replay.books().book(instrument),
        };
        book.map(|book| book.bbo()).unwrap_or_default()
    }

    /// Every displayed order: by instrument, bids before asks, in the order in which they would trade.
    pub(super) fn orders(&self) -> Vec<OrderView> {
        let books = match self {
            Self::Matched(engine) => engine.books(),
            Self::Replayed(replay) => replay.books(),
        };
        let instruments = (0..=u16::MAX).map(InstrumentId).take(books.instruments());
        let books = instruments.filter_map(|instrument| books.book(instrument));
        books
            .flat_map(|book| [Side::Buy, Side::Sell].map(|side| (book, side)))
            .flat_map(|(book, side)| book.levels(side).flat_map(move |level| book.orders(side, level.price)))
            .collect()
    }
}
