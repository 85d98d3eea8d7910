//! The whole service on a real broker, with participants that answer on their queues.

use quickbite_events::payload::delivery;
use quickbite_events::payload::restaurant::RestaurantSnapshot;
use quickbite_events::testing::TestBroker;
use quickbite_events::{Broker, Envelope, Handler, HandlerError, Outgoing, queue};
use quickbite_http::Background;
use quickbite_order::spawn_background;
use uuid::Uuid;

use crate::cast::{delivery, willing};
use crate::stage::{Stage, eventually, opened};

/// Answers every command, twice: a participant whose replies are doubled.
#[derive(Clone)]
struct Doubling {
    broker: Broker,
    restaurant: RestaurantSnapshot,
}

impl Handler for Doubling {
    async fn handle(&self, command: Envelope) -> Result<(), HandlerError> {
        let reply = willing(&command, &self.restaurant);
        for _ in 0..2 {
            self.broker
                .publish(&reply)
                .await
                .map_err(HandlerError::retry)?;
        }
        self.broker
            .publish(&willing(&command, &self.restaurant))
            .await
            .map_err(HandlerError::retry)
    }
}

#[tokio::test]
async fn orders_go_through_a_real_broker_with_doubled_replies() {
    let mut stage = Stage::empty().await;
    stage.restaurant.auto_accept = true;
    let (wire, background) = (TestBroker::connect().await, Background::default());
    let broker = wire.broker.clone();
    spawn_background(&background, &stage.app, &stage.pool, &broker);
    for queue in [
        queue::RESTAURANT_COMMANDS,
        queue::PAYMENT_COMMANDS,
        queue::DRIVER_COMMANDS,
    ] {
        let handler = Doubling {
            broker: broker.clone(),
            restaurant: stage.restaurant.clone(),
        };
        background.spawn(|stop| broker.clone().consume(queue, 8, handler, stop));
    }
    broker.publish(&opened(&stage.restaurant)).await.unwrap();

    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(stage.place().await);
    }
    for order in &orders {
        eventually("it is confirmed", || async {
            stage.order(*order).await["status"] == "confirmed"
        })
        .await;
        let snapshot = delivery(&stage, *order, Uuid::now_v7());
        let id = snapshot.delivery_id;
        // Out of order, as networks do.
        broker
            .publish(&Outgoing::event(
                id,
                4,
                &delivery::Delivered(snapshot.clone()),
            ))
            .await
            .unwrap();
        broker
            .publish(&Outgoing::event(id, 3, &delivery::PickedUp(snapshot)))
            .await
            .unwrap();
    }
    for order in &orders {
        eventually("it is delivered", || async {
            stage.order(*order).await["status"] == "delivered"
        })
        .await;
    }
    let captures = stage
        .keys()
        .await
        .iter()
        .filter(|key| *key == "payment.capture")
        .count();
    assert_eq!(captures, orders.len(), "one capture each");

    background.end().await;
    wire.end().await;
}
