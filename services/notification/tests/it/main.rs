//! notification-service against a real PostgreSQL and RabbitMQ; webhooks go and mail to servers of the test.

mod broker;
mod channels;
mod email;
mod http;
mod rules;
mod stage;
mod stream;
