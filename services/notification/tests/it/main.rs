//! notification-service against a real PostgreSQL and RabbitMQ; webhooks go to a server of the test.

mod broker;
mod channels;
mod http;
mod rules;
mod stage;
mod stream;
