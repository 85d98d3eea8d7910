//! user-service against a real PostgreSQL and a real Redis.

mod addresses;
mod admins;
mod idempotency;
mod people;
mod sessions;
mod support;
mod surface;
