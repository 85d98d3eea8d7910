//! From the outbox to a queue, through what may happen to a broker.

use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, Outgoing, queue};
use uuid::Uuid;

use crate::proxy::Proxy;
use crate::stage::{Counting, Stage, amqp_url, eventually, fact};

fn relay(stage: &Stage, broker: &Broker) {
    let relay = Relay::new(stage.pool.clone(), broker.clone(), "test");
    tokio::spawn(relay.run(stage.cancel.clone()));
}

fn consume(stage: &Stage, broker: &Broker, handler: &Counting) {
    let (broker, handler, cancel) = (broker.clone(), handler.clone(), stage.cancel.clone());
    tokio::spawn(broker.consume(queue::NOTIFICATION_FACTS, 8, handler, cancel));
}

#[tokio::test]
async fn what_is_committed_is_sent_and_what_is_rolled_back_is_not() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    relay(&stage, &broker);
    consume(&stage, &broker, &handler);

    let mut given_up = stage.pool.begin().await.unwrap();
    quickbite_events::outbox::enqueue(&mut given_up, &[fact()])
        .await
        .unwrap();
    given_up.rollback().await.unwrap();
    for _ in 0..300 {
        stage.enqueue(&fact()).await;
    }

    eventually("300 effects", || async { stage.effects().await == 300 }).await;
    assert_eq!(stage.unsent().await, 0);
    assert_eq!(handler.deliveries(), 300);
    stage.end().await;
}

#[tokio::test]
async fn the_relay_goes_on_after_the_broker_was_away() {
    let stage = Stage::new().await;
    let wire = Proxy::to(&amqp_url()).await;
    let broker = stage.broker(wire.url()).await;
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    relay(&stage, &broker);
    consume(&stage, &broker, &handler);
    stage.enqueue(&fact()).await;
    eventually("the first effect", || async { stage.effects().await == 1 }).await;

    wire.cut();
    eventually("the loss is noticed", || async { !broker.is_connected() }).await;
    stage.enqueue(&fact()).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!((stage.unsent().await, stage.effects().await), (1, 1));
    wire.mend();

    eventually("the second effect", || async { stage.effects().await == 2 }).await;
    eventually("nothing is unsent", || async { stage.unsent().await == 0 }).await;
    stage.end().await;
}

#[tokio::test]
async fn what_is_committed_before_the_relay_is_told_to_end_is_still_sent() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    stage.enqueue(&fact()).await;
    stage.cancel.cancel();
    let relay = Relay::new(stage.pool.clone(), broker, "test");
    relay.run(stage.cancel.clone()).await;
    assert_eq!(stage.unsent().await, 0);
    stage.end().await;
}

#[tokio::test]
async fn a_message_whose_confirm_never_came_is_sent_again_and_has_one_effect() {
    let stage = Stage::new().await;
    let wire = Proxy::to(&amqp_url()).await;
    let (publisher, reader) = (
        stage.broker(wire.url()).await,
        stage.broker(amqp_url()).await,
    );
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    wire.deafen();
    relay(&stage, &publisher);
    consume(&stage, &reader, &handler);
    stage.enqueue(&fact()).await;

    eventually("it is sent", || async { stage.unsent().await == 0 }).await;
    eventually("it arrived twice", || async { handler.deliveries() >= 2 }).await;
    assert_eq!(stage.effects().await, 1);
    stage.end().await;
}

#[tokio::test]
async fn a_command_that_no_queue_takes_stays_unsent_and_holds_nothing_up() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    relay(&stage, &broker);
    let order_id = Uuid::now_v7();
    let command = quickbite_events::command::payment::Void {
        order_id,
        amount: None,
        reason: None,
    };
    let lost = Outgoing {
        routing_key: "nobody.does_this".into(),
        ..Outgoing::command(order_id, &command)
    };
    stage.enqueue(&lost).await;
    stage.enqueue(&Outgoing::command(order_id, &command)).await;

    let attempts = || async {
        sqlx::query_scalar::<_, i32>(
            "SELECT attempts FROM outbox WHERE id = $1 AND sent_at IS NULL",
        )
        .bind(lost.envelope.id)
        .fetch_one(&stage.pool)
        .await
        .unwrap()
    };
    eventually("it was tried twice", || async { attempts().await >= 2 }).await;
    assert_eq!(stage.unsent().await, 1, "the other was sent");
    stage.end().await;
}

#[tokio::test]
async fn two_relays_share_the_work_without_doubling_it() {
    let stage = Stage::new().await;
    let broker = stage.broker(amqp_url()).await;
    let handler = Counting::new(&stage.pool, |_| Ok(()));
    for _ in 0..500 {
        stage.enqueue(&fact()).await;
    }
    consume(&stage, &broker, &handler);
    relay(&stage, &broker);
    relay(&stage, &broker);
    eventually("500 effects", || async { stage.effects().await == 500 }).await;
    assert_eq!(handler.deliveries(), 500);
    stage.end().await;
}
