//! The connection to RabbitMQ: supervised, so that start order and restarts of the broker do not matter.
//!
//! The client's own recovery is off: pending confirms fail in it and `basic_publish` can hang when the broker stops.
//! A task rebuilds the whole connection instead, declares the topology, and offers it to publishers and consumers.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::envelope::Outgoing;
use crate::topology::{Exchange, Topology};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
const LINK_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
const PERSISTENT: u8 = 2;

/// Where the broker is.
#[derive(Clone, Debug, clap::Args)]
pub struct AmqpArgs {
    /// RabbitMQ, as `amqp://user:password@host:5672/vhost`.
    #[arg(long = "amqp-url", env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: SecretString,
}

/// Why a message is not known to be at the broker. It may still be: publish it again, the inbox makes that harmless.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No connection within two seconds.
    #[error("the message broker is not connected")]
    Disconnected,
    /// No confirm within five seconds; the connection is rebuilt.
    #[error("the message broker did not confirm in time")]
    Unconfirmed,
    /// A command or reply that no queue takes.
    #[error("no queue takes {0}")]
    Unroutable(String),
    /// The broker refused it.
    #[error("the message broker refused the message")]
    Refused,
    /// The connection or channel failed.
    #[error("the message broker failed")]
    Amqp(#[source] lapin::Error),
}

/// A handle to the broker; clones share the connection, the last one to go closes it.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    link: watch::Receiver<Option<Arc<Link>>>,
    topology: Topology,
    supervisor: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// One living connection.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    publisher: Channel,
    broken: Notify,
}

impl Link {
    /// Gives the connection up: the supervisor builds another.
    pub(crate) fn give_up(&self) {
        self.broken.notify_one();
    }
}

impl Broker {
    /// Starts the supervisor and returns at once, connected or not. `service` names the connection at the broker.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(args: &AmqpArgs, service: &str) -> Self {
        Self::connect_to(args, service, Topology::platform())
    }

    /// As [`Broker::connect`], with names of its own: for tests.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_to(args: &AmqpArgs, service: &str, topology: Topology) -> Self {
        let (sender, link) = watch::channel(None);
        let supervised = supervise(
            args.clone(),
            format!("quickbite-{service}"),
            topology.clone(),
            sender,
        );
        let supervisor = tokio::spawn(supervised).abort_handle();
        Self {
            inner: Arc::new(Inner {
                link,
                topology,
                supervisor,
            }),
        }
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.inner
            .link
            .borrow()
            .as_ref()
            .is_some_and(|link| link.connection.status().connected())
    }

    /// The health check: connected now, or [`PublishError::Disconnected`].
    pub fn probe(&self) -> impl Fn() -> Ready<Result<(), PublishError>> + use<> {
        let broker = self.clone();
        move || {
            let connected = broker.is_connected().then_some(());
            ready(connected.ok_or(PublishError::Disconnected))
        }
    }

    /// The names in use.
    pub fn topology(&self) -> &Topology {
        &self.inner.topology
    }

    /// Publishes and waits for the confirm. Facts that nobody is bound to count as sent; commands and replies must
    /// reach a queue.
    ///
    /// # Errors
    /// See [`PublishError`]; in every case publishing the same message again is safe.
    pub async fn publish(&self, message: &Outgoing) -> Result<(), PublishError> {
        let link = timeout(LINK_TIMEOUT, self.link())
            .await
            .map_err(|_| PublishError::Disconnected)?;
        match timeout(CONFIRM_TIMEOUT, self.publish_on(&link, message)).await {
            Ok(Err(error @ PublishError::Amqp(_))) => {
                link.give_up();
                Err(error)
            }
            Ok(outcome) => outcome,
            Err(_) => {
                link.give_up();
                Err(PublishError::Unconfirmed)
            }
        }
    }

    async fn publish_on(&self, link: &Link, message: &Outgoing) -> Result<(), PublishError> {
        let envelope = &message.envelope;
        let body = serde_json::to_vec(envelope).expect("an envelope serialises to JSON");
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(envelope.id.to_string().into())
            .with_type(envelope.kind.as_str().into());
        let options = BasicPublishOptions {
            mandatory: message.exchange != Exchange::Events,
            ..Default::default()
        };
        let exchange = self.inner.topology.exchange(message.exchange);
        let confirmation = link
            .publisher
            .basic_publish(
                exchange.into(),
                message.routing_key.as_str().into(),
                options,
                &body,
                properties,
            )
            .await
            .map_err(PublishError::Amqp)?
            .await
            .map_err(PublishError::Amqp)?;
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => {
                Err(PublishError::Unroutable(message.routing_key.clone()))
            }
            Confirmation::Nack(_) | Confirmation::NotRequested => Err(PublishError::Refused),
        }
    }

    /// Waits for a living connection.
    pub(crate) async fn link(&self) -> Arc<Link> {
        let mut link = self.inner.link.clone();
        // The guard of the value is not Send: it must be gone before the next await.
        let living = link
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|living| living.clone());
        match living {
            Some(living) => living,
            // The supervisor lives as long as this handle; without it nothing will ever connect.
            None => std::future::pending().await,
        }
    }
}

async fn supervise(
    args: AmqpArgs,
    name: String,
    topology: Topology,
    offer: watch::Sender<Option<Arc<Link>>>,
) {
    let mut pause = BACKOFF.0;
    loop {
        let started = Instant::now();
        match timeout(CONNECT_TIMEOUT, open(&args, &name, &topology)).await {
            Ok(Ok(link)) => {
                tracing::info!("connected to the message broker");
                let link = Arc::new(link);
                offer.send_replace(Some(link.clone()));
                let why = until_broken(&link).await;
                offer.send_replace(None);
                tracing::warn!(why, "lost the message broker");
                let _ = timeout(
                    Duration::from_secs(1),
                    link.connection.close(200, "rebuild".into()),
                )
                .await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "cannot reach the message broker"),
            Err(_) => tracing::warn!("the message broker does not answer"),
        }
        if started.elapsed() > BACKOFF.1 {
            pause = BACKOFF.0;
        }
        sleep(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

async fn open(args: &AmqpArgs, name: &str, topology: &Topology) -> lapin::Result<Link> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connection = Connection::connect(args.amqp_url.expose_secret(), properties).await?;
    let publisher = connection.create_channel().await?;
    topology.declare(&publisher).await?;
    publisher
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok(Link {
        connection,
        publisher,
        broken: Notify::new(),
    })
}

async fn until_broken(link: &Link) -> &'static str {
    let mut events = link.connection.events_listener();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(lapin::Event::Error(_)) | None => return "the connection failed",
                Some(_) => {}
            },
            () = link.broken.notified() => return "a publish or consume failed",
            () = sleep(Duration::from_secs(1)) => if !link.connection.status().connected() {
                return "the connection is closed";
            },
        }
    }
}
