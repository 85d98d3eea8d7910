//! The whole service on a real broker: command in, reply and facts out.

use std::env;
use std::time::Duration;

use quickbite_driver::spawn_background;
use quickbite_events::{
    AmqpArgs, Broker, Envelope, Handler, HandlerError, Outcome, Outgoing, Reply, Topology, queue,
};
use quickbite_events::{Exchange, command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stage::{Stage, create_command};

struct Collect(UnboundedSender<Envelope>);

impl Handler for Collect {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        self.0.send(message).map_err(HandlerError::retry)
    }
}

#[tokio::test]
async fn a_command_on_the_broker_is_answered_and_its_facts_are_published() {
    let url = env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL must name a RabbitMQ for this test");
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
    let broker = Broker::connect_to(
        &AmqpArgs {
            amqp_url: url.clone().into(),
        },
        "driver-test",
        topology.clone(),
    );
    let (stop, last) = (CancellationToken::new(), CancellationToken::new());
    let tasks = spawn_background(&stage.app, &broker, &stop, &last);
    let (sender, mut received) = unbounded_channel();
    for queue in [queue::ORDER_REPLIES, queue::ORDER_FACTS] {
        let (broker, collect, stop) = (broker.clone(), Collect(sender.clone()), stop.clone());
        tokio::spawn(async move { broker.consume(queue, 10, collect, stop).await });
    }

    let order_id = Uuid::now_v7();
    let envelope = create_command(order_id);
    let command: command::driver::CreateDelivery = envelope.parse().unwrap();
    let mut sent = Outgoing::command(order_id, &command);
    sent.envelope.correlationid = Some("order-7".into());
    assert_eq!(sent.exchange, Exchange::Commands);
    // Declaring the topology may take longer than a publish waits.
    while !broker.is_connected() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..2 {
        broker.publish(&sent).await.unwrap();
    }
    let mut kinds = Vec::new();
    while !kinds.contains(&"delivery.offered".to_owned())
        || !kinds.contains(&"reply.order".to_owned())
    {
        let message = tokio::time::timeout(Duration::from_secs(20), received.recv())
            .await
            .expect("reply and facts come in time")
            .unwrap();
        assert_eq!(
            message.correlationid.as_deref(),
            Some("order-7"),
            "{}",
            message.kind
        );
        if message.kind == "reply.order" {
            let reply: Reply = message.parse().unwrap();
            assert_eq!((reply.order_id, reply.outcome), (order_id, Outcome::Ok));
        }
        kinds.push(message.kind);
    }
    stage.accept(&driver).await;
    assert_eq!(
        stage.replies().await.len(),
        1,
        "the doubled command has one reply"
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
