//! The whole service on a real broker: fact in, notification stored, fact out.

use quickbite_events::testing::TestBroker;
use quickbite_http::Background;
use quickbite_http::testing::eventually;
use quickbite_notification::spawn_background;

use crate::stage::{Cast, Stage};

#[tokio::test]
async fn facts_on_the_broker_become_notifications_once() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let (wire, background) = (TestBroker::connect().await, Background::default());
    spawn_background(&background, &stage.app, &stage.worker, &wire.broker);
    let mut fact = cast.created();
    fact.envelope.correlationid = Some("order-7".into());
    for _ in 0..3 {
        wire.broker.publish(&fact).await.unwrap();
    }
    wire.broker.publish(&cast.confirmed()).await.unwrap();
    eventually("two notifications", async || {
        stage.kinds(&cast.customer).await.len() == 2
    })
    .await;
    let mut kinds = stage.kinds(&cast.customer).await;
    kinds.sort();
    assert_eq!(kinds, ["order.confirmed", "order.created"]);
    // Seen in the inbox comes just before settled, which announces it.
    eventually("the order's id reaches the last fact", async || {
        correlations(&stage).await == ["order-7"]
    })
    .await;

    background.end().await;
    wire.end().await;
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
