//! What becomes of messages that are repeated, that fail, and that cannot work.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use quickbite_events::topology::DELIVERY_LIMIT;
use quickbite_events::{Broker, Exchange, HandlerError, queue};
use quickbite_http::testing::appears;

use crate::stage::{Counting, Stage, amqp_url, eventually, fact};

const QUEUE: &str = queue::NOTIFICATION_FACTS;

fn consume(stage: &Stage, broker: &Broker, handler: &Counting) {
    let (broker, handler, cancel) = (broker.clone(), handler.clone(), stage.cancel.clone());
    tokio::spawn(broker.consume(QUEUE, 8, handler, cancel));
}

async fn channel() -> (lapin::Connection, lapin::Channel) {
    let connection =
        lapin::Connection::connect(&amqp_url(), lapin::ConnectionProperties::default())
            .await
            .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// The body of the one message that rests in `.dead`.
async fn dead_letter(stage: &Stage) -> Vec<u8> {
    let (_connection, channel) = channel().await;
    let dead = format!("{}.dead", stage.topology.queue(QUEUE));
    appears("a message in .dead", async || {
        let options = BasicGetOptions { no_ack: true };
        let got = channel.basic_get(dead.as_str().into(), options);
        Some(got.await.unwrap()?.delivery.data)
    })
    .await
}

#[tokio::test]
async fn a_repeated_message_has_one_effect() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    let message = fact();
    for _ in 0..5 {
        broker.publish(&message).await.unwrap();
    }
    consume(&stage, &broker, &handler);
    eventually("five deliveries", || async { handler.deliveries() == 5 }).await;
    eventually("the effect", || async { stage.effects().await > 0 }).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(stage.effects().await, 1);
    stage.end().await;
}

#[tokio::test]
async fn a_poisoned_message_goes_to_the_dead_at_once() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| {
        Err(HandlerError::poison(anyhow!("cannot be")))
    });
    consume(&stage, &broker, &handler);
    let message = fact();
    broker.publish(&message).await.unwrap();
    let dead = serde_json::from_slice(&dead_letter(&stage).await).unwrap();
    assert_eq!(message.envelope, dead);
    assert_eq!(handler.deliveries(), 1);
    stage.end().await;
}

#[tokio::test]
async fn what_is_no_envelope_goes_to_the_dead_and_the_next_message_is_read() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    consume(&stage, &broker, &handler);
    let (_connection, channel) = channel().await;
    let exchange = stage.topology.exchange(Exchange::Events);
    channel
        .basic_publish(
            exchange.into(),
            "user.disabled".into(),
            BasicPublishOptions::default(),
            b"{\"not\": \"an envelope\"",
            lapin::BasicProperties::default(),
        )
        .await
        .unwrap();
    broker.publish(&fact()).await.unwrap();
    assert_eq!(dead_letter(&stage).await, b"{\"not\": \"an envelope\"");
    eventually("the next effect", || async { stage.effects().await == 1 }).await;
    stage.end().await;
}

#[tokio::test]
async fn a_message_that_keeps_failing_rests_among_the_dead_after_its_limit() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| {
        Err(HandlerError::retry(anyhow!("not yet")))
    });
    consume(&stage, &broker, &handler);
    broker.publish(&fact()).await.unwrap();
    dead_letter(&stage).await;
    // The first delivery, and as many again as the limit allows.
    assert_eq!(handler.deliveries(), DELIVERY_LIMIT.unsigned_abs() + 1);
    stage.end().await;
}

static AWAY: AtomicBool = AtomicBool::new(true);

#[tokio::test]
async fn while_a_dependency_is_away_the_message_waits_and_its_limit_is_not_used_up() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| match AWAY.load(Ordering::SeqCst) {
        true => Err(HandlerError::Unavailable(anyhow!("database away"))),
        false => Ok(()),
    });
    consume(&stage, &broker, &handler);
    broker.publish(&fact()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(stage.effects().await, 0);
    AWAY.store(false, Ordering::SeqCst);
    eventually("the effect", || async { stage.effects().await == 1 }).await;
    stage.end().await;
}

#[tokio::test]
async fn a_consumer_that_is_told_to_stop_finishes_what_it_holds() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    for _ in 0..50 {
        broker.publish(&fact()).await.unwrap();
    }
    let reading = {
        let (broker, handler, cancel) = (broker.clone(), handler.clone(), stage.cancel.clone());
        tokio::spawn(async move { broker.consume(QUEUE, 8, handler, cancel).await })
    };
    eventually("it reads", || async { handler.deliveries() > 0 }).await;
    stage.cancel.cancel();
    reading.await.unwrap();
    assert_eq!(i64::from(handler.deliveries()), stage.effects().await);
    stage.end().await;
}
