//! Batches, read ahead or not, against the naive books, one message after the other.

use pricewright_core::kernel::{InstrumentId, Side};
use pricewright_core::market::book::naive::NaiveBooks;
use pricewright_core::market::book::{BookStore as _, Books};
use quickcheck::quickcheck;
use zerocopy::big_endian::{U32, U64};

use super::super::FileReader;
use super::super::encode::append_file_frame;
use super::super::message::{
    AddOrder, AddOrderAttributed, Body, Header, Message, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, SystemEvent,
};
use super::{apply, carry_out};
use crate::nasdaq::Alpha;

const INSTRUMENTS: u16 = 3;

/// A message drawn from five bytes; orders, prices and instruments meet often.
fn put(draw: (u8, u8, u8, u8, bool), bytes: &mut Vec<u8>) {
    let (kind, order, price, qty, buy) = draw;
    let locate = u16::from(order) % INSTRUMENTS;
    let order_number = U64::new(u64::from(order) % 24);
    let (shares, price) = (U32::new(u32::from(qty) % 4), U32::new(100 + u32::from(price) % 12));
    let (side, stock, match_number) = (if buy { b'B' } else { b'S' }, Alpha(*b"PRCA    "), U64::new(1));
    fn frame<B: Body>(body: &B, bytes: &mut Vec<u8>) {
        assert!(append_file_frame(body.as_bytes(), bytes));
    }
    fn header<B: Body>(locate: u16) -> Header {
        Header::of::<B>(locate, 0, 0)
    }
    let order = order_number;
    match kind % 9 {
        0..=2 => {
            frame(&AddOrder { header: header::<AddOrder>(locate), order, side, shares, stock, price }, bytes)
        }
        3 => {
            let (header, attribution) = (header::<AddOrderAttributed>(locate), Alpha(*b"PRCW"));
            frame(&AddOrderAttributed { header, order, side, shares, stock, price, attribution }, bytes);
        }
        4 => frame(&OrderDelete { header: header::<OrderDelete>(locate), order }, bytes),
        5 => {
            let header = header::<OrderReplace>(locate);
            let new_order = U64::new(u64::from(qty) % 24);
            frame(&OrderReplace { header, order, new_order, shares, price }, bytes);
        }
        6 => frame(
            &OrderExecuted { header: header::<OrderExecuted>(locate), order, shares, match_number },
            bytes,
        ),
        7 => {
            let header = header::<OrderExecutedWithPrice>(locate);
            let printable = b'Y';
            frame(&OrderExecutedWithPrice { header, order, shares, match_number, printable, price }, bytes);
        }
        _ => {
            frame(&OrderCancel { header: header::<OrderCancel>(locate), order, shares }, bytes);
            frame(&SystemEvent { header: header::<SystemEvent>(0), event_code: b'Q' }, bytes);
        }
    }
}

quickcheck! {
    fn batches_give_what_single_messages_give(draws: Vec<(u8, u8, u8, u8, bool)>) -> bool {
        let mut bytes = Vec::new();
        // Long enough for several batches.
        (0..4).flat_map(|_| &draws).for_each(|draw| put(*draw, &mut bytes));
        let messages: Vec<Message<'_>> = FileReader::new(&bytes).map(|found| found.unwrap().1).collect();
        let mut naive = NaiveBooks::new(usize::from(INSTRUMENTS));
        let expected: Vec<_> = messages
            .iter()
            .enumerate()
            .filter_map(|(place, message)| apply(&mut naive, message).err().map(|error| (place, error)))
            .collect();
        for ahead in [false, true] {
            let mut books = Books::with_capacity(usize::from(INSTRUMENTS), 4, 2);
            let mut refused = Vec::new();
            carry_out(&mut books, &messages, ahead, &mut |place, error| refused.push((place, error)));
            assert_eq!(refused, expected, "ahead: {ahead}");
            for (i, side) in (0..INSTRUMENTS).flat_map(|i| [(i, Side::Buy), (i, Side::Sell)]) {
                let i = InstrumentId(i);
                assert_eq!(books.all_orders(i, side), naive.all_orders(i, side), "ahead: {ahead}");
            }
        }
        true
    }
}
