//! Operations: what a command set going, from its intent to its answer, and the commands that wait.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use quickbite_events::Envelope;
use rust_decimal::Decimal;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::unknown;
use crate::domain::payment::{Operation, Refusal};

/// An operation as stored. One order has at most one of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) kind: Operation,
    /// What the command said, where it said something.
    pub(crate) amount: Option<Decimal>,
    pub(crate) attempts: u32,
    /// The answer, once there is one.
    pub(crate) answer: Option<Result<(), Refusal>>,
    pub(crate) correlation_id: String,
    pub(crate) traceparent: Option<String>,
}

const COLUMNS: &str = "id, order_id, kind, amount, attempts, done, refusal_code, refusal_message, \
                       correlation_id, traceparent";

/// Stores an operation, finished where it has its answer; `false` if the order has one of this kind.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    operation: &Stored,
    next_attempt_at: Timestamp,
) -> Result<bool, sqlx::Error> {
    let refusal = operation
        .answer
        .as_ref()
        .and_then(|answer| answer.as_ref().err());
    let inserted = sqlx::query(
        "INSERT INTO operations (id, order_id, kind, amount, next_attempt_at, done, refusal_code, \
                                 refusal_message, correlation_id, traceparent) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT ON CONSTRAINT operations_once_per_order DO NOTHING",
    )
    .bind(operation.id)
    .bind(operation.order_id)
    .bind(operation.kind.name())
    .bind(operation.amount)
    .bind(next_attempt_at.to_sqlx())
    .bind(operation.answer.is_some())
    .bind(refusal.map(|refusal| &refusal.code))
    .bind(refusal.map(|refusal| &refusal.message))
    .bind(&operation.correlation_id)
    .bind(&operation.traceparent)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The operations of an order, in the order of their arrival.
pub(crate) async fn of_order(
    connection: &mut PgConnection,
    order_id: Uuid,
) -> Result<Vec<Stored>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM operations WHERE order_id = $1 ORDER BY position");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(order_id)
        .fetch_all(connection)
        .await?;
    rows.iter().map(stored).collect()
}

/// The operations that wait for a worker: each the oldest open one of its order, and nobody's lease.
pub(crate) async fn due(
    pool: &PgPool,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Stored>, sqlx::Error> {
    let query = format!(
        "SELECT {COLUMNS} FROM operations o WHERE NOT done AND next_attempt_at <= $1 \
         AND NOT EXISTS (SELECT FROM operations e \
                         WHERE e.order_id = o.order_id AND NOT e.done AND e.position < o.position) \
         ORDER BY next_attempt_at LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(now.to_sqlx())
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(stored).collect()
}

/// Takes an open operation that nobody works on, until `lease`; `false` if somebody does.
pub(crate) async fn lease(
    connection: &mut PgConnection,
    id: Uuid,
    now: Timestamp,
    lease: Timestamp,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "UPDATE operations SET next_attempt_at = $3 \
         WHERE id = $1 AND NOT done AND next_attempt_at <= $2",
    )
    .bind(id)
    .bind(now.to_sqlx())
    .bind(lease.to_sqlx())
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Writes down which call is about to be made; how often it was made then.
pub(crate) async fn intend(
    connection: &mut PgConnection,
    id: Uuid,
    call: Operation,
    amount: Decimal,
    lease: Timestamp,
) -> Result<u32, sqlx::Error> {
    let attempts: i32 = sqlx::query_scalar(
        "UPDATE operations SET call = $2, call_amount = $3, attempts = attempts + 1, \
                               next_attempt_at = $4 \
         WHERE id = $1 RETURNING attempts",
    )
    .bind(id)
    .bind(call.name())
    .bind(amount)
    .bind(lease.to_sqlx())
    .fetch_one(connection)
    .await?;
    Ok(u32::try_from(attempts).unwrap_or(u32::MAX))
}

/// Gives an operation back to whoever comes at `again`.
pub(crate) async fn postpone(pool: &PgPool, id: Uuid, again: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE operations SET next_attempt_at = $2 WHERE id = $1 AND NOT done")
        .bind(id)
        .bind(again.to_sqlx())
        .execute(pool)
        .await
        .map(drop)
}

/// Stores the answer.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    id: Uuid,
    answer: &Result<(), Refusal>,
) -> Result<(), sqlx::Error> {
    let refusal = answer.as_ref().err();
    sqlx::query(
        "UPDATE operations SET done = true, refusal_code = $2, refusal_message = $3 WHERE id = $1",
    )
    .bind(id)
    .bind(refusal.map(|refusal| &refusal.code))
    .bind(refusal.map(|refusal| &refusal.message))
    .execute(connection)
    .await
    .map(drop)
}

/// Lets a command wait for an operation's answer.
pub(crate) async fn wait(
    connection: &mut PgConnection,
    id: Uuid,
    command: &Envelope,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO operation_commands (command_id, operation_id, envelope) VALUES ($1, $2, $3)",
    )
    .bind(command.id)
    .bind(id)
    .bind(Json(command))
    .execute(connection)
    .await
    .map(drop)
}

/// The commands that wait for an operation; they wait no longer.
pub(crate) async fn release(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Vec<Envelope>, sqlx::Error> {
    let rows =
        sqlx::query("DELETE FROM operation_commands WHERE operation_id = $1 RETURNING envelope")
            .bind(id)
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| Ok(row.try_get::<Json<Envelope>, _>("envelope")?.0))
        .collect()
}

fn stored(row: &PgRow) -> Result<Stored, sqlx::Error> {
    let kind: &str = row.try_get("kind")?;
    let code: Option<String> = row.try_get("refusal_code")?;
    let message: Option<String> = row.try_get("refusal_message")?;
    let done: bool = row.try_get("done")?;
    let answer = || match code {
        None => Ok(()),
        Some(code) => Err(Refusal::new(code, message.unwrap_or_default())),
    };
    Ok(Stored {
        id: row.try_get("id")?,
        order_id: row.try_get("order_id")?,
        kind: Operation::from_name(kind).ok_or_else(|| unknown("operation", kind))?,
        amount: row.try_get("amount")?,
        attempts: u32::try_from(row.try_get::<i32, _>("attempts")?).unwrap_or(0),
        answer: done.then(answer),
        correlation_id: row.try_get("correlation_id")?,
        traceparent: row.try_get("traceparent")?,
    })
}
