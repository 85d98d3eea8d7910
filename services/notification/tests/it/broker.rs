//! The whole service on a real broker: fact in, notification stored, fact out.

use std::env;
use std::time::Duration;

use quickbite_events::{AmqpArgs, Broker, Topology};
use quickbite_notification::spawn_background;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stage::{Cast, Stage};

#[tokio::test]
async fn facts_on_the_broker_become_notifications_once() {
    let url = env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL must name a RabbitMQ for this test");
    let (stage, cast) = (Stage::new().await, Cast::new());
    let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
    let args = AmqpArgs {
        amqp_url: url.clone().into(),
    };
    let broker = Broker::connect_to(&args, "notification-test", topology.clone());
    let (stop, last) = (CancellationToken::new(), CancellationToken::new());
    let tasks = spawn_background(&stage.app, &stage.worker, &broker, &stop, &last);
    let mut fact = cast.created();
    fact.envelope.correlationid = Some("order-7".into());
    // The first publish may come before the broker is reached.
    while !broker.is_connected() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..3 {
        broker.publish(&fact).await.unwrap();
    }
    broker.publish(&cast.confirmed()).await.unwrap();
    for _ in 0..400 {
        if stage.kinds(&cast.customer).await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut kinds = stage.kinds(&cast.customer).await;
    kinds.sort();
    assert_eq!(kinds, ["order.confirmed", "order.created"]);
    // Seen in the inbox comes just before settled, which announces it.
    let mut correlation: Vec<String> = Vec::new();
    for _ in 0..100 {
        correlation = correlations(&stage).await;
        if !correlation.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        correlation,
        ["order-7"],
        "the order's id reaches the last fact"
    );

    stop.cancel();
    last.cancel();
    tasks.wait().await;
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default())
        .await
        .unwrap();
    topology
        .delete(&connection.create_channel().await.unwrap())
        .await
        .unwrap();
}

/// The correlation ids of the facts about the delivered `order.created` notifications.
async fn correlations(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT DISTINCT message->'envelope'->>'correlationid' FROM outbox o JOIN notifications n \
         ON message->'envelope'->>'subject' = n.notification_id::text WHERE n.kind = 'order.created'",
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap()
}
