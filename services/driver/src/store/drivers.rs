//! Drivers: shifts and positions.

use jiff::Timestamp;
use quickbite_events::outbox;
use sqlx::PgConnection;
use uuid::Uuid;

use super::deliveries::{self, ChangeError};
use super::rows::{DRIVER, DriverRow, point, ts};
use super::{PUSH_CHANNEL, Store};
use crate::domain::dispatch::Candidate;
use crate::domain::driver::{DeliveryInProgress, Driver, ShiftFact};
use crate::domain::geo::GeoPoint;
use crate::domain::position::{self, Position};
use crate::events::shift_fact;

/// What became of a batch of positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracked {
    /// Those that were newer than what was known, oldest first.
    pub fresh: Vec<Position>,
    /// The order that the driver carries, whose customer wants to see them.
    pub order_id: Option<Uuid>,
}

impl Store {
    /// The driver, if he ever worked.
    pub async fn driver(&self, id: Uuid) -> Result<Option<Driver>, sqlx::Error> {
        let sql = format!("SELECT {DRIVER} FROM drivers WHERE driver_id = $1");
        let row: Option<DriverRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.map(Driver::try_from).transpose()
    }

    /// Begins (or tells anew) a shift.
    pub async fn go_online(
        &self,
        id: Uuid,
        location: GeoPoint,
        vehicle: Option<String>,
        now: Timestamp,
    ) -> Result<Driver, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let mut driver = lock_or_new(&mut tx, id, now).await?;
        let fact = driver.go_online(location, vehicle, now);
        save(&mut tx, &driver, fact).await?;
        tx.commit().await?;
        Ok(driver)
    }

    /// Ends a shift: an open offer counts as declined. The second value is the delivery that searches again.
    pub async fn go_offline(
        &self,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Result<(Driver, Option<Uuid>), DeliveryInProgress>, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let mut driver = lock_or_new(&mut tx, id, now).await?;
        // Only this driver's own rows: no offer can be added while his row is locked.
        let live: Option<Uuid> = sqlx::query_scalar(
            "SELECT delivery_id FROM deliveries \
             WHERE driver_id = $1 AND status IN ('offered', 'assigned', 'picked_up') FOR UPDATE",
        )
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
        let mut freed = None;
        let mut carrying = false;
        if let Some(delivery_id) = live
            && let Some(mut delivery) = deliveries::lock(&mut tx, delivery_id).await?
        {
            // An offer that has just run out is the sweeper's; the driver is as free as if he had declined.
            let answered = delivery
                .expire(now)
                .map(Ok)
                .unwrap_or_else(|| delivery.decline(id, now));
            match answered {
                Ok(fact) => {
                    deliveries::save(&mut tx, &delivery, &fact).await?;
                    freed = Some(delivery_id);
                }
                Err(_) => carrying = true,
            }
        }
        match driver.go_offline(carrying, now) {
            Err(refused) => Ok(Err(refused)),
            Ok(fact) => {
                save(&mut tx, &driver, fact).await?;
                tx.commit().await?;
                Ok(Ok((driver, freed)))
            }
        }
    }

    /// Takes positions of an online driver; `Ok(None)` when he is not online.
    pub async fn track(
        &self,
        id: Uuid,
        batch: Vec<Position>,
        now: Timestamp,
    ) -> Result<Option<Tracked>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let Some(driver) = lock(&mut tx, id).await?.filter(|driver| driver.online) else {
            return Ok(None);
        };
        let fresh = position::fresh(batch, driver.last_seq);
        if let Some(last) = fresh.last() {
            sqlx::query(
                "UPDATE drivers SET lat = $2, lng = $3, heading = $4, speed = $5, recorded_at = $6, last_seq = $7, \
                 updated_at = $8 WHERE driver_id = $1",
            )
            .bind(id)
            .bind(last.point.lat())
            .bind(last.point.lng())
            .bind(last.heading)
            .bind(last.speed)
            .bind(ts(last.recorded_at))
            .bind(last.seq)
            .bind(ts(now))
            .execute(&mut *tx)
            .await?;
        }
        let order_id = sqlx::query_scalar(
            "SELECT order_id FROM deliveries WHERE driver_id = $1 AND status IN ('assigned', 'picked_up')",
        )
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Tracked { fresh, order_id }))
    }

    /// Where all online drivers are: what the index is rebuilt from, `limit` of those after `after`.
    pub async fn online_after(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        let rows: Vec<(Uuid, f64, f64)> = sqlx::query_as(
            "SELECT driver_id, lat, lng FROM drivers \
             WHERE online AND ($1::uuid IS NULL OR driver_id > $1) ORDER BY driver_id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(driver_id, lat, lng)| {
                Ok(Candidate {
                    driver_id,
                    location: point(driver_id, lat, lng)?,
                })
            })
            .collect()
    }
}

async fn lock(tx: &mut PgConnection, id: Uuid) -> Result<Option<Driver>, sqlx::Error> {
    let sql = format!("SELECT {DRIVER} FROM drivers WHERE driver_id = $1 FOR UPDATE");
    let row: Option<DriverRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(tx)
        .await?;
    row.map(Driver::try_from).transpose()
}

async fn lock_or_new(
    tx: &mut PgConnection,
    id: Uuid,
    now: Timestamp,
) -> Result<Driver, sqlx::Error> {
    // The row first, so that two first calls at once lock the same one.
    sqlx::query(
        "INSERT INTO drivers (driver_id, online, version, updated_at) VALUES ($1, false, 0, $2) \
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(ts(now))
    .execute(&mut *tx)
    .await?;
    Ok(lock(tx, id).await?.unwrap_or_else(|| Driver::new(id, now)))
}

async fn save(
    tx: &mut PgConnection,
    driver: &Driver,
    fact: Option<ShiftFact>,
) -> Result<(), sqlx::Error> {
    let Driver {
        id,
        online,
        vehicle,
        location,
        last_seq,
        version,
        updated_at,
    } = driver;
    sqlx::query(
        "UPDATE drivers SET online = $2, vehicle = $3, lat = $4, lng = $5, last_seq = $6, version = $7, \
         updated_at = $8 WHERE driver_id = $1",
    )
    .bind(id)
    .bind(online)
    .bind(vehicle)
    .bind(location.map(GeoPoint::lat))
    .bind(location.map(GeoPoint::lng))
    .bind(last_seq)
    .bind(version)
    .bind(ts(*updated_at))
    .execute(&mut *tx)
    .await?;
    let Some(fact) = fact else {
        return Ok(());
    };
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(PUSH_CHANNEL)
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
    outbox::enqueue(tx, &[shift_fact(driver, fact)]).await
}
