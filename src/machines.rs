//! From a machine's name to its type, once, at start-up: from here on everything is monomorphised.

use pricewright_core::kernel::Machine;
use pricewright_strategies::pricing::flash_sale::FlashSale;
use pricewright_strategies::trading::Desk;

use crate::error::{Error, Result};

/// A machine that the binary can host.
pub trait Hosted: Machine + Send + 'static {}

impl<M: Machine + Send + 'static> Hosted for M {}

/// Work that is to be done for a machine whose type is known only by name.
pub trait MachineVisitor {
    /// What it gives.
    type Output;

    /// Does it.
    fn visit<M: Hosted>(self) -> Self::Output;
}

/// Does `visitor`'s work for the machine called `name`: one of the bundled ones, or `Own`.
///
/// # Errors
/// Where there is no machine of that name.
pub fn with_machine<Own: Hosted, V: MachineVisitor>(name: &str, visitor: V) -> Result<V::Output> {
    match name {
        name if name == Own::NAME => Ok(visitor.visit::<Own>()),
        name if name == Desk::NAME => Ok(visitor.visit::<Desk>()),
        name if name == FlashSale::NAME => Ok(visitor.visit::<FlashSale>()),
        name => Err(Error::Usage(format!(
            "there is no machine {name:?}; this program has {}",
            names::<Own>().join(", ")
        ))),
    }
}

/// The names of the machines that there are.
pub fn names<Own: Hosted>() -> Vec<&'static str> {
    let mut names = vec![Desk::NAME, FlashSale::NAME];
    if !names.contains(&Own::NAME) {
        names.push(Own::NAME);
    }
    names
}
