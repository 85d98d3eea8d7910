//! From the outbox to the broker, and from the queue of commands to replies.

use std::time::Duration;

use axum::http::Method;
use mongodb::bson::{Document, doc};
use quickbite_auth::Clock;
use quickbite_events::command::restaurant::{ReserveTicket, TicketItem};
use quickbite_events::{
    AmqpArgs, Broker, Envelope, Handler, HandlerError, Outgoing, Reply, Topology, queue,
};
use quickbite_restaurant::spawn_messaging;
use quickbite_telemetry::{CorrelationId, correlation};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::stage::{Stage, eventually, required};

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
        .expect("a message in time")
        .expect("a message")
}

/// The service's messaging on exchanges and queues of its own.
struct Wire {
    args: AmqpArgs,
    topology: Topology,
    broker: Broker,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Wire {
    async fn connect() -> Self {
        let args = AmqpArgs {
            amqp_url: required("TEST_AMQP_URL"),
        };
        let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
        let broker = Broker::connect_to(&args, "test", topology.clone());
        eventually("the broker is connected", || async {
            broker.is_connected()
        })
        .await;
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        Self {
            args,
            topology,
            broker,
            cancel,
            tasks,
        }
    }

    fn listen(&self, queue: &'static str) -> UnboundedReceiver<Envelope> {
        let (sender, receiver) = unbounded_channel();
        let (broker, cancel) = (self.broker.clone(), self.cancel.clone());
        self.tasks
            .spawn(async move { broker.consume(queue, 10, Listener(sender), cancel).await });
        receiver
    }

    fn serve(&self, stage: &Stage) {
        let (outbox, tickets) = (stage.outbox.clone(), stage.tickets.clone());
        let clock = Clock::system();
        spawn_messaging(
            &self.tasks,
            &self.broker,
            outbox,
            tickets,
            &clock,
            &self.cancel,
        );
    }

    async fn end(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let properties = lapin::ConnectionProperties::default();
        let url = self.args.amqp_url.expose_secret();
        let connection = lapin::Connection::connect(url, properties).await;
        let channel = connection.expect("the broker").create_channel().await;
        let channel = channel.expect("a channel");
        self.topology.delete(&channel).await.expect("deleted");
    }
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
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (outbox, tickets) = (stage.outbox.clone(), stage.tickets.clone());
    spawn_messaging(&tasks, &away, outbox, tickets, &Clock::system(), &cancel);
    let (restaurant_id, path, _) = stage.open_restaurant().await;
    stage.send(Method::DELETE, &path, Value::Null).await;
    // Longer than the relay's tick: it has looked, and could do nothing.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(unsent(&stage).await, 4);
    cancel.cancel();
    tasks.close();
    tasks.wait().await;

    let wire = Wire::connect().await;
    let mut facts = wire.listen(queue::ORDER_FACTS);
    wire.serve(&stage);
    for (key, sequence) in [
        ("restaurant.created", 1),
        ("restaurant.menu_revised", 2),
        ("restaurant.opened", 3),
        ("restaurant.deleted", 4),
    ] {
        let fact = next(&mut facts).await;
        assert_eq!((fact.kind.as_str(), fact.sequence), (key, Some(sequence)));
        assert_eq!(fact.subject, restaurant_id);
    }
    eventually("the outbox is sent", || async { unsent(&stage).await == 0 }).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(facts.try_recv().is_err(), "told twice");
    wire.end().await;
}

#[tokio::test]
async fn a_change_reaches_the_queue_of_facts_and_a_command_its_reply() {
    let stage = Stage::new().await;
    let wire = Wire::connect().await;
    wire.serve(&stage);
    let mut facts = wire.listen(queue::ORDER_FACTS);
    let mut replies = wire.listen(queue::ORDER_REPLIES);

    let (restaurant_id, _, item_id) = stage.open_restaurant().await;
    for (key, sequence) in [
        ("restaurant.created", 1),
        ("restaurant.menu_revised", 2),
        ("restaurant.opened", 3),
    ] {
        let fact = next(&mut facts).await;
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
    let reply = next(&mut replies).await;
    assert_eq!(reply.correlationid.as_deref(), Some(id.as_str()));
    assert_eq!(
        reply.parse::<Reply>().expect("a reply").command_id,
        command.envelope.id
    );
    eventually("the outbox is sent", || async { unsent(&stage).await == 0 }).await;
    wire.end().await;
}
