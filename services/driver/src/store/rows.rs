//! Between rows and domain types. A row that the types cannot hold is a broken database and an error, not a guess.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as Timestamptz, ToSqlx};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::delivery::{Delivery, Offer, Place, State};
use crate::domain::driver::Driver;
use crate::domain::geo::GeoPoint;

/// A column that can be null holds nothing where the state needs it.
#[derive(Debug, thiserror::Error)]
#[error("delivery {id} is {status} but lacks a column of that state")]
struct BrokenDelivery {
    id: Uuid,
    status: String,
}

/// A position outside of the map.
#[derive(Debug, thiserror::Error)]
#[error("driver {0} has no valid position")]
struct BrokenDriver(Uuid);

/// `deliveries`, column by column.
#[derive(FromRow)]
pub(super) struct DeliveryRow {
    delivery_id: Uuid,
    order_id: Uuid,
    restaurant_id: Uuid,
    customer_id: Uuid,
    pickup: Json<Place>,
    dropoff: Json<Place>,
    status: String,
    driver_id: Option<Uuid>,
    distance_m: Option<i64>,
    expires_at: Option<Timestamptz>,
    reason: Option<String>,
    proof: Option<String>,
    version: i64,
    created_at: Timestamptz,
    updated_at: Timestamptz,
}

/// The columns of [`DeliveryRow`].
pub(super) const DELIVERY: &str = "delivery_id, order_id, restaurant_id, customer_id, pickup, dropoff, status, \
     driver_id, distance_m, expires_at, reason, proof, version, created_at, updated_at";

impl TryFrom<DeliveryRow> for Delivery {
    type Error = sqlx::Error;

    fn try_from(row: DeliveryRow) -> Result<Self, sqlx::Error> {
        let state = state(&row).ok_or_else(|| {
            sqlx::Error::Decode(Box::new(BrokenDelivery {
                id: row.delivery_id,
                status: row.status.clone(),
            }))
        })?;
        Ok(Self {
            id: row.delivery_id,
            order_id: row.order_id,
            restaurant_id: row.restaurant_id,
            customer_id: row.customer_id,
            pickup: row.pickup.0,
            dropoff: row.dropoff.0,
            state,
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

fn state(row: &DeliveryRow) -> Option<State> {
    Some(match row.status.as_str() {
        "searching" => State::Searching,
        "offered" => State::Offered(Offer {
            driver_id: row.driver_id?,
            distance_m: row.distance_m?,
            expires_at: row.expires_at?.to_jiff(),
        }),
        "assigned" => State::Assigned {
            driver_id: row.driver_id?,
        },
        "picked_up" => State::PickedUp {
            driver_id: row.driver_id?,
        },
        "delivered" => State::Delivered {
            driver_id: row.driver_id?,
            proof: row.proof.clone(),
        },
        "failed" => State::Failed {
            driver_id: row.driver_id?,
            reason: row.reason.clone()?,
        },
        "cancelled" => State::Cancelled {
            driver_id: row.driver_id,
            reason: row.reason.clone(),
        },
        _ => return None,
    })
}

/// The columns that a state fills; the rest is null.
#[derive(Default)]
pub(super) struct StateColumns {
    pub(super) driver_id: Option<Uuid>,
    pub(super) distance_m: Option<i64>,
    pub(super) expires_at: Option<Timestamptz>,
    pub(super) reason: Option<String>,
    pub(super) proof: Option<String>,
}

impl From<&State> for StateColumns {
    fn from(state: &State) -> Self {
        let driver = |driver_id: &Uuid| Self {
            driver_id: Some(*driver_id),
            ..Self::default()
        };
        match state {
            State::Searching => Self::default(),
            State::Offered(Offer {
                driver_id,
                distance_m,
                expires_at,
            }) => Self {
                distance_m: Some(*distance_m),
                expires_at: Some(expires_at.to_sqlx()),
                ..driver(driver_id)
            },
            State::Assigned { driver_id } | State::PickedUp { driver_id } => driver(driver_id),
            State::Delivered { driver_id, proof } => Self {
                proof: proof.clone(),
                ..driver(driver_id)
            },
            State::Failed { driver_id, reason } => Self {
                reason: Some(reason.clone()),
                ..driver(driver_id)
            },
            State::Cancelled { driver_id, reason } => Self {
                driver_id: *driver_id,
                reason: reason.clone(),
                ..Self::default()
            },
        }
    }
}

/// `drivers`, as far as the domain knows it.
#[derive(FromRow)]
pub(super) struct DriverRow {
    driver_id: Uuid,
    online: bool,
    vehicle: Option<String>,
    lat: Option<f64>,
    lng: Option<f64>,
    last_seq: Option<i64>,
    version: i64,
    updated_at: Timestamptz,
}

/// The columns of [`DriverRow`].
pub(super) const DRIVER: &str =
    "driver_id, online, vehicle, lat, lng, last_seq, version, updated_at";

impl TryFrom<DriverRow> for Driver {
    type Error = sqlx::Error;

    fn try_from(row: DriverRow) -> Result<Self, sqlx::Error> {
        let location = match (row.lat, row.lng) {
            (Some(lat), Some(lng)) => Some(point(row.driver_id, lat, lng)?),
            _ => None,
        };
        Ok(Self {
            id: row.driver_id,
            online: row.online,
            vehicle: row.vehicle,
            location,
            last_seq: row.last_seq,
            version: row.version,
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// Stored degrees as a point.
pub(super) fn point(driver_id: Uuid, lat: f64, lng: f64) -> Result<GeoPoint, sqlx::Error> {
    GeoPoint::parse(lat, lng).map_err(|_| sqlx::Error::Decode(Box::new(BrokenDriver(driver_id))))
}

/// A time as PostgreSQL keeps it (microseconds).
pub(super) fn ts(time: Timestamp) -> Timestamptz {
    time.to_sqlx()
}
