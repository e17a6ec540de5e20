//! The crate `itchy`, another decoder of ITCH 5.0, reads the file that the simulated exchange wrote: message by message it
//! must see what our decoder sees.

use itchy::{Body, EventCode, MessageStream};
use pricewright::sim::{Sim, SimConfig};
use pricewright_feeds::nasdaq::itch::{FileReader, Message};

/// A message in words that both decoders can say.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    System(u8),
    Directory { stock: String, round_lot: u32 },
    Trading { stock: String },
    ShortSale { stock: String },
    Add { order: u64, buy: bool, shares: u32, stock: String, price: u32 },
    Executed { order: u64, shares: u32, match_number: u64 },
    Cancelled { order: u64, shares: u32 },
    Deleted { order: u64 },
    Replaced { order: u64, new_order: u64, shares: u32, price: u32 },
}

/// Type, locate code, tracking number, nanoseconds since midnight, and what it says.
type Line = (u8, u16, u16, u64, Said);

fn ours(message: &Message<'_>) -> Line {
    let header = message.header();
    let said = match message {
        Message::SystemEvent(body) => Said::System(body.event_code),
        Message::StockDirectory(body) => {
            Said::Directory { stock: body.stock.as_str().to_owned(), round_lot: body.round_lot_size.get() }
        }
        Message::StockTradingAction(body) => Said::Trading { stock: body.stock.as_str().to_owned() },
        Message::RegShoRestriction(body) => Said::ShortSale { stock: body.stock.as_str().to_owned() },
        Message::AddOrder(body) => Said::Add {
            order: body.order.get(),
            buy: body.side == b'B',
            shares: body.shares.get(),
            stock: body.stock.as_str().to_owned(),
            price: body.price.get(),
        },
        Message::OrderExecuted(body) => Said::Executed {
            order: body.order.get(),
            shares: body.shares.get(),
            match_number: body.match_number.get(),
        },
        Message::OrderCancel(body) => Said::Cancelled { order: body.order.get(), shares: body.shares.get() },
        Message::OrderDelete(body) => Said::Deleted { order: body.order.get() },
        Message::OrderReplace(body) => Said::Replaced {
            order: body.order.get(),
            new_order: body.new_order.get(),
            shares: body.shares.get(),
            price: body.price.get(),
        },
        other => panic!("the exchange does not write {other:?}"),
    };
    (header.message_type, header.locate.get(), header.tracking.get(), header.timestamp.nanos(), said)
}

fn theirs(message: &itchy::Message) -> Line {
    let text = |stock: &str| stock.trim_end().to_owned();
    let said = match &message.body {
        Body::SystemEvent { event } => Said::System(match event {
            EventCode::StartOfMessages => b'O',
            EventCode::StartOfSystemHours => b'S',
            EventCode::StartOfMarketHours => b'Q',
            EventCode::EndOfMarketHours => b'M',
            EventCode::EndOfSystemHours => b'E',
            EventCode::EndOfMessages => b'C',
        }),
        Body::StockDirectory(body) => {
            Said::Directory { stock: text(&body.stock), round_lot: body.round_lot_size }
        }
        Body::TradingAction { stock, .. } => Said::Trading { stock: text(stock) },
        Body::RegShoRestriction { stock, .. } => Said::ShortSale { stock: text(stock) },
        Body::AddOrder(body) => Said::Add {
            order: body.reference,
            buy: body.side == itchy::Side::Buy,
            shares: body.shares,
            stock: text(&body.stock),
            price: body.price.raw(),
        },
        Body::OrderExecuted { reference, executed, match_number } => {
            Said::Executed { order: *reference, shares: *executed, match_number: *match_number }
        }
        Body::OrderCancelled { reference, cancelled } => {
            Said::Cancelled { order: *reference, shares: *cancelled }
        }
        Body::DeleteOrder { reference } => Said::Deleted { order: *reference },
        Body::ReplaceOrder(body) => Said::Replaced {
            order: body.old_reference,
            new_order: body.new_reference,
            shares: body.shares,
            price: body.price.raw(),
        },
        other => panic!("the exchange does not write {other:?}"),
    };
    (message.tag, message.stock_locate, message.tracking_number, message.timestamp, said)
}

#[test]
fn itchy_decodes_what_the_exchange_wrote_as_we_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("session.itch");
    let config = SimConfig {
        seed: 61,
        rate: 20_000,
        seconds: 2,
        symbols: ["DEMO", "LONGNAME"].map(str::to_owned).to_vec(),
        write_itch: Some(path.clone()),
        ..SimConfig::embedded(false)
    };
    let summary = Sim::start(&config).expect("an exchange").join().expect("a summary");
    let bytes = std::fs::read(&path).expect("the file");
    let ours: Vec<Line> = FileReader::new(&bytes).map(|message| ours(&message.expect("ours").1)).collect();
    let theirs: Vec<Line> = MessageStream::from_file(&path)
        .expect("the file")
        .map(|message| theirs(&message.expect("itchy reads every message")))
        .collect();
    assert_eq!(ours.len() as u64, summary.messages, "seed 61");
    assert_eq!(theirs.len(), ours.len(), "seed 61");
    for (number, (one, other)) in (1..).zip(ours.iter().zip(&theirs)) {
        assert_eq!(one, other, "seed 61, message {number}");
    }
    for letter in *b"SRHYAEXDU" {
        assert!(ours.iter().any(|line| line.0 == letter), "seed 61: no message {}", char::from(letter));
    }
}
