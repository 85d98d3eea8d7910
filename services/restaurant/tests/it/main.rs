//! restaurant-service against a real MongoDB, Redis and RabbitMQ.

mod messaging;
mod migrating;
mod reading;
mod stage;
mod tickets;
mod writing;
