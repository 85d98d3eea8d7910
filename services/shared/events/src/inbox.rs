//! Effects once: a message id is claimed in the transaction that applies the effect.

use sqlx::PgConnection;
use uuid::Uuid;

/// Claims `message_id` for `consumer`; `false` when it was claimed before and nothing is to be done.
///
/// # Errors
/// When the database fails; the transaction is then to be given up.
pub async fn claim(
    connection: &mut PgConnection,
    consumer: &str,
    message_id: Uuid,
) -> Result<bool, sqlx::Error> {
    let claimed = sqlx::query(
        "INSERT INTO inbox (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(consumer)
    .bind(message_id)
    .execute(connection)
    .await?;
    Ok(claimed.rows_affected() == 1)
}
