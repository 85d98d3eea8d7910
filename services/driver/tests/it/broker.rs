//! The whole service on a real broker: command in, reply and facts out.

use quickbite_driver::spawn_background;
use quickbite_events::testing::TestBroker;
use quickbite_events::{Exchange, command};
use quickbite_events::{Outcome, Outgoing, Reply, queue};
use quickbite_http::Background;
use uuid::Uuid;

use crate::stage::{Stage, create_command};

#[tokio::test]
async fn a_command_on_the_broker_is_answered_and_its_facts_are_published() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (wire, background) = (TestBroker::connect().await, Background::default());
    spawn_background(&background, &stage.app, &wire.broker);
    let mut replies = wire.listen(queue::ORDER_REPLIES);
    let mut facts = wire.listen(queue::ORDER_FACTS);

    let order_id = Uuid::now_v7();
    let envelope = create_command(order_id);
    let command: command::driver::CreateDelivery = envelope.parse().unwrap();
    let mut sent = Outgoing::command(order_id, &command);
    sent.envelope.correlationid = Some("order-7".into());
    assert_eq!(sent.exchange, Exchange::Commands);
    for _ in 0..2 {
        wire.broker.publish(&sent).await.unwrap();
    }
    let reply = replies.next().await;
    assert_eq!(reply.correlationid.as_deref(), Some("order-7"));
    let reply: Reply = reply.parse().unwrap();
    assert_eq!((reply.order_id, reply.outcome), (order_id, Outcome::Ok));
    loop {
        let fact = facts.next().await;
        let id = fact.correlationid.as_deref();
        assert_eq!(id, Some("order-7"), "{}", fact.kind);
        if fact.kind == "delivery.offered" {
            break;
        }
    }
    stage.accept(&driver).await;
    let replied = stage.replies().await.len();
    assert_eq!(replied, 1, "the doubled command has one reply");

    background.end().await;
    wire.end().await;
}
