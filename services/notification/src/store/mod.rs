//! Remembers notifications, their deliveries, recipients and preferences in PostgreSQL.
//!
//! A fact's effect (its notifications, the channels they go over) is one transaction with the inbox row. Delivering is
//! a queue of rows: claimed for a minute, so that a worker that dies gives its rows back.

mod deliveries;
mod facts;
mod notices;
mod preferences;

use sqlx::PgPool;

pub use deliveries::{DeadLetter, Job};

/// The service's own migrations; the shared tables come before them.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Channel of `NOTIFY` that says there is something to deliver.
pub const WORK_CHANNEL: &str = "notification_work";
/// Channel of `NOTIFY` that says an inbox grew; the payload is the user's id.
pub const INBOX_CHANNEL: &str = "notification_inbox";

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
