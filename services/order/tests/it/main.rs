//! order-service against a real PostgreSQL, Redis and RabbitMQ; the other services are played by the test.

mod broker;
mod cast;
mod ordering;
mod projections;
mod saga;
mod stage;
mod streaming;
