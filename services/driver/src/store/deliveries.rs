//! Deliveries: read, listed, and changed under their row lock.

use quickbite_events::outbox;
use quickbite_telemetry::correlation;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::rows::{DELIVERY, DeliveryRow, StateColumns, ts};
use super::{PUSH_CHANNEL, Store};
use crate::domain::delivery::{Delivery, Fact, Happened, Refused};
use crate::events::delivery_fact;

/// Why a delivery was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The rules say no.
    #[error(transparent)]
    Refused(Refused),
    /// The database did not answer as it should.
    #[error("the delivery cannot be stored")]
    Store(#[from] sqlx::Error),
}

impl Store {
    /// The delivery, if there is one.
    pub async fn delivery(&self, id: Uuid) -> Result<Option<Delivery>, sqlx::Error> {
        let sql = format!("SELECT {DELIVERY} FROM deliveries WHERE delivery_id = $1");
        let row: Option<DeliveryRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.map(Delivery::try_from).transpose()
    }

    /// Whether the user owns the restaurant of the order, as far as facts have told.
    pub async fn owns_order(&self, order_id: Uuid, user_id: Uuid) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM order_owners WHERE order_id = $1 AND owner_id = $2)",
        )
        .bind(order_id)
        .bind(user_id)
        .fetch_one(&self.pool)
        .await
    }

    /// A driver's deliveries that were ever assigned to him, newest first, `limit` of those before `before`.
    pub async fn deliveries_of(
        &self,
        driver_id: Uuid,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Delivery>, sqlx::Error> {
        let sql = format!(
            "SELECT {DELIVERY} FROM deliveries WHERE driver_id = $1 AND status <> 'offered' \
             AND ($2::uuid IS NULL OR delivery_id < $2) ORDER BY delivery_id DESC LIMIT $3"
        );
        let rows: Vec<DeliveryRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(driver_id)
            .bind(before)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Delivery::try_from).collect()
    }

    /// What a driver is asked or carries now: at most one.
    pub async fn live_delivery_of(&self, driver_id: Uuid) -> Result<Option<Delivery>, sqlx::Error> {
        let sql = format!(
            "SELECT {DELIVERY} FROM deliveries \
             WHERE driver_id = $1 AND status IN ('offered', 'assigned', 'picked_up')"
        );
        let row: Option<DeliveryRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(driver_id)
            .fetch_optional(&self.pool)
            .await?;
        row.map(Delivery::try_from).transpose()
    }

    /// Lets `change` decide under the delivery's lock, and stores what it decided with its fact; `Ok(None)` when there
    /// is no such delivery.
    pub async fn change(
        &self,
        id: Uuid,
        change: impl FnOnce(&mut Delivery) -> Result<Option<Fact>, Refused>,
    ) -> Result<Option<Delivery>, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let Some(mut delivery) = lock(&mut tx, id).await? else {
            return Ok(None);
        };
        if let Some(fact) = change(&mut delivery)? {
            save(&mut tx, &delivery, &fact).await?;
            tx.commit().await?;
        }
        Ok(Some(delivery))
    }
}

/// Reads a delivery and keeps others from changing it until the transaction ends.
pub(super) async fn lock(tx: &mut PgConnection, id: Uuid) -> Result<Option<Delivery>, sqlx::Error> {
    let sql = format!("SELECT {DELIVERY} FROM deliveries WHERE delivery_id = $1 FOR UPDATE");
    let row: Option<DeliveryRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(tx)
        .await?;
    row.map(Delivery::try_from).transpose()
}

/// Stores a new delivery with its fact.
pub(super) async fn insert(
    tx: &mut PgConnection,
    delivery: &Delivery,
    fact: &Fact,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO deliveries (delivery_id, order_id, restaurant_id, customer_id, pickup, dropoff, pickup_lat, \
         pickup_lng, status, version, correlation_id, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)",
    )
    .bind(delivery.id)
    .bind(delivery.order_id)
    .bind(delivery.restaurant_id)
    .bind(delivery.customer_id)
    .bind(Json(&delivery.pickup))
    .bind(Json(&delivery.dropoff))
    .bind(delivery.pickup.location.lat())
    .bind(delivery.pickup.location.lng())
    .bind(delivery.status().as_str())
    .bind(delivery.version)
    .bind(correlation::current().as_str())
    .bind(ts(delivery.created_at))
    .execute(&mut *tx)
    .await?;
    outbox::enqueue(tx, &[delivery_fact(delivery, fact)]).await
}

/// Stores a changed delivery: row, answer to the offer, fact, wake-up of the driver's socket.
pub(super) async fn save(
    tx: &mut PgConnection,
    delivery: &Delivery,
    fact: &Fact,
) -> Result<(), sqlx::Error> {
    let columns = StateColumns::from(&delivery.state);
    sqlx::query(
        "UPDATE deliveries SET status = $2, driver_id = $3, distance_m = $4, expires_at = $5, reason = $6, \
         proof = $7, version = $8, updated_at = $9 WHERE delivery_id = $1",
    )
    .bind(delivery.id)
    .bind(delivery.status().as_str())
    .bind(columns.driver_id)
    .bind(columns.distance_m)
    .bind(columns.expires_at)
    .bind(columns.reason)
    .bind(columns.proof)
    .bind(delivery.version)
    .bind(ts(delivery.updated_at))
    .execute(&mut *tx)
    .await?;
    if matches!(fact.happened, Happened::Declined | Happened::Expired) {
        sqlx::query(
            "INSERT INTO offer_answers (delivery_id, driver_id, declined, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (delivery_id, driver_id) DO UPDATE SET declined = excluded.declined, at = excluded.at",
        )
        .bind(delivery.id)
        .bind(fact.driver_id)
        .bind(fact.happened == Happened::Declined)
        .bind(ts(delivery.updated_at))
        .execute(&mut *tx)
        .await?;
    }
    if let Some(driver_id) = fact.driver_id {
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(PUSH_CHANNEL)
            .bind(driver_id.to_string())
            .execute(&mut *tx)
            .await?;
    }
    outbox::enqueue(tx, &[delivery_fact(delivery, fact)]).await
}
