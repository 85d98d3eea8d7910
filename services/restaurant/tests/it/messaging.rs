//! From the outbox to the broker, and from the queue of commands to replies.

use std::time::Duration;

use axum::http::Method;
use mongodb::bson::{Document, doc};
use quickbite_events::command::restaurant::{ReserveTicket, TicketItem};
use quickbite_events::testing::TestBroker;
use quickbite_events::{AmqpArgs, Broker, Outgoing, Reply, queue};
use quickbite_http::{Background, Clock};
use quickbite_restaurant::spawn_background;
use quickbite_telemetry::{CorrelationId, correlation};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stage::{Stage, eventually};

/// The service's background on this broker.
fn working(stage: &Stage, broker: &Broker) -> Background {
    let background = Background::default();
    let (outbox, tickets) = (stage.outbox.clone(), stage.tickets.clone());
    spawn_background(&background, broker, outbox, tickets, &Clock::system());
    background
}

async fn unsent(stage: &Stage) -> u64 {
    let outbox = stage.mongo.database().collection::<Document>("outbox");
    let unsent = outbox.count_documents(doc! { "sent": false }).await;
    unsent.expect("a count")
}

#[tokio::test]
async fn what_changed_while_the_broker_was_away_is_told_in_order_and_once_by_the_next_process() {
    let stage = Stage::new().await;
    let nowhere = AmqpArgs {
        amqp_url: "amqp://127.0.0.1:1".into(),
    };
    let away = Broker::connect(&nowhere, "test");
    let background = working(&stage, &away);
    let (restaurant_id, path, _) = stage.open_restaurant().await;
    stage.send(Method::DELETE, &path, Value::Null).await;
    // Longer than the relay's tick: it has looked, and could do nothing.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(unsent(&stage).await, 4);
    background.end().await;

    let wire = TestBroker::connect().await;
    let mut facts = wire.listen(queue::ORDER_FACTS);
    let background = working(&stage, &wire.broker);
    for (key, sequence) in [
        ("restaurant.created", 1),
        ("restaurant.menu_revised", 2),
        ("restaurant.opened", 3),
        ("restaurant.deleted", 4),
    ] {
        let fact = facts.next().await;
        assert_eq!((fact.kind.as_str(), fact.sequence), (key, Some(sequence)));
        assert_eq!(fact.subject, restaurant_id);
    }
    eventually("the outbox is sent", || async { unsent(&stage).await == 0 }).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(facts.is_silent(), "told twice");
    background.end().await;
    wire.end().await;
}

#[tokio::test]
async fn what_is_committed_before_the_relay_is_told_to_end_is_still_sent() {
    let stage = Stage::new().await;
    let wire = TestBroker::connect().await;
    stage.open_restaurant().await;
    let told = CancellationToken::new();
    told.cancel();
    let (outbox, broker) = (stage.outbox.clone(), wire.broker.clone());
    outbox.relay(broker, Clock::system(), told).await;
    assert_eq!(unsent(&stage).await, 0);
    wire.end().await;
}

#[tokio::test]
async fn a_change_reaches_the_queue_of_facts_and_a_command_its_reply() {
    let stage = Stage::new().await;
    let wire = TestBroker::connect().await;
    let background = working(&stage, &wire.broker);
    let mut facts = wire.listen(queue::ORDER_FACTS);
    let mut replies = wire.listen(queue::ORDER_REPLIES);

    let (restaurant_id, _, item_id) = stage.open_restaurant().await;
    for (key, sequence) in [
        ("restaurant.created", 1),
        ("restaurant.menu_revised", 2),
        ("restaurant.opened", 3),
    ] {
        let fact = facts.next().await;
        assert_eq!((fact.kind.as_str(), fact.sequence), (key, Some(sequence)));
        assert_eq!(fact.subject, restaurant_id);
    }

    let order_id = Uuid::now_v7();
    let items = vec![TicketItem {
        item_id,
        quantity: 1,
        notes: None,
    }];
    let asked = ReserveTicket {
        order_id,
        restaurant_id,
        customer_id: Uuid::now_v7(),
        items,
    };
    let id = CorrelationId::fresh();
    let command =
        correlation::scope(id.clone(), async { Outgoing::command(order_id, &asked) }).await;
    wire.broker.publish(&command).await.expect("confirmed");
    let reply = replies.next().await;
    assert_eq!(reply.correlationid.as_deref(), Some(id.as_str()));
    assert_eq!(
        reply.parse::<Reply>().expect("a reply").command_id,
        command.envelope.id
    );
    eventually("the outbox is sent", || async { unsent(&stage).await == 0 }).await;
    background.end().await;
    wire.end().await;
}
