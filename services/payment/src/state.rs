//! What handlers share.

use sqlx::PgPool;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The payments.
    pub pool: PgPool,
}
