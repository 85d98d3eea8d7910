//! Messages wait in the sender's own database, in the transaction that changed its state, until the relay sent them.

use sqlx::PgConnection;

use crate::envelope::Outgoing;
pub use crate::relay::Relay;

/// The channel by which a commit wakes the relays.
pub(crate) const CHANNEL: &str = "outbox";

/// Stores `messages` in the caller's transaction and wakes the relay when it commits.
///
/// # Errors
/// When the database fails; the transaction is then to be given up.
pub async fn enqueue(
    connection: &mut PgConnection,
    messages: &[Outgoing],
) -> Result<(), sqlx::Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = messages.iter().map(|message| message.envelope.id).collect();
    let bodies: Vec<_> = messages
        .iter()
        .map(|message| serde_json::to_value(message).expect("a message serialises to JSON"))
        .collect();
    sqlx::query(
        "WITH added AS (INSERT INTO outbox (id, message) SELECT * FROM unnest($1::uuid[], $2::jsonb[])) \
         SELECT pg_notify($3, '')",
    )
    .bind(ids)
    .bind(bodies)
    .bind(CHANNEL)
    .execute(connection)
    .await?;
    Ok(())
}
