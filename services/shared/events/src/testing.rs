//! For tests of services: a broker with exchanges and queues of the test's own, and what an outbox holds.

use std::env;
use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use sqlx::PgPool;
use sqlx::types::Json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broker::{AmqpArgs, Broker};
use crate::consume::{Handler, HandlerError};
use crate::envelope::{Envelope, Outgoing};
use crate::topology::Topology;

/// Names the broker that tests use.
pub const AMQP_URL: &str = "TEST_AMQP_URL";
const PATIENCE: Duration = Duration::from_secs(20);

/// The broker that tests use, with names that no other test has.
pub struct TestBroker {
    /// A connected handle.
    pub broker: Broker,
    listening: CancellationToken,
}

/// What came on a queue.
pub struct Heard(UnboundedReceiver<Envelope>);

struct Listener(UnboundedSender<Envelope>);

impl TestBroker {
    /// Connects.
    ///
    /// # Panics
    /// When TEST_AMQP_URL is unset or its server does not answer: such a test fails, it is not skipped.
    pub async fn connect() -> Self {
        let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
        let broker = Broker::connect_to(
            &AmqpArgs {
                amqp_url: url().into(),
            },
            "test",
            topology,
        );
        timeout(PATIENCE, broker.link())
            .await
            .expect("the test RabbitMQ answers");
        Self {
            broker,
            listening: CancellationToken::new(),
        }
    }

    /// Reads `queue` from now on, as the service that it belongs to would.
    pub fn listen(&self, queue: &'static str) -> Heard {
        let (sender, heard) = unbounded_channel();
        let (broker, listening) = (self.broker.clone(), self.listening.clone());
        tokio::spawn(broker.consume(queue, 10, Listener(sender), listening));
        Heard(heard)
    }

    /// Stops reading and removes the exchanges and queues.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn end(self) {
        self.listening.cancel();
        remove(self.broker.topology()).await;
    }
}

impl Heard {
    /// The next message.
    ///
    /// # Panics
    /// When none comes within twenty seconds.
    pub async fn next(&mut self) -> Envelope {
        timeout(PATIENCE, self.0.recv())
            .await
            .expect("a message in time")
            .expect("a message")
    }

    /// Whether all that came was taken.
    pub fn is_silent(&self) -> bool {
        self.0.is_empty()
    }
}

impl Handler for Listener {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        self.0.send(message).map_err(HandlerError::retry)
    }
}

/// The URL of the broker that tests use.
///
/// # Panics
/// When TEST_AMQP_URL is unset.
pub fn url() -> String {
    env::var(AMQP_URL).unwrap_or_else(|_| panic!("{AMQP_URL} must name a RabbitMQ for this test"))
}

/// Removes the exchanges and queues of `topology`.
///
/// # Panics
/// When the broker refuses.
pub async fn remove(topology: &Topology) {
    let connection = Connection::connect(&url(), ConnectionProperties::default())
        .await
        .expect("the test RabbitMQ answers");
    let channel = connection.create_channel().await.expect("a channel");
    topology.delete(&channel).await.expect("they are removed");
}

/// Every message that the service on `pool` wants sent, in order.
///
/// # Panics
/// When the database does not answer.
pub async fn outbox(pool: &PgPool) -> Vec<Outgoing> {
    let messages = sqlx::query_scalar("SELECT message FROM outbox ORDER BY position");
    let messages: Vec<Json<Outgoing>> = messages.fetch_all(pool).await.expect("the outbox");
    messages.into_iter().map(|message| message.0).collect()
}
