//! The whole service on a real broker, with participants that answer on their queues.

use std::env;

use quickbite_events::payload::delivery;
use quickbite_events::payload::restaurant::RestaurantSnapshot;
use quickbite_events::{
    AmqpArgs, Broker, Envelope, Handler, HandlerError, Outgoing, Topology, queue,
};
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
    let url = env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL must name a RabbitMQ for this test");
    let mut stage = Stage::empty().await;
    stage.restaurant.auto_accept = true;
    let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
    let args = AmqpArgs {
        amqp_url: url.clone().into(),
    };
    let broker = Broker::connect_to(&args, "order-test", topology.clone());
    let tasks = spawn_background(&stage.app, &stage.pool, &broker, &stage.cancel);
    for queue in [
        queue::RESTAURANT_COMMANDS,
        queue::PAYMENT_COMMANDS,
        queue::DRIVER_COMMANDS,
    ] {
        let handler = Doubling {
            broker: broker.clone(),
            restaurant: stage.restaurant.clone(),
        };
        let (broker, cancel) = (broker.clone(), stage.cancel.clone());
        tasks.spawn(async move { broker.consume(queue, 8, handler, cancel).await });
    }
    eventually("the broker is connected", || async {
        broker.is_connected()
    })
    .await;
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

    stage.cancel.cancel();
    tasks.close();
    tasks.wait().await;
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
        .await
        .unwrap();
    topology
        .delete(&connection.create_channel().await.unwrap())
        .await
        .unwrap();
}
