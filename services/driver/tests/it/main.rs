//! driver-service against a real PostgreSQL, Redis and RabbitMQ; the order saga is played by the test.

mod broker;
mod commands;
mod dispatch;
mod http;
mod socket;
mod stage;
