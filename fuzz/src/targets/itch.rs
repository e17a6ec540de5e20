//! ITCH 5.0: no bytes make the decoder or the file reader panic; what decodes encodes to the same bytes; a file reader ends.

use pricewright_feeds::nasdaq::itch::{self, FileReader};

use super::wire;
use crate::input::Input;

/// See the module.
pub fn itch(data: &[u8]) {
    one(data);
    let mut frames = Vec::new();
    let mut input = Input::new(data);
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let message = wire::itch_message(&mut input);
        one(&message);
        itch::append_file_frame(&message, &mut frames);
    }
    file(data);
    file(&frames);
}

fn one(bytes: &[u8]) {
    let locate = itch::locate_of(bytes);
    if let Ok(message) = itch::decode(bytes) {
        assert_eq!(message.as_bytes(), bytes, "what was decoded is what was there");
        assert_eq!(locate, Some(message.header().locate.get()));
    }
}

fn file(bytes: &[u8]) {
    let mut reader = FileReader::new(bytes);
    let mut turns = 0;
    while let Some(message) = reader.next() {
        turns += 1;
        assert!(turns <= bytes.len() + 1, "a file reader without an end");
        assert!(reader.offset() <= bytes.len());
        if message.is_err() {
            break;
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = wire::scripts();
    let mut input = Input::new(&seeds[4]);
    let mut frames = Vec::new();
    for _ in 0..20 {
        itch::append_file_frame(&wire::itch_message(&mut input), &mut frames);
    }
    seeds.push(frames);
    seeds
}
