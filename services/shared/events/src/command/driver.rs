//! Commands to driver-service: bring an order to its customer.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::commands;
use crate::payload::Address;

/// `driver.create_delivery`: find a driver and deliver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateDelivery {
    /// The order.
    pub order_id: Uuid,
    /// The restaurant.
    pub restaurant_id: Uuid,
    /// Who gets it.
    pub customer_id: Uuid,
    /// Where it is fetched.
    pub pickup: Address,
    /// Where it goes.
    pub dropoff: Address,
}

/// `driver.cancel_delivery`: call it off; refused once it is picked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelDelivery {
    /// The order.
    pub order_id: Uuid,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

commands!(
    CreateDelivery: "driver.create_delivery",
    CancelDelivery: "driver.cancel_delivery",
);

/// What an accepted [`CreateDelivery`] gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryCreated {
    /// The delivery.
    pub delivery_id: Uuid,
}
