//! One joined row of `orders` and `sagas` as an [`Order`].

use jiff_sqlx::Timestamp;
use quickbite_events::payload::Address;
use rust_decimal::Decimal;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::cart::Line;
use crate::domain::order::Order;
use crate::domain::saga::{Saga, StepRecord};

/// Selects an [`OrderRow`]; conditions follow.
macro_rules! select_order {
    ($rest:literal) => {
        concat!(
            "SELECT o.id, o.customer_id, o.restaurant_id, o.owner_id, o.items, o.pickup, o.dropoff, o.notes, ",
            "o.subtotal, o.delivery_fee, o.tip, o.total, o.currency, o.payment_token, o.reason, o.sequence, ",
            "o.created_at, o.updated_at, s.id AS saga_id, s.memory, s.steps, s.deadline, s.last_command_id ",
            "FROM orders o JOIN sagas s ON s.order_id = o.id ",
            $rest
        )
    };
}
pub(super) use select_order;

#[derive(sqlx::FromRow)]
pub(super) struct OrderRow {
    id: Uuid,
    customer_id: Uuid,
    restaurant_id: Uuid,
    owner_id: Uuid,
    items: Json<Vec<Line>>,
    pickup: Json<Address>,
    dropoff: Json<Address>,
    notes: Option<String>,
    subtotal: Decimal,
    delivery_fee: Decimal,
    tip: Decimal,
    total: Decimal,
    currency: String,
    payment_token: String,
    reason: Option<String>,
    sequence: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    saga_id: Uuid,
    memory: Json<Saga>,
    steps: Json<Vec<StepRecord>>,
    deadline: Option<Timestamp>,
    last_command_id: Option<Uuid>,
}

impl From<OrderRow> for Order {
    fn from(row: OrderRow) -> Self {
        Self {
            id: row.id,
            customer_id: row.customer_id,
            restaurant_id: row.restaurant_id,
            owner_id: row.owner_id,
            items: row.items.0,
            pickup: row.pickup.0,
            dropoff: row.dropoff.0,
            notes: row.notes,
            subtotal: row.subtotal,
            delivery_fee: row.delivery_fee,
            tip: row.tip,
            total: row.total,
            currency: row.currency,
            payment_token: row.payment_token,
            reason: row.reason,
            sequence: row.sequence,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            saga_id: row.saga_id,
            saga: row.memory.0,
            steps: row.steps.0,
            deadline: row.deadline.map(Timestamp::to_jiff),
            last_command_id: row.last_command_id,
        }
    }
}
