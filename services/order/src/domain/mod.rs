//! What an order is and what may happen to it: no HTTP, no SQL, no clock of its own.

pub mod cart;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod messages;
pub mod order;
pub mod saga;
pub mod status;

pub use cart::{Cart, CartError, CartItem, Line};
pub use order::{Change, Entry, NewOrder, Order};
pub use saga::{Event, Refused, Saga};
pub use status::Status;
