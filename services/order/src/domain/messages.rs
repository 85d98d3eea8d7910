//! What the saga's effects are as messages.

use jiff::Timestamp;
use quickbite_events::Outgoing;
use quickbite_events::command::{driver, payment, restaurant};
use quickbite_events::payload::order::{self, OrderSnapshot};

use super::order::Order;
use super::saga::{Command, Fact};

/// `wanted` as a message about `order`.
pub(crate) fn command(order: &Order, wanted: Command) -> Outgoing {
    let (order_id, restaurant_id) = (order.id, order.restaurant_id);
    let reason = order.reason.clone();
    match wanted {
        Command::ReserveTicket => Outgoing::command(order_id, &reserve(order)),
        Command::ConfirmTicket => Outgoing::command(
            order_id,
            &restaurant::ConfirmTicket {
                order_id,
                restaurant_id,
                reason,
            },
        ),
        Command::CancelTicket => Outgoing::command(
            order_id,
            &restaurant::CancelTicket {
                order_id,
                restaurant_id,
                reason,
            },
        ),
        Command::Authorize => Outgoing::command(
            order_id,
            &payment::Authorize {
                order_id,
                customer_id: order.customer_id,
                amount: order.total,
                currency: order.currency.clone(),
                token: order.payment_token.clone(),
            },
        ),
        Command::Capture => Outgoing::command(
            order_id,
            &payment::Capture {
                order_id,
                amount: Some(order.total),
                reason,
            },
        ),
        Command::Void => Outgoing::command(
            order_id,
            &payment::Void {
                order_id,
                amount: None,
                reason,
            },
        ),
        Command::Refund => Outgoing::command(
            order_id,
            &payment::Refund {
                order_id,
                amount: None,
                reason,
            },
        ),
        Command::CreateDelivery => Outgoing::command(
            order_id,
            &driver::CreateDelivery {
                order_id,
                restaurant_id,
                customer_id: order.customer_id,
                pickup: order.pickup.clone(),
                dropoff: order.dropoff.clone(),
            },
        ),
        Command::CancelDelivery => {
            Outgoing::command(order_id, &driver::CancelDelivery { order_id, reason })
        }
    }
}

fn reserve(order: &Order) -> restaurant::ReserveTicket {
    restaurant::ReserveTicket {
        order_id: order.id,
        restaurant_id: order.restaurant_id,
        customer_id: order.customer_id,
        items: order
            .items
            .iter()
            .map(|line| restaurant::TicketItem {
                item_id: line.item_id,
                quantity: line.quantity,
                notes: line.notes.clone(),
            })
            .collect(),
    }
}

impl Fact {
    /// Its routing key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Created => "order.created",
            Self::Accepted => "order.accepted",
            Self::Confirmed => "order.confirmed",
            Self::Preparing => "order.preparing",
            Self::Ready => "order.ready",
            Self::PickedUp => "order.picked_up",
            Self::Delivered => "order.delivered",
            Self::CancelRequested => "order.cancel_requested",
            Self::Rejected => "order.rejected",
            Self::Cancelled => "order.cancelled",
        }
    }
}

/// `what` as a message about `order` as it stands.
pub(crate) fn fact(order: &Order, what: Fact, at: Timestamp) -> Outgoing {
    let snapshot = OrderSnapshot {
        order_id: order.id,
        customer_id: order.customer_id,
        restaurant_id: order.restaurant_id,
        restaurant_owner_id: order.owner_id,
        driver_id: order.saga.driver_id,
        status: order.status().as_str().to_owned(),
        total: order.total,
        currency: order.currency.clone(),
        reason: order.reason.clone(),
        at,
    };
    let (id, sequence) = (order.id, order.sequence);
    match what {
        Fact::Created => Outgoing::event(id, sequence, &order::Created(snapshot)),
        Fact::Accepted => Outgoing::event(id, sequence, &order::Accepted(snapshot)),
        Fact::Confirmed => Outgoing::event(id, sequence, &order::Confirmed(snapshot)),
        Fact::Preparing => Outgoing::event(id, sequence, &order::Preparing(snapshot)),
        Fact::Ready => Outgoing::event(id, sequence, &order::Ready(snapshot)),
        Fact::PickedUp => Outgoing::event(id, sequence, &order::PickedUp(snapshot)),
        Fact::Delivered => Outgoing::event(id, sequence, &order::Delivered(snapshot)),
        Fact::CancelRequested => Outgoing::event(id, sequence, &order::CancelRequested(snapshot)),
        Fact::Rejected => Outgoing::event(id, sequence, &order::Rejected(snapshot)),
        Fact::Cancelled => Outgoing::event(id, sequence, &order::Cancelled(snapshot)),
    }
}
