//! restaurant-service against a real MongoDB, Redis and RabbitMQ.

mod document;
mod messaging;
mod migrating;
mod reading;
mod stage;
mod tickets;
mod writing;
