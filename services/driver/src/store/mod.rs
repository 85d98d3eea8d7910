//! Remembers drivers and deliveries in PostgreSQL, and where online drivers are in a Redis GEO index.
//!
//! PostgreSQL is the truth, Redis a derived index that may vanish at any time. There is no trait over the store: its
//! guarantees are the database's own (row locks, a partial unique index), and tests run against the real one. Every
//! change writes its row, its facts (outbox) and its wake-up (`NOTIFY`) in one transaction.

mod commands;
mod deliveries;
mod dispatch;
mod drivers;
mod index;
mod rows;

use sqlx::PgPool;

pub use commands::Answered;
pub use deliveries::ChangeError;
pub use dispatch::{Tried, Waiting};
pub use drivers::Tracked;
pub use index::{DriverIndex, IndexAnswer};

use crate::domain::delivery::Refused;

/// Channel of `NOTIFY` on which replicas hear whose offers or deliveries changed; the payload is the driver's id.
pub const PUSH_CHANNEL: &str = "driver_push";

/// The service's own migrations; the shared tables come before them.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The service's database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// A store over the service's pool.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for what shares the database: relay, listener, health.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl From<Refused> for ChangeError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
