//! The other services, as they answer when all is well.

use quickbite_events::command::Reply;
use quickbite_events::command::driver::DeliveryCreated;
use quickbite_events::command::payment::PaymentAuthorized;
use quickbite_events::command::restaurant::{PricedItem, ReserveTicket, TicketReserved};
use quickbite_events::payload::delivery::{self, DeliverySnapshot};
use quickbite_events::payload::restaurant::RestaurantSnapshot;
use quickbite_events::{Envelope, Outgoing};
use quickbite_http::testing::identity;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Stage, address, now};

/// The answer of a willing participant.
pub(crate) fn willing(command: &Envelope, restaurant: &RestaurantSnapshot) -> Outgoing {
    let order_id = command.subject;
    let reply = match command.kind.as_str() {
        "restaurant.reserve_ticket" => {
            Reply::ok(command, order_id, Some(&ticket(command, restaurant)))
        }
        "payment.authorize" => Reply::ok(
            command,
            order_id,
            Some(&PaymentAuthorized {
                payment_id: Uuid::now_v7(),
            }),
        ),
        "driver.create_delivery" => Reply::ok(
            command,
            order_id,
            Some(&DeliveryCreated {
                delivery_id: Uuid::now_v7(),
            }),
        ),
        _ => Reply::done(command, order_id),
    };
    Outgoing::reply(command, &reply)
}

fn ticket(command: &Envelope, restaurant: &RestaurantSnapshot) -> TicketReserved {
    let wanted: ReserveTicket = command.parse().unwrap();
    let priced = |item: &quickbite_events::command::restaurant::TicketItem| {
        let known = restaurant
            .menu
            .iter()
            .find(|known| known.item_id == item.item_id)
            .unwrap();
        PricedItem {
            item_id: item.item_id,
            name: known.name.clone(),
            unit_price: known.price,
            quantity: item.quantity,
        }
    };
    TicketReserved {
        restaurant_name: restaurant.name.clone(),
        owner_id: restaurant.owner_id,
        auto_accept: restaurant.auto_accept,
        currency: restaurant.currency.clone(),
        address: address(),
        items: wanted.items.iter().map(priced).collect(),
    }
}

pub(crate) fn delivery(stage: &Stage, order_id: Uuid, driver_id: Uuid) -> DeliverySnapshot {
    DeliverySnapshot {
        delivery_id: Uuid::now_v7(),
        order_id,
        restaurant_id: stage.restaurant.restaurant_id,
        customer_id: stage.customer.user_id,
        driver_id: Some(driver_id),
        reason: None,
        at: now(),
    }
}

impl Stage {
    /// The participant asked by the newest `key` does it.
    pub(crate) async fn done(&self, key: &str) {
        let command = self.command(key).await;
        self.reply(&willing(&command, &self.restaurant)).await;
    }

    /// The participant asked by the newest `key` refuses.
    pub(crate) async fn refuse(&self, key: &str, code: &str) {
        let command = self.command(key).await;
        let reply = Reply::rejected(&command, command.subject, code, "no");
        self.reply(&Outgoing::reply(&command, &reply)).await;
    }

    pub(crate) async fn kitchen(&self, order: Uuid, step: &str) {
        let answer = self
            .post(
                &format!("/api/orders/{order}/{step}"),
                &self.owner,
                &json!({}),
            )
            .await;
        assert_eq!(answer.status, 200, "{step}: {}", answer.body);
    }

    /// An order that is accepted, paid and waits for its driver.
    pub(crate) async fn confirmed(&self) -> Uuid {
        let order = self.place().await;
        self.done("restaurant.reserve_ticket").await;
        self.done("payment.authorize").await;
        self.kitchen(order, "accept").await;
        self.done("payment.capture").await;
        self.done("driver.create_delivery").await;
        order
    }

    /// The driver takes it and brings it; the driver.
    pub(crate) async fn bring(&self, order: Uuid) -> quickbite_auth::Identity {
        let driver = identity(quickbite_auth::Role::Driver);
        let snapshot = delivery(self, order, driver.user_id);
        let id = snapshot.delivery_id;
        self.tell(&Outgoing::event(
            id,
            2,
            &delivery::Assigned(snapshot.clone()),
        ))
        .await;
        self.tell(&Outgoing::event(
            id,
            3,
            &delivery::PickedUp(snapshot.clone()),
        ))
        .await;
        self.tell(&Outgoing::event(id, 4, &delivery::Delivered(snapshot)))
            .await;
        driver
    }
}
