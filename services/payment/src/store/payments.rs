//! Payments and their history.

use jiff_sqlx::ToSqlx as _;
use rust_decimal::Decimal;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::unknown;
use crate::domain::payment::{Payment, Status, Step};

const COLUMNS: &str = "id, order_id, customer_id, amount, currency, token, status, reference, captured, \
                       refunded, version, created_at";

/// Who may see which payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Only this customer's; `None` for an admin.
    pub customer_id: Option<Uuid>,
    /// Only this order's.
    pub order_id: Option<Uuid>,
}

/// A payment with its history, oldest step first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The payment.
    pub payment: Payment,
    /// Every status that it had.
    pub history: Vec<Step>,
}

/// Stores a new payment.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    payment: &Payment,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO payments (id, order_id, customer_id, amount, currency, token, status, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(payment.id)
    .bind(payment.order_id)
    .bind(payment.customer_id)
    .bind(payment.amount)
    .bind(&payment.currency)
    .bind(&payment.token)
    .bind(payment.status.name())
    .bind(payment.version)
    .bind(payment.created_at.to_sqlx())
    .execute(connection)
    .await
    .map(drop)
}

/// The payment of an order, locked until the transaction ends.
pub(crate) async fn of_order(
    connection: &mut PgConnection,
    order_id: Uuid,
) -> Result<Option<Payment>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM payments WHERE order_id = $1 FOR UPDATE");
    let row = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(order_id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(payment).transpose()
}

/// Stores what became of a payment, and the step that led there.
pub(crate) async fn save(
    connection: &mut PgConnection,
    payment: &Payment,
    step: &Step,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH step AS (INSERT INTO payment_history (payment_id, version, status, reason, at) \
                       VALUES ($1, $6, $2, $7, $8)) \
         UPDATE payments SET status = $2, reference = $3, captured = $4, refunded = $5, version = $6 \
         WHERE id = $1",
    )
    .bind(payment.id)
    .bind(payment.status.name())
    .bind(&payment.reference)
    .bind(payment.captured)
    .bind(payment.refunded)
    .bind(payment.version)
    .bind(&step.reason)
    .bind(step.at.to_sqlx())
    .execute(connection)
    .await
    .map(drop)
}

/// The newest first, from after `after`; those that the provider has not answered yet are left out.
///
/// # Errors
/// When the database fails.
pub async fn list(
    pool: &PgPool,
    sight: Sight,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Told>, sqlx::Error> {
    let query = format!(
        "SELECT {COLUMNS} FROM payments \
         WHERE status <> 'pending' AND ($1::uuid IS NULL OR customer_id = $1) \
           AND ($2::uuid IS NULL OR order_id = $2) AND ($3::uuid IS NULL OR id < $3) \
         ORDER BY id DESC LIMIT $4"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(sight.customer_id)
        .bind(sight.order_id)
        .bind(after)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    let payments = rows.iter().map(payment).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<_> = payments.iter().map(|payment| payment.id).collect();
    let steps = sqlx::query(
        "SELECT payment_id, status, reason, at \
         FROM payment_history WHERE payment_id = ANY($1) ORDER BY version",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    let steps = steps.iter().map(step).collect::<Result<Vec<_>, _>>()?;
    let told = |payment: Payment| {
        let mine = steps.iter().filter(|(id, _)| *id == payment.id);
        Told {
            history: mine.map(|(_, step)| step.clone()).collect(),
            payment,
        }
    };
    Ok(payments.into_iter().map(told).collect())
}

fn payment(row: &PgRow) -> Result<Payment, sqlx::Error> {
    Ok(Payment {
        id: row.try_get("id")?,
        order_id: row.try_get("order_id")?,
        customer_id: row.try_get("customer_id")?,
        amount: row.try_get::<Decimal, _>("amount")?,
        currency: row.try_get("currency")?,
        token: row.try_get("token")?,
        status: status(row.try_get("status")?)?,
        reference: row.try_get("reference")?,
        captured: row.try_get("captured")?,
        refunded: row.try_get("refunded")?,
        version: row.try_get("version")?,
        created_at: row
            .try_get::<jiff_sqlx::Timestamp, _>("created_at")?
            .to_jiff(),
    })
}

fn step(row: &PgRow) -> Result<(Uuid, Step), sqlx::Error> {
    let at = row.try_get::<jiff_sqlx::Timestamp, _>("at")?.to_jiff();
    let (status, reason) = (status(row.try_get("status")?)?, row.try_get("reason")?);
    Ok((row.try_get("payment_id")?, Step { status, at, reason }))
}

fn status(name: &str) -> Result<Status, sqlx::Error> {
    Status::from_name(name).ok_or_else(|| unknown("status", name))
}
