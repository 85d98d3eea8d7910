//! Messages between services: envelope, payloads, topology, outbox, inbox, broker.
//!
//! At-least-once delivery with effects once: a fact or command is written to the outbox in the transaction that
//! changes the state, published with a confirm, and claimed in the consumer's inbox in the transaction that applies
//! it. The payload types here are the only business types that services share.

pub mod broker;
pub mod command;
pub mod consume;
pub mod envelope;
pub mod inbox;
pub mod outbox;
pub mod payload;
pub mod relay;
#[cfg(feature = "testing")]
pub mod testing;
pub mod topology;

pub use broker::{AmqpArgs, Broker, PublishError};
pub use command::{Outcome, Reply};
pub use consume::{Handler, HandlerError};
pub use envelope::{Envelope, Message, Outgoing};
pub use topology::{Exchange, Topology, queue};
