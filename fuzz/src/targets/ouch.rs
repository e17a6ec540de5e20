//! OUCH 5.0 in both directions: no bytes make a decoder panic, and options can be looked at whatever they are.

use pricewright_feeds::nasdaq::ouch::{decode_request, decode_response};

use super::wire;
use crate::input::Input;

/// Letters of requests.
const REQUESTS: &[u8] = b"OUXMQ";

/// See the module.
pub fn ouch(data: &[u8]) {
    both(data);
    let mut input = Input::new(data);
    let client = input.number32();
    for _ in 0..32 {
        if input.is_empty() {
            break;
        }
        let mut bytes = wire::answer(&mut input, client);
        both(&bytes);
        let by = input.below(4).min(bytes.len());
        bytes.rotate_right(by);
        if let Some(first) = bytes.first_mut() {
            *first = input.pick(REQUESTS);
        }
        both(&bytes);
    }
}

fn both(bytes: &[u8]) {
    // Their texts name places in the bytes: these must be computable too.
    let requests = decode_request(bytes).map(|request| format!("{request:?}"));
    let answers = decode_response(bytes).map(|answer| format!("{answer:?}"));
    let texts = (requests.map_err(|error| error.to_string()), answers.map_err(|error| error.to_string()));
    assert!(!format!("{texts:?}").is_empty());
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = wire::scripts();
    for (letter, size) in wire::ANSWERS {
        let mut bytes = vec![b'0'; *size];
        bytes[0] = *letter;
        bytes.extend([0, 3, 2, 13, b'P']);
        seeds.push(bytes);
    }
    seeds
}
