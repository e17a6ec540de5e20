use pricewright_feeds::nasdaq::MessageStore;
use quickcheck::QuickCheck;

use super::Tape;
use crate::testing::seeded;

#[test]
fn a_tape_gives_back_what_a_vector_would() {
    fn same(page_bytes: u8, messages: Vec<Vec<u8>>) -> bool {
        let mut tape = Tape::new(usize::from(page_bytes));
        let sequences: Vec<u64> = messages.iter().map(|message| tape.push(message)).collect();
        let count = messages.len() as u64;
        sequences == (1..=count).collect::<Vec<_>>()
            && tape.len() == count
            && tape.next_sequence() == count + 1
            && tape.is_empty() == messages.is_empty()
            && (0..=count + 2).all(|sequence| {
                let wanted = (sequence as usize).checked_sub(1).and_then(|index| messages.get(index));
                tape.message(sequence) == wanted.map(Vec::as_slice)
            })
            && (0..=count + 1).all(|from| {
                tape.from(from).eq(messages.iter().skip((from.max(1) - 1) as usize).map(Vec::as_slice))
            })
    }
    QuickCheck::new().rng(seeded(60)).tests(300).quickcheck(same as fn(u8, Vec<Vec<u8>>) -> bool);
}
