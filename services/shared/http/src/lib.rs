//! The HTTP side of every service: server, health, problems, extractors, idempotency.
//!
//! A service is a [`Program`] that hands [`Process::serve`] a plain `axum::Router` of its own routes;
//! whatever every service must do alike (command line, problems, correlation ids, one access log
//! line, limits, identity, drain) is added here and nowhere else, so that no service can forget it.

pub mod extract;
pub mod health;
pub mod idempotency;
pub mod identity;
pub mod openapi;
mod problem;
pub mod process;
mod respond;
mod server;
mod shutdown;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use extract::{Cursor, Page, Paged, Path, Query, Valid};
pub use health::Health;
pub use identity::{Admin, AnyUser, Courier, Customer, InternalArgs, MaybeUser, Owner};
pub use problem::{FieldError, Problem, ProblemBody};
pub use process::{Background, Process, Program};
pub use quickbite_auth::Clock;
pub use respond::{Created, IfMatch};
pub use server::{ServerArgs, Service, app};
