//! From the outbox to the broker, and from the queue of commands to replies.

use std::time::Duration;

use quickbite_auth::Clock;
use quickbite_events::command::restaurant::{ReserveTicket, TicketItem};
use quickbite_events::{
    AmqpArgs, Broker, Envelope, Handler, HandlerError, Outgoing, Reply, Topology, queue,
};
use quickbite_restaurant::spawn_messaging;
use quickbite_telemetry::{CorrelationId, correlation};
use secrecy::ExposeSecret as _;
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

#[tokio::test]
async fn a_change_reaches_the_queue_of_facts_and_a_command_its_reply() {
    let stage = Stage::new().await;
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
    let (outbox, tickets) = (stage.outbox.clone(), stage.tickets.clone());
    spawn_messaging(&tasks, &broker, outbox, tickets, &Clock::system(), &cancel);
    let mut heard = Vec::new();
    for queue in [queue::ORDER_FACTS, queue::ORDER_REPLIES] {
        let (sender, receiver) = unbounded_channel();
        let (broker, cancel) = (broker.clone(), cancel.clone());
        tasks.spawn(async move { broker.consume(queue, 10, Listener(sender), cancel).await });
        heard.push(receiver);
    }
    let [mut facts, mut replies] = <[_; 2]>::try_from(heard).expect("two");

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
    broker.publish(&command).await.expect("confirmed");
    let reply = next(&mut replies).await;
    assert_eq!(reply.correlationid.as_deref(), Some(id.as_str()));
    assert_eq!(
        reply.parse::<Reply>().expect("a reply").command_id,
        command.envelope.id
    );
    eventually("the outbox is sent", || async {
        let unsent = mongodb::bson::doc! { "sent": false };
        let outbox = stage
            .mongo
            .database()
            .collection::<mongodb::bson::Document>("outbox");
        outbox
            .count_documents(unsent)
            .await
            .is_ok_and(|unsent| unsent == 0)
    })
    .await;

    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(args.amqp_url.expose_secret(), properties).await;
    let channel = connection
        .expect("the broker")
        .create_channel()
        .await
        .expect("a channel");
    topology.delete(&channel).await.expect("deleted");
}
