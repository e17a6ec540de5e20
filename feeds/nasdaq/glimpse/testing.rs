//! ITCH messages by the offsets of the specification (Nasdaq TotalView-ITCH 5.0, section 1), apart from the structs.

use crate::nasdaq::MessageLog;

fn head(letter: u8, locate: u16, rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![letter];
    bytes.extend(locate.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 0, 0, 2]);
    rest.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn symbol(text: &str) -> [u8; 8] {
    let mut field = [b' '; 8];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

pub(crate) fn event(code: u8) -> Vec<u8> {
    head(b'S', 0, &[&[code]])
}

pub(crate) fn directory(locate: u16, stock: &str) -> Vec<u8> {
    let rest = b"QN\0\0\0dNCZ PNN1N\0\0\0\0N";
    head(b'R', locate, &[&symbol(stock), rest])
}

pub(crate) fn state(locate: u16, stock: &str, state: u8) -> Vec<u8> {
    head(b'H', locate, &[&symbol(stock), &[state, b' '], b"    "])
}

pub(crate) fn add(locate: u16, stock: &str, order: u64, side: u8, shares: u32, price: u32) -> Vec<u8> {
    let (order, shares, price) = (order.to_be_bytes(), shares.to_be_bytes(), price.to_be_bytes());
    head(b'A', locate, &[&order, &[side], &shares, &symbol(stock), &price])
}

pub(crate) fn execute(locate: u16, order: u64, shares: u32) -> Vec<u8> {
    head(b'E', locate, &[&order.to_be_bytes(), &shares.to_be_bytes(), &9u64.to_be_bytes()])
}

pub(crate) fn delete(locate: u16, order: u64) -> Vec<u8> {
    head(b'D', locate, &[&order.to_be_bytes()])
}

pub(crate) fn replace(locate: u16, old: u64, new: u64, shares: u32, price: u32) -> Vec<u8> {
    let (old, new) = (old.to_be_bytes(), new.to_be_bytes());
    head(b'U', locate, &[&old, &new, &shares.to_be_bytes(), &price.to_be_bytes()])
}

pub(crate) fn log_of(messages: &[Vec<u8>]) -> MessageLog {
    let mut log = MessageLog::default();
    messages.iter().for_each(|message| {
        log.push(message);
    });
    log
}
