//! What the service remembers in PostgreSQL: payments with their history, and operations on them.
//!
//! Every function takes the caller's connection, so that the caller says what is one transaction.

pub mod operations;
pub mod payments;

use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use uuid::Uuid;

/// The service's own migrations.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Commands about one order take turns until the transaction ends, also before it has a payment.
pub(crate) async fn lock_order(
    connection: &mut PgConnection,
    order_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind(order_id)
        .execute(connection)
        .await
        .map(drop)
}

/// A column holds what this version does not know.
pub(crate) fn unknown(what: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{value:?} is no {what}").into())
}
