//! Facts of driver-service about deliveries.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::snapshots;

/// A delivery as it stood when the fact happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliverySnapshot {
    /// The delivery.
    pub delivery_id: Uuid,
    /// The order it carries.
    pub order_id: Uuid,
    /// From where.
    pub restaurant_id: Uuid,
    /// To whom.
    pub customer_id: Uuid,
    /// The driver offered, assigned or carrying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_id: Option<Uuid>,
    /// Why, on decline, failure and cancellation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it happened.
    pub at: Timestamp,
}

snapshots!("driver", DeliverySnapshot =>
    /// `delivery.created`: looking for a driver.
    Created: "delivery.created",
    /// `delivery.offered`: one driver is asked.
    Offered: "delivery.offered",
    /// `delivery.assigned`: a driver took it.
    Assigned: "delivery.assigned",
    /// `delivery.declined`: the driver asked said no.
    Declined: "delivery.declined",
    /// `delivery.expired`: the driver asked did not answer.
    Expired: "delivery.expired",
    /// `delivery.picked_up`: the driver has the food.
    PickedUp: "delivery.picked_up",
    /// `delivery.delivered`: the customer has the food.
    Delivered: "delivery.delivered",
    /// `delivery.failed`: it will not arrive.
    Failed: "delivery.failed",
    /// `delivery.cancelled`: called off before pick-up.
    Cancelled: "delivery.cancelled",
);
