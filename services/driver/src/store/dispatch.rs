//! What dispatching reads and writes: who is free, who waits, what has expired, and the one place where an offer is made.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::Timestamp as Timestamptz;
use quickbite_postgres::is_unique_violation;
use quickbite_telemetry::CorrelationId;
use uuid::Uuid;

use super::Store;
use super::deliveries::{lock, save};
use super::rows::{point, ts};
use crate::domain::delivery::{Delivery, Offer};
use crate::domain::dispatch::{Answer, Candidate};
use crate::domain::geo::{GeoBox, GeoPoint};

/// A delivery that waits for a driver.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The delivery.
    pub delivery_id: Uuid,
    /// Its version when it was read: an offer is made only if nothing happened since.
    pub version: i64,
    /// Where it is fetched.
    pub pickup: GeoPoint,
    /// The correlation id of the order that caused it.
    pub correlation: CorrelationId,
}

/// What became of an attempt to ask a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// He is asked.
    Offered,
    /// He is not free (any more).
    DriverBusy,
    /// The delivery needs nobody (any more), or somebody answered meanwhile and the choice is to be made anew.
    NotSearching,
}

type WaitingRow = (Uuid, i64, f64, f64, String);

impl Store {
    /// One waiting delivery.
    pub async fn waiting(&self, id: Uuid) -> Result<Option<Waiting>, sqlx::Error> {
        let row: Option<WaitingRow> = sqlx::query_as(
            "SELECT delivery_id, version, pickup_lat, pickup_lng, correlation_id FROM deliveries \
             WHERE delivery_id = $1 AND status = 'searching'",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.map(waiting).transpose()
    }

    /// Deliveries that wait, oldest first; those within `around` where it is given.
    pub async fn all_waiting(
        &self,
        around: Option<GeoBox>,
        limit: i64,
    ) -> Result<Vec<Waiting>, sqlx::Error> {
        let GeoBox {
            south,
            north,
            west,
            east,
        } = around.unwrap_or(GeoBox::EARTH);
        let rows: Vec<WaitingRow> = sqlx::query_as(
            "SELECT delivery_id, version, pickup_lat, pickup_lng, correlation_id FROM deliveries \
             WHERE status = 'searching' AND pickup_lat BETWEEN $1 AND $2 AND pickup_lng BETWEEN $3 AND $4 \
             ORDER BY created_at LIMIT $5",
        )
        .bind(south)
        .bind(north)
        .bind(west)
        .bind(east)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(waiting).collect()
    }

    /// How many deliveries wait.
    pub async fn count_waiting(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE status = 'searching'")
            .fetch_one(&self.pool)
            .await
    }

    /// Offers that ran out by `now`, oldest first.
    pub async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT delivery_id FROM deliveries WHERE status = 'offered' AND expires_at <= $1 \
             ORDER BY expires_at LIMIT $2",
        )
        .bind(ts(now))
        .bind(limit)
        .fetch_all(&self.pool)
        .await
    }

    /// How drivers answered earlier offers of a delivery.
    pub async fn answers(&self, delivery_id: Uuid) -> Result<HashMap<Uuid, Answer>, sqlx::Error> {
        let rows: Vec<(Uuid, bool, Timestamptz)> = sqlx::query_as(
            "SELECT driver_id, declined, at FROM offer_answers WHERE delivery_id = $1",
        )
        .bind(delivery_id)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(driver_id, declined, at)| {
                let answer = if declined {
                    Answer::Declined
                } else {
                    Answer::Expired(at.to_jiff())
                };
                (driver_id, answer)
            })
            .collect())
    }

    /// The free drivers among `ids`, with their places as PostgreSQL knows them.
    pub async fn free_among(&self, ids: &[Uuid]) -> Result<Vec<Candidate>, sqlx::Error> {
        let rows: Vec<(Uuid, f64, f64)> = sqlx::query_as(
            "SELECT driver_id, lat, lng FROM drivers d WHERE online AND driver_id = ANY($1) AND NOT EXISTS \
             (SELECT 1 FROM deliveries WHERE driver_id = d.driver_id AND status IN ('offered', 'assigned', 'picked_up'))",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(candidate).collect()
    }

    /// The free drivers within `around`: slower than the index, never wrong.
    pub async fn free_within(
        &self,
        around: GeoBox,
        limit: i64,
    ) -> Result<Vec<Candidate>, sqlx::Error> {
        let GeoBox {
            south,
            north,
            west,
            east,
        } = around;
        let rows: Vec<(Uuid, f64, f64)> = sqlx::query_as(
            "SELECT driver_id, lat, lng FROM drivers d WHERE online \
             AND lat BETWEEN $1 AND $2 AND lng BETWEEN $3 AND $4 AND NOT EXISTS \
             (SELECT 1 FROM deliveries WHERE driver_id = d.driver_id AND status IN ('offered', 'assigned', 'picked_up')) \
             LIMIT $5",
        )
        .bind(south)
        .bind(north)
        .bind(west)
        .bind(east)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(candidate).collect()
    }

    /// Asks the driver, if both are still free for it and the delivery is as it was when he was chosen: who declined
    /// meanwhile must not be asked again by a slower search. The partial unique index has the last word when two deliveries
    /// reach for one driver at once.
    pub async fn try_offer(
        &self,
        waiting: &Waiting,
        offer: Offer,
        now: Timestamp,
    ) -> Result<Tried, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let chosen_for = |delivery: &Delivery| delivery.version == waiting.version;
        let Some(mut delivery) = lock(&mut tx, waiting.delivery_id).await?.filter(chosen_for)
        else {
            return Ok(Tried::NotSearching);
        };
        // Shared lock: going offline waits for this offer, or this offer sees that he went.
        let online: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM drivers WHERE driver_id = $1 AND online FOR SHARE")
                .bind(offer.driver_id)
                .fetch_optional(&mut *tx)
                .await?;
        if online.is_none() {
            return Ok(Tried::DriverBusy);
        }
        let Ok(fact) = delivery.offer(offer, now) else {
            return Ok(Tried::NotSearching);
        };
        match save(&mut tx, &delivery, &fact).await {
            Ok(()) => tx.commit().await.map(|()| Tried::Offered),
            Err(error) if is_unique_violation(&error, "deliveries_one_per_driver") => {
                Ok(Tried::DriverBusy)
            }
            Err(error) => Err(error),
        }
    }
}

fn waiting(
    (delivery_id, version, lat, lng, correlation): WaitingRow,
) -> Result<Waiting, sqlx::Error> {
    Ok(Waiting {
        delivery_id,
        version,
        pickup: point(delivery_id, lat, lng)?,
        correlation: CorrelationId::parse_or_fresh(Some(&correlation)),
    })
}

fn candidate((driver_id, lat, lng): (Uuid, f64, f64)) -> Result<Candidate, sqlx::Error> {
    Ok(Candidate {
        driver_id,
        location: point(driver_id, lat, lng)?,
    })
}
