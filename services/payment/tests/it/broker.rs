//! A command comes over the real broker; its reply and its fact go back over it.

use quickbite_events::testing::TestBroker;
use quickbite_events::{Exchange, Outcome, Outgoing, Reply, queue};
use quickbite_http::Background;
use quickbite_payment::spawn_background;
use uuid::Uuid;

use crate::stage::{Stage, authorize};

#[tokio::test]
async fn a_command_over_the_broker_is_answered_and_told() {
    let stage = Stage::new().await;
    let (wire, background) = (TestBroker::connect().await, Background::default());
    spawn_background(&background, &wire.broker, &stage.pool, &stage.teller);
    let mut replies = wire.listen(queue::ORDER_REPLIES);
    let mut facts = wire.listen(queue::NOTIFICATION_FACTS);

    let command = authorize(Uuid::now_v7(), "tok_ok");
    let routing_key = command.kind.clone();
    let message = Outgoing {
        exchange: Exchange::Commands,
        routing_key,
        envelope: command.clone(),
    };
    wire.broker.publish(&message).await.expect("confirmed");
    let reply = replies.next().await;
    assert_eq!(reply.correlationid, command.correlationid);
    let reply: Reply = reply.parse().expect("a reply");
    assert_eq!((reply.command_id, reply.outcome), (command.id, Outcome::Ok));
    let fact = facts.next().await;
    assert_eq!(
        (fact.kind.as_str(), fact.sequence),
        ("payment.authorized", Some(1))
    );
    assert_eq!(fact.correlationid, command.correlationid);

    background.end().await;
    wire.end().await;
}
