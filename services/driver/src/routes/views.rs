//! What clients see.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::delivery::{Delivery, Offer, Place, State, Status};
use crate::domain::driver::Driver;
use crate::domain::geo::GeoPoint;

/// A delivery.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryView {
    /// Its id.
    pub id: Uuid,
    /// The order that it carries.
    pub order_id: Uuid,
    /// From where.
    pub restaurant_id: Uuid,
    /// To whom.
    pub customer_id: Uuid,
    /// Who took it; null until somebody did.
    pub driver_id: Option<Uuid>,
    /// Where it stands.
    pub status: Status,
    /// Where it is fetched.
    pub pickup: Place,
    /// Where it goes.
    pub dropoff: Place,
    /// Why it failed or was called off.
    pub reason: Option<String>,
    /// What the driver left as proof.
    pub proof: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let status = delivery.status();
        let taken_by = match delivery.state {
            State::Offered(_) => None,
            _ => delivery.driver_id(),
        };
        let Delivery {
            id,
            order_id,
            restaurant_id,
            customer_id,
            pickup,
            dropoff,
            state,
            version: _,
            created_at,
            updated_at,
        } = delivery;
        let (reason, proof) = match state {
            State::Failed { reason, .. } => (Some(reason), None),
            State::Cancelled { reason, .. } => (reason, None),
            State::Delivered { proof, .. } => (None, proof),
            _ => (None, None),
        };
        Self {
            id,
            order_id,
            restaurant_id,
            customer_id,
            driver_id: taken_by,
            status,
            pickup,
            dropoff,
            reason,
            proof,
            created_at,
            updated_at,
        }
    }
}

/// An offer, as the driver asked sees it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfferView {
    /// The delivery to accept or decline.
    pub delivery_id: Uuid,
    /// The order.
    pub order_id: Uuid,
    /// Where it is fetched.
    pub pickup: Place,
    /// Where it goes.
    pub dropoff: Place,
    /// From the driver to the pick-up, metres.
    pub distance_meters: i64,
    /// Void from then on.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl OfferView {
    /// The delivery's open offer to this driver at `now`.
    pub(super) fn of(delivery: &Delivery, now: Timestamp) -> Option<Self> {
        match &delivery.state {
            State::Offered(Offer {
                driver_id: _,
                distance_m,
                expires_at,
            }) if *expires_at > now => Some(Self {
                delivery_id: delivery.id,
                order_id: delivery.order_id,
                pickup: delivery.pickup.clone(),
                dropoff: delivery.dropoff.clone(),
                distance_meters: *distance_m,
                expires_at: *expires_at,
            }),
            _ => None,
        }
    }
}

/// A driver's shift.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DriverView {
    /// The driver's user id.
    pub driver_id: Uuid,
    /// Whether he works now.
    pub online: bool,
    /// What he drives.
    pub vehicle: Option<String>,
    /// Where he was last.
    pub location: Option<GeoPoint>,
}

impl From<Driver> for DriverView {
    fn from(driver: Driver) -> Self {
        let Driver {
            id,
            online,
            vehicle,
            location,
            last_seq: _,
            version: _,
            updated_at: _,
        } = driver;
        Self {
            driver_id: id,
            online,
            vehicle,
            location,
        }
    }
}
