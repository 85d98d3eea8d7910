//! What order-service remembers, in PostgreSQL: the only place with SQL.

mod orders;
mod projections;
mod row;
mod sagas;

pub use orders::{Filter, Inserted, Orders, Viewer};
pub use projections::{PROJECTIONS_CHANNEL, Projections};

/// The channel that names each changed order.
pub const ORDERS_CHANNEL: &str = "order_changes";

/// The service's own migrations.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
