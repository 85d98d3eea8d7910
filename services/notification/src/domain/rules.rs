//! Who is told what about which fact.
//!
//! Of an order people hear by `order.*`, which carries all its parties; `delivery.*` adds only what the order does not
//! say (a driver is asked, found, or gave up). Facts that nobody needs to hear of give no draft.

use quickbite_events::payload::delivery::DeliverySnapshot;
use quickbite_events::payload::order::OrderSnapshot;
use quickbite_events::payload::payment::PaymentSnapshot;
use quickbite_events::payload::user::Registered;
use serde_json::json;
use uuid::Uuid;

use super::notice::Draft;

/// A fact that somebody may be told about, read from its message.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// `user.registered`.
    Registered(Registered),
    /// `order.*`, with its routing key.
    Order(&'static str, OrderSnapshot),
    /// `payment.*`, with its routing key.
    Payment(&'static str, PaymentSnapshot),
    /// `delivery.*`, with its routing key.
    Delivery(&'static str, DeliverySnapshot),
}

impl Fact {
    /// The restaurant whose name the texts want.
    pub fn restaurant_id(&self) -> Option<Uuid> {
        match self {
            Self::Order(_, order) => Some(order.restaurant_id),
            Self::Delivery(_, delivery) => Some(delivery.restaurant_id),
            Self::Registered(_) | Self::Payment(..) => None,
        }
    }
}

/// The notifications that `fact` causes. `restaurant` is its restaurant's name, where known.
pub fn rules(fact: &Fact, restaurant: Option<&str>) -> Vec<Draft> {
    let restaurant = restaurant.unwrap_or("the restaurant");
    match fact {
        Fact::Registered(user) => vec![Draft {
            user_id: user.user_id,
            kind: "user.registered",
            title: format!("Welcome, {}", user.name),
            body: "Your QuickBite account is ready.".into(),
            data: json!({}),
            order_id: None,
        }],
        Fact::Order(kind, order) => about_order(kind, order, restaurant),
        Fact::Payment(kind, payment) => about_payment(kind, payment),
        Fact::Delivery(kind, delivery) => about_delivery(kind, delivery, restaurant),
    }
}

fn about_order(kind: &'static str, order: &OrderSnapshot, restaurant: &str) -> Vec<Draft> {
    let tell = |user_id, title: &str, body: String| Draft {
        user_id,
        kind,
        title: title.into(),
        body,
        data: json!({
            "orderId": order.order_id, "restaurantId": order.restaurant_id, "status": order.status,
            "total": order.total, "currency": order.currency,
        }),
        order_id: Some(order.order_id),
    };
    let customer = |title, body| tell(order.customer_id, title, body);
    let owner = |title, body| tell(order.restaurant_owner_id, title, body);
    let driver = |title: &str, body: String| order.driver_id.map(|id| tell(id, title, body));
    let money = format!("{} {}", order.total, order.currency);
    let why = order
        .reason
        .as_ref()
        .map(|reason| format!(" Reason: {reason}."))
        .unwrap_or_default();
    match kind {
        "order.created" => vec![
            customer(
                "Order placed",
                format!("We sent your order of {money} to {restaurant}."),
            ),
            owner(
                "New order",
                format!("{restaurant} has a new order of {money}."),
            ),
        ],
        "order.accepted" => vec![customer(
            "Order accepted",
            format!("{restaurant} took your order."),
        )],
        "order.confirmed" => vec![
            customer(
                "Order confirmed",
                format!("Your order at {restaurant} is confirmed and paid: {money}."),
            ),
            owner(
                "Order confirmed",
                format!("The order of {money} is paid. Start whenever you are ready."),
            ),
        ],
        "order.rejected" => vec![customer(
            "Order rejected",
            format!("Your order at {restaurant} could not be taken; you are not charged.{why}"),
        )],
        "order.preparing" => vec![customer(
            "In the kitchen",
            format!("{restaurant} is preparing your order."),
        )],
        "order.ready" => std::iter::once(customer(
            "Order ready",
            format!("Your order waits at {restaurant} for its driver."),
        ))
        .chain(driver(
            "Order ready",
            format!("The order waits for you at {restaurant}."),
        ))
        .collect(),
        "order.picked_up" => vec![
            customer("On its way", "Your driver has your order.".into()),
            owner("Order picked up", "The driver has the order.".into()),
        ],
        "order.delivered" => vec![
            customer("Delivered", "Enjoy your meal!".into()),
            owner("Order delivered", "The customer has the order.".into()),
        ],
        "order.cancelled" => [
            customer(
                "Order cancelled",
                format!("Your order at {restaurant} is cancelled.{why}"),
            ),
            owner(
                "Order cancelled",
                format!("An order of {money} is cancelled.{why}"),
            ),
        ]
        .into_iter()
        .chain(driver(
            "Order cancelled",
            format!("The order from {restaurant} is cancelled.{why}"),
        ))
        .collect(),
        _ => Vec::new(),
    }
}

fn about_payment(kind: &'static str, payment: &PaymentSnapshot) -> Vec<Draft> {
    let money = format!("{} {}", payment.amount, payment.currency);
    let (title, body) = match kind {
        "payment.declined" => {
            let why = payment
                .reason
                .as_ref()
                .map(|reason| format!(" ({reason})"))
                .unwrap_or_default();
            (
                "Payment declined",
                format!("Your payment of {money} was declined{why}."),
            )
        }
        "payment.captured" => ("Payment received", format!("You paid {money}.")),
        "payment.refunded" => (
            "Payment refunded",
            format!("{money} is on its way back to you."),
        ),
        _ => return Vec::new(),
    };
    vec![Draft {
        user_id: payment.customer_id,
        kind,
        title: title.into(),
        body,
        data: json!({ "orderId": payment.order_id, "paymentId": payment.payment_id, "amount": payment.amount,
            "currency": payment.currency }),
        order_id: Some(payment.order_id),
    }]
}

fn about_delivery(kind: &'static str, delivery: &DeliverySnapshot, restaurant: &str) -> Vec<Draft> {
    let tell = |user_id, title: &str, body: String| Draft {
        user_id,
        kind,
        title: title.into(),
        body,
        data: json!({ "deliveryId": delivery.delivery_id, "orderId": delivery.order_id }),
        order_id: Some(delivery.order_id),
    };
    let customer = |title, body| Some(tell(delivery.customer_id, title, body));
    let driver = |title: &str, body: String| delivery.driver_id.map(|id| tell(id, title, body));
    let draft = match kind {
        "delivery.offered" => driver("New delivery offer", format!("Pick up at {restaurant}?")),
        "delivery.assigned" => customer(
            "Driver found",
            format!("A driver is on the way to {restaurant}."),
        ),
        "delivery.failed" => {
            let why = delivery
                .reason
                .as_ref()
                .map(|reason| format!(" Reason: {reason}."))
                .unwrap_or_default();
            customer(
                "Delivery failed",
                format!("Your order could not be delivered.{why}"),
            )
        }
        "delivery.cancelled" => driver(
            "Delivery called off",
            format!("The pick-up at {restaurant} is called off."),
        ),
        _ => None,
    };
    draft.into_iter().collect()
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
