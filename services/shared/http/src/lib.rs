//! The HTTP side of every service: server, health, problems, extractors, idempotency.
//!
//! A service hands [`serve`] a plain `axum::Router` of its own routes; whatever every service must
//! do alike (problems, correlation ids, one access log line, limits, identity, drain) is added here
//! and nowhere else, so that no service can forget it.

pub mod extract;
pub mod health;
pub mod idempotency;
pub mod identity;
pub mod openapi;
mod problem;
mod respond;
mod server;
pub mod shutdown;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use extract::{Cursor, Page, Paged, Path, Query, Valid};
pub use health::Health;
pub use identity::{Admin, AnyUser, Courier, Customer, InternalArgs, MaybeUser, Owner};
pub use problem::{FieldError, Problem, ProblemBody};
pub use quickbite_auth::Clock;
pub use respond::{Created, IfMatch};
pub use server::{ServerArgs, Service, app, serve, serve_on};
pub use shutdown::healthcheck;
