//! PostgreSQL of a service: pool, provisioning, migrations, idempotency keys.
//!
//! Each service has its own database, role and password. A migration Job makes them (it alone holds the admin URL);
//! a serving process only ever connects as its own role and is unready until its schema is there.

mod error;
mod idempotency;
mod migrate;
mod pool;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{is_unavailable, is_unique_violation, problem};
pub use idempotency::{PgIdempotency, scope_key};
pub use migrate::{MigrateError, NotReady, migrate, probe};
pub use pool::{PostgresArgs, connect_lazy};
