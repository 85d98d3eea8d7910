//! A command comes over the real broker; its reply and its fact go back over it.

use std::env;
use std::time::Duration;

use quickbite_events::{
    AmqpArgs, Broker, Envelope, Exchange, Handler, HandlerError, Outcome, Outgoing, Reply,
    Topology, queue,
};
use quickbite_payment::spawn_messaging;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::stage::{Stage, authorize};

struct Listener(UnboundedSender<Envelope>);

impl Handler for Listener {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        let _ = self.0.send(message);
        Ok(())
    }
}

async fn next(from: &mut UnboundedReceiver<Envelope>) -> Envelope {
    timeout(Duration::from_secs(10), from.recv())
        .await
        .expect("in time")
        .expect("a message")
}

#[tokio::test]
async fn a_command_over_the_broker_is_answered_and_told() {
    let stage = Stage::new().await;
    let url = env::var("TEST_AMQP_URL")
        .unwrap_or_else(|_| panic!("TEST_AMQP_URL must name a RabbitMQ for this test"));
    let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
    let args = AmqpArgs {
        amqp_url: url.clone().into(),
    };
    let broker = Broker::connect_to(&args, "test", topology.clone());
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    spawn_messaging(&tasks, &broker, &stage.pool, &stage.teller, &cancel);
    let mut heard = Vec::new();
    for queue in [queue::ORDER_REPLIES, queue::NOTIFICATION_FACTS] {
        let (sender, receiver) = unbounded_channel();
        let (broker, cancel) = (broker.clone(), cancel.clone());
        tasks.spawn(async move { broker.consume(queue, 10, Listener(sender), cancel).await });
        heard.push(receiver);
    }
    let [mut replies, mut facts] = <[_; 2]>::try_from(heard).expect("two");

    let command = authorize(Uuid::now_v7(), "tok_ok");
    let routing_key = command.kind.clone();
    let message = Outgoing {
        exchange: Exchange::Commands,
        routing_key,
        envelope: command.clone(),
    };
    while broker.publish(&message).await.is_err() {}
    let reply = next(&mut replies).await;
    assert_eq!(reply.correlationid, command.correlationid);
    let reply: Reply = reply.parse().expect("a reply");
    assert_eq!((reply.command_id, reply.outcome), (command.id, Outcome::Ok));
    let fact = next(&mut facts).await;
    assert_eq!(
        (fact.kind.as_str(), fact.sequence),
        ("payment.authorized", Some(1))
    );
    assert_eq!(fact.correlationid, command.correlationid);

    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&url, properties)
        .await
        .expect("the broker");
    let channel = connection.create_channel().await.expect("a channel");
    topology.delete(&channel).await.expect("deleted");
}
