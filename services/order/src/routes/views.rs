//! What clients see of orders and sagas.

use jiff::Timestamp;
use quickbite_events::payload::Address;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::cart::Line;
use crate::domain::order::{Entry, Order};
use crate::domain::saga::StepRecord;
use crate::domain::status::Status;

/// An order.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderView {
    id: Uuid,
    status: Status,
    /// Why, where it ended badly or is being undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    customer_id: Uuid,
    restaurant_id: Uuid,
    driver_id: Option<Uuid>,
    items: Vec<LineView>,
    delivery_address: AddressView,
    notes: Option<String>,
    #[schema(value_type = String, example = "30.48")]
    subtotal: Decimal,
    #[schema(value_type = String, example = "2.99")]
    delivery_fee: Decimal,
    #[schema(value_type = String, example = "0.00")]
    tip: Decimal,
    #[schema(value_type = String, example = "33.47")]
    total: Decimal,
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_in_minutes: Option<u32>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
struct LineView {
    #[serde(flatten)]
    line: Line,
    /// Price of all of them.
    #[schema(value_type = String, example = "25.98")]
    price: Decimal,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        let (status, saga) = (order.status(), order.saga);
        let line = |line: Line| LineView {
            price: money(line.price()),
            line: Line {
                unit_price: money(line.unit_price),
                ..line
            },
        };
        Self {
            id: order.id,
            status,
            reason: order.reason,
            customer_id: order.customer_id,
            restaurant_id: order.restaurant_id,
            driver_id: saga.driver_id,
            items: order.items.into_iter().map(line).collect(),
            delivery_address: order.dropoff.into(),
            notes: order.notes,
            subtotal: money(order.subtotal),
            delivery_fee: money(order.delivery_fee),
            tip: money(order.tip),
            total: money(order.total),
            currency: order.currency,
            ready_in_minutes: saga.ready_in_minutes,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// Two places, as prices are written.
fn money(mut amount: Decimal) -> Decimal {
    amount.rescale(2);
    amount
}

/// An order with what happened to it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OrderDetail {
    #[serde(flatten)]
    pub(super) order: OrderView,
    pub(super) history: Vec<HistoryEntry>,
}

/// One status that the order had.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct HistoryEntry {
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The statuses among `entries`, each once.
pub(super) fn history(entries: Vec<Entry>) -> Vec<HistoryEntry> {
    entries
        .into_iter()
        .filter(Entry::is_status_change)
        .map(
            |Entry {
                 status, at, reason, ..
             }| HistoryEntry { status, at, reason },
        )
        .collect()
}

/// An order in a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ListedOrder {
    #[serde(flatten)]
    pub(super) order: OrderView,
    /// `null` while the restaurant's name is not known.
    pub(super) restaurant: Option<RestaurantName>,
    /// Whether something is missing here.
    pub(super) partial: bool,
}

/// A restaurant's name.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RestaurantName {
    pub(super) id: Uuid,
    pub(super) name: String,
}

/// A postal address with its point.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddressView {
    #[garde(inner(length(max = 100)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[garde(length(min = 1, max = 200))]
    street: String,
    #[garde(length(min = 1, max = 100))]
    city: String,
    #[garde(length(min = 1, max = 20))]
    postal_code: String,
    #[garde(dive)]
    location: LocationView,
}

/// A point, WGS 84 degrees.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema, garde::Validate)]
struct LocationView {
    #[garde(range(min = -90.0, max = 90.0))]
    lat: f64,
    #[garde(range(min = -180.0, max = 180.0))]
    lng: f64,
}

impl From<Address> for AddressView {
    fn from(
        Address {
            label,
            street,
            city,
            postal_code,
            location,
        }: Address,
    ) -> Self {
        let location = LocationView {
            lat: location.lat,
            lng: location.lng,
        };
        Self {
            label,
            street,
            city,
            postal_code,
            location,
        }
    }
}

impl From<AddressView> for Address {
    fn from(
        AddressView {
            label,
            street,
            city,
            postal_code,
            location,
        }: AddressView,
    ) -> Self {
        let LocationView { lat, lng } = location;
        let location = quickbite_events::payload::Location { lat, lng };
        Self {
            label,
            street,
            city,
            postal_code,
            location,
        }
    }
}

/// A saga, for admins.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SagaView {
    pub(super) id: Uuid,
    order_id: Uuid,
    /// `running`, `compensating`, `stuck`, `completed` or `compensated`.
    state: &'static str,
    steps: Vec<StepRecord>,
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Timestamp>,
}

impl From<Order> for SagaView {
    fn from(order: Order) -> Self {
        Self {
            id: order.saga_id,
            order_id: order.id,
            state: order.saga.state(),
            steps: order.steps,
            deadline: order.deadline,
        }
    }
}
