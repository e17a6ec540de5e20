//! The options after a message's fixed part.

/// Numbers of the options (OUCH 5.0, appendix A).
pub mod tag {
    /// `u64`: the number under which the order is published.
    pub const SECONDARY_ORDER_REFERENCE: u8 = 1;
    /// 4 letters: the firm.
    pub const FIRM: u8 = 2;
    /// `u32`: least quantity of an execution.
    pub const MINIMUM_QUANTITY: u8 = 3;
    /// Letter: `R` retail, `N` not.
    pub const CUSTOMER_TYPE: u8 = 4;
    /// `u32`: displayed quantity of a reserve order.
    pub const MAX_FLOOR: u8 = 5;
    /// Letter: `L` limit, or the kind of peg.
    pub const PRICE_TYPE: u8 = 6;
    /// `i32`: offset of the peg.
    pub const PEG_OFFSET: u8 = 7;
    /// `u64`: discretion price.
    pub const DISCRETION_PRICE: u8 = 9;
    /// Letter: the kind of discretion price.
    pub const DISCRETION_PRICE_TYPE: u8 = 10;
    /// `i32`: offset of the discretion peg.
    pub const DISCRETION_PEG_OFFSET: u8 = 11;
    /// Letter: `P` post only, `N` not.
    pub const POST_ONLY: u8 = 12;
    /// `u32`: random part of a reserve.
    pub const RANDOM_RESERVES: u8 = 13;
    /// 4 letters: the route.
    pub const ROUTE: u8 = 14;
    /// `u32`: seconds to live.
    pub const EXPIRE_TIME: u8 = 15;
    /// Letter: `Y` or `N`.
    pub const TRADE_NOW: u8 = 16;
    /// Letter: imbalance only and the like.
    pub const HANDLE_INSTRUCTION: u8 = 17;
    /// Letter: weight in the best bid and offer.
    pub const BBO_WEIGHT: u8 = 18;
    /// `u32`: displayed quantity.
    pub const DISPLAY_QUANTITY: u8 = 22;
    /// `u64`: displayed price.
    pub const DISPLAY_PRICE: u8 = 23;
    /// `u16`: group for mass cancels.
    pub const GROUP_ID: u8 = 24;
    /// Letter: `Y` or `N`.
    pub const SHARES_LOCATED: u8 = 25;
    /// 4 letters: who located them.
    pub const LOCATE_BROKER: u8 = 26;
    /// Letter: side.
    pub const SIDE: u8 = 27;
    /// `u8`: which numbering of the account.
    pub const USER_REF_INDEX: u8 = 28;
    /// Letter: rule against trading with oneself.
    pub const AIQ_STRATEGY: u8 = 29;
    /// 2 letters: group of that rule.
    pub const AIQ_GROUP_ID: u8 = 30;

    /// Bytes of the value of `tag`; `None` where the tag is not known.
    pub const fn value_len(tag: u8) -> Option<usize> {
        match tag {
            CUSTOMER_TYPE
            | PRICE_TYPE
            | DISCRETION_PRICE_TYPE
            | POST_ONLY
            | TRADE_NOW
            | HANDLE_INSTRUCTION
            | BBO_WEIGHT
            | SHARES_LOCATED
            | SIDE
            | USER_REF_INDEX
            | AIQ_STRATEGY => Some(1),
            GROUP_ID | AIQ_GROUP_ID => Some(2),
            FIRM
            | MINIMUM_QUANTITY
            | MAX_FLOOR
            | PEG_OFFSET
            | DISCRETION_PEG_OFFSET
            | RANDOM_RESERVES
            | ROUTE
            | EXPIRE_TIME
            | DISPLAY_QUANTITY
            | LOCATE_BROKER => Some(4),
            SECONDARY_ORDER_REFERENCE | DISCRETION_PRICE | DISPLAY_PRICE => Some(8),
            _ => None,
        }
    }
}

/// The most bytes of options that are written.
pub const MAX_APPENDAGE: usize = 64;

/// The options of a received message, checked: lengths add up and known tags have values of their size. Tags that are
/// not known are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appendage<'a>(&'a [u8]);

/// Why bytes are no appendage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendageFault {
    /// An element without tag, or one that runs past the end.
    #[error("an option that does not end where its length says")]
    Length,
    /// A known tag with a value of another size.
    #[error("option {tag} with a value of {found} bytes")]
    Value {
        /// The tag.
        tag: u8,
        /// Bytes of the value.
        found: usize,
    },
}

impl<'a> Appendage<'a> {
    /// The options in `bytes`.
    ///
    /// # Errors
    /// What is wrong, and at which offset in `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, (usize, AppendageFault)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            let (tag, value, after) = split_element(rest).ok_or((offset, AppendageFault::Length))?;
            if tag::value_len(tag).is_some_and(|len| len != value.len()) {
                return Err((offset, AppendageFault::Value { tag, found: value.len() }));
            }
            rest = after;
        }
        Ok(Self(bytes))
    }

    /// Tags and values in order, those that are not known included.
    pub fn elements(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (tag, value, after) = split_element(rest)?;
            rest = after;
            Some((tag, value))
        })
    }

    /// The value of the first option with this tag.
    pub fn find(&self, tag: u8) -> Option<&'a [u8]> {
        self.elements().find(|(found, _)| *found == tag).map(|(_, value)| value)
    }

    /// The value of an option that is one letter.
    pub fn letter(&self, tag: u8) -> Option<u8> {
        self.find(tag)?.first().copied()
    }

    /// The value of an option that is an unsigned number of any size.
    pub fn number(&self, tag: u8) -> Option<u64> {
        Some(self.find(tag)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The bytes of all elements.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

fn split_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (element, after) = rest.split_at_checked(usize::from(*len))?;
    let (tag, value) = element.split_first()?;
    Some((*tag, value, after))
}

/// Options to be sent.
#[derive(Clone, Copy, Debug)]
pub struct AppendageBuf {
    bytes: [u8; MAX_APPENDAGE],
    len: usize,
}

impl Default for AppendageBuf {
    fn default() -> Self {
        Self { bytes: [0; MAX_APPENDAGE], len: 0 }
    }
}

impl AppendageBuf {
    /// Adds an option; false where there is no room, and nothing was added.
    pub fn push(&mut self, tag: u8, value: &[u8]) -> bool {
        let Some(room) = self.bytes.get_mut(self.len..self.len + 2 + value.len()) else { return false };
        let (Ok(len), Some((head, body))) =
            (u8::try_from(1 + value.len()), room.split_first_chunk_mut::<2>())
        else {
            return false;
        };
        *head = [len, tag];
        body.copy_from_slice(value);
        self.len += 2 + value.len();
        true
    }

    /// The bytes of all elements.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}
