//! Outbox, relay, broker and consumers against a real PostgreSQL and a real RabbitMQ.

mod consuming;
mod proxy;
mod relaying;
mod stage;
