//! Facts of order-service: one per change of an order that others may act on.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::snapshots;

/// An order as it stood when the fact happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSnapshot {
    /// The order.
    pub order_id: Uuid,
    /// Who ordered.
    pub customer_id: Uuid,
    /// From where.
    pub restaurant_id: Uuid,
    /// The user that owns the restaurant.
    pub restaurant_owner_id: Uuid,
    /// Who delivers, once a driver took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_id: Option<Uuid>,
    /// The customer-visible status: `pending`, `confirmed`, `preparing`, `ready`, `picked_up`, `delivered`, `rejected`, `cancelled`.
    pub status: String,
    /// What the customer pays.
    pub total: Decimal,
    /// ISO 4217 code.
    pub currency: String,
    /// Why, on rejection and cancellation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it happened.
    pub at: Timestamp,
}

snapshots!("order", OrderSnapshot =>
    /// `order.created`: placed, nothing reserved yet.
    Created: "order.created",
    /// `order.confirmed`: accepted and paid.
    Confirmed: "order.confirmed",
    /// `order.rejected`: ended before the pivot, nothing is owed.
    Rejected: "order.rejected",
    /// `order.accepted`: the restaurant took it; payment follows.
    Accepted: "order.accepted",
    /// `order.preparing`: the kitchen works on it.
    Preparing: "order.preparing",
    /// `order.ready`: waits for its courier.
    Ready: "order.ready",
    /// `order.picked_up`: on its way.
    PickedUp: "order.picked_up",
    /// `order.delivered`: ended well.
    Delivered: "order.delivered",
    /// `order.cancel_requested`: being undone.
    CancelRequested: "order.cancel_requested",
    /// `order.cancelled`: ended, everything undone.
    Cancelled: "order.cancelled",
);
