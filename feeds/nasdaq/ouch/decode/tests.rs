use core::mem::offset_of;

use quickcheck::quickcheck;
use zerocopy::IntoBytes;
use zerocopy::big_endian::{U32, U64};

use super::super::{AppendageBuf, MAX_MESSAGE, tag, write};
use super::*;
use crate::nasdaq::Alpha;

/// Bytes without the length of the appendage, from the OUCH 5.0 specification (revision of October 2025).
#[test]
fn sizes_are_those_of_the_specification() {
    let sizes = [
        (size_of::<EnterOrder>(), 47 - 2),
        (size_of::<ReplaceOrder>(), 40 - 2),
        (size_of::<CancelOrder>(), 9),
        (size_of::<ModifyOrder>(), 10),
        (size_of::<AccountQuery>(), 1),
        (size_of::<SystemEvent>(), 10),
        (size_of::<OrderAccepted>(), 64 - 2),
        (size_of::<OrderReplaced>(), 68 - 2),
        (size_of::<OrderCanceled>(), 18),
        (size_of::<AiqCanceled>(), 32),
        (size_of::<OrderExecuted>(), 36 - 2),
        (size_of::<BrokenTrade>(), 36),
        (size_of::<Rejected>(), 29),
        (size_of::<CancelPending>(), 13),
        (size_of::<CancelReject>(), 13),
        (size_of::<OrderPriorityUpdate>(), 30),
        (size_of::<OrderModified>(), 18),
        (size_of::<OrderRestated>(), 14),
        (size_of::<AccountQueryResponse>(), 13),
    ];
    for (index, (found, specified)) in sizes.into_iter().enumerate() {
        assert_eq!(found, specified, "row {index}");
    }
}

#[test]
fn offsets_are_those_of_the_specification() {
    let offsets = [
        (offset_of!(EnterOrder, side), 5),
        (offset_of!(EnterOrder, quantity), 6),
        (offset_of!(EnterOrder, symbol), 10),
        (offset_of!(EnterOrder, price), 18),
        (offset_of!(EnterOrder, time_in_force), 26),
        (offset_of!(EnterOrder, cross_type), 30),
        (offset_of!(EnterOrder, client_order), 31),
        (offset_of!(ReplaceOrder, user_ref_num), 5),
        (offset_of!(ReplaceOrder, quantity), 9),
        (offset_of!(ReplaceOrder, price), 13),
        (offset_of!(ReplaceOrder, client_order), 24),
        (offset_of!(OrderAccepted, user_ref_num), 9),
        (offset_of!(OrderAccepted, symbol), 18),
        (offset_of!(OrderAccepted, price), 26),
        (offset_of!(OrderAccepted, order_reference), 36),
        (offset_of!(OrderAccepted, order_state), 47),
        (offset_of!(OrderAccepted, client_order), 48),
        (offset_of!(OrderReplaced, user_ref_num), 13),
        (offset_of!(OrderReplaced, price), 30),
        (offset_of!(OrderReplaced, order_reference), 40),
        (offset_of!(OrderReplaced, order_state), 51),
        (offset_of!(OrderCanceled, reason), 17),
        (offset_of!(AiqCanceled, execution_price), 22),
        (offset_of!(AiqCanceled, liquidity), 30),
        (offset_of!(OrderExecuted, price), 17),
        (offset_of!(OrderExecuted, liquidity), 25),
        (offset_of!(OrderExecuted, match_number), 26),
        (offset_of!(BrokenTrade, reason), 21),
        (offset_of!(Rejected, reason), 13),
        (offset_of!(OrderPriorityUpdate, display), 21),
        (offset_of!(OrderPriorityUpdate, order_reference), 22),
        (offset_of!(OrderModified, quantity), 14),
    ];
    for (index, (found, specified)) in offsets.into_iter().enumerate() {
        assert_eq!(found, specified, "row {index}");
    }
}

/// A post-only Enter Order written out by hand from the specification.
const ENTER: &[u8; 50] =
    b"O\0\0\0\x05B\0\0\0\x64AAPL    \0\0\0\0\0\x16\xe3\xc40YPNNclient        \0\x03\x02\x0cP";

fn enter() -> EnterOrder {
    EnterOrder {
        message_type: EnterOrder::TYPE,
        user_ref_num: U32::new(5),
        side: b'B',
        quantity: U32::new(100),
        symbol: Alpha::new("AAPL").unwrap(),
        price: U64::new(1_500_100),
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        client_order: Alpha::new("client").unwrap(),
    }
}

#[test]
fn an_enter_order_reads_and_writes_as_the_specification_says() {
    let Ok(Request::EnterOrder(order, options)) = decode_request(ENTER) else { panic!("not an order") };
    assert_eq!(*order, enter());
    assert_eq!(options.letter(tag::POST_ONLY), Some(b'P'));
    let mut post_only = AppendageBuf::default();
    assert!(post_only.push(tag::POST_ONLY, b"P"));
    let mut out = [0; MAX_MESSAGE];
    assert_eq!(write(&enter(), &post_only, &mut out), Some(50));
    assert_eq!(&out[..50], ENTER);
    assert_eq!(write(&enter(), &post_only, &mut out[..49]), None);
}

#[test]
fn an_order_cut_anywhere_is_refused() {
    for cut in 1..ENTER.len() {
        let error = decode_request(&ENTER[..cut]).unwrap_err();
        let fault = match cut {
            0..45 => OuchFault::Short { expected: 45, found: cut },
            _ => OuchFault::AppendageLength,
        };
        assert_eq!(error.fault, fault, "cut at {cut}");
    }
    assert_eq!(decode_request(&[]).unwrap_err().fault, OuchFault::Empty);
    assert_eq!(decode_request(b"?").unwrap_err().fault, OuchFault::UnknownType);
}

fn cancel_with(appendage: &[u8]) -> Vec<u8> {
    let mut bytes = b"X\0\0\0\x01\0\0\0\0".to_vec();
    bytes.extend_from_slice(&(appendage.len() as u16).to_be_bytes());
    bytes.extend_from_slice(appendage);
    bytes
}

#[test]
fn options_that_are_not_known_are_passed_over() {
    let bytes = cancel_with(b"\x04\xc8abc\x02\x1c\x07");
    let Ok(Request::CancelOrder(_, options)) = decode_request(&bytes) else { panic!("not a cancel") };
    assert_eq!(options.number(tag::USER_REF_INDEX), Some(7));
    assert_eq!(options.find(0xc8), Some(b"abc".as_slice()));
    assert_eq!(options.elements().count(), 2);
}

#[test]
fn malformed_options_are_named_with_their_place() {
    let fault = |appendage: &[u8]| {
        let error = decode_request(&cancel_with(appendage)).unwrap_err();
        (error.offset, error.fault)
    };
    let length = OuchFault::Appendage(AppendageFault::Length);
    assert_eq!(fault(b"\0"), (11, length));
    assert_eq!(fault(b"\x05\x1c\x07"), (11, length));
    assert_eq!(fault(b"\x02\x1c\x07\x01"), (14, length));
    let value = OuchFault::Appendage(AppendageFault::Value { tag: 28, found: 2 });
    assert_eq!(fault(b"\x03\x1c\x07\x08"), (11, value));
    let mut longer = cancel_with(b"");
    longer.push(0);
    assert_eq!(decode_request(&longer).unwrap_err().fault, OuchFault::AppendageLength);
    assert!(decode_response(b"S\0\0\0\0\0\0\0\0S\0\0").is_err());
}

/// Fills the fixed part of `B` with `fill`, writes it with `options`, and reads it back.
fn survives<B: Body + PartialEq>(fill: &[u8], options: &[(u8, Vec<u8>)], request: bool) -> bool {
    let mut bytes: Vec<u8> = fill.iter().copied().cycle().take(size_of::<B>()).collect();
    bytes.resize(size_of::<B>(), 0);
    bytes[0] = B::TYPE;
    let body = B::read_from_bytes(&bytes).unwrap();
    let mut appendage = AppendageBuf::default();
    if B::OPTIONS != Options::None {
        for (tag, value) in options.iter().filter(|(tag, _)| tag::value_len(*tag).is_none()) {
            appendage.push(*tag, value);
        }
    }
    let mut out = [0; MAX_MESSAGE];
    let len = write(&body, &appendage, &mut out).unwrap();
    let found = split::<B>(&out[..len]);
    let read =
        if request { decode_request(&out[..len]).is_ok() } else { decode_response(&out[..len]).is_ok() };
    read && found.is_ok_and(|(found, options)| *found == body && options.as_bytes() == appendage.as_bytes())
}

quickcheck! {
    fn every_message_comes_back_as_written(fill: Vec<u8>, options: Vec<(u8, Vec<u8>)>) -> bool {
        survives::<EnterOrder>(&fill, &options, true)
            && survives::<ReplaceOrder>(&fill, &options, true)
            && survives::<CancelOrder>(&fill, &options, true)
            && survives::<ModifyOrder>(&fill, &options, true)
            && survives::<AccountQuery>(&fill, &options, true)
            && survives::<SystemEvent>(&fill, &options, false)
            && survives::<OrderAccepted>(&fill, &options, false)
            && survives::<OrderReplaced>(&fill, &options, false)
            && survives::<OrderCanceled>(&fill, &options, false)
            && survives::<AiqCanceled>(&fill, &options, false)
            && survives::<OrderExecuted>(&fill, &options, false)
            && survives::<BrokenTrade>(&fill, &options, false)
            && survives::<Rejected>(&fill, &options, false)
            && survives::<CancelPending>(&fill, &options, false)
            && survives::<CancelReject>(&fill, &options, false)
            && survives::<OrderPriorityUpdate>(&fill, &options, false)
            && survives::<OrderModified>(&fill, &options, false)
            && survives::<OrderRestated>(&fill, &options, false)
            && survives::<AccountQueryResponse>(&fill, &options, false)
    }

    fn any_bytes_are_a_message_or_an_error(letter: u8, bytes: Vec<u8>) -> bool {
        let mut bytes = bytes;
        bytes.insert(0, letter);
        let request = decode_request(&bytes).map_or_else(|error| error.offset, |_| 0);
        let response = decode_response(&bytes).map_or_else(|error| error.offset, |_| 0);
        request <= bytes.len() && response <= bytes.len()
    }
}

#[test]
fn a_struct_is_its_bytes() {
    assert_eq!(enter().as_bytes(), &ENTER[..45]);
}
