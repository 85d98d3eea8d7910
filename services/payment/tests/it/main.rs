//! payment-service against a real PostgreSQL and RabbitMQ, with the sandbox provider.

mod broker;
mod listing;
mod paying;
mod stage;
mod surviving;
