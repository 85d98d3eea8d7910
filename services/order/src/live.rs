//! What changes anywhere, heard here: one LISTEN connection and one Redis subscription per process feed all streams.

use std::time::Duration;

use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{ORDERS_CHANNEL, PROJECTIONS_CHANNEL};

const PAUSE: Duration = Duration::from_secs(1);
const BUFFER: usize = 1024;
const POSITIONS: &str = "positions:";

/// Something that a stream may care about.
#[derive(Clone, Debug)]
pub enum News {
    /// An order changed.
    Order(Uuid),
    /// A restaurant or an address is known better.
    Projection(Uuid),
    /// A driver moved: the order, and the position as JSON.
    Position(Uuid, String),
    /// Something may have been missed: look again.
    Unknown,
}

/// The process's ear.
#[derive(Clone, Debug)]
pub struct Live {
    sender: broadcast::Sender<News>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(BUFFER).0,
        }
    }
}

impl Live {
    /// How many listen now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Hears from now on. A listener that falls behind gets `Lagged` and must look again.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.sender.subscribe()
    }

    fn tell(&self, news: News) {
        // Nobody listening is fine.
        let _ = self.sender.send(news);
    }

    /// Follows the database until cancelled.
    pub async fn follow_database(self, pool: PgPool, cancel: CancellationToken) {
        let follow = async {
            loop {
                if let Err(error) = self.listen(&pool).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot follow the database"
                    );
                }
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = follow => {}
        }
    }

    async fn listen(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener
            .listen_all([ORDERS_CHANNEL, PROJECTIONS_CHANNEL])
            .await?;
        self.tell(News::Unknown);
        loop {
            // `None`: the connection was lost, and is made again by the next call.
            let Some(notification) = listener.try_recv().await? else {
                self.tell(News::Unknown);
                continue;
            };
            match (notification.channel(), notification.payload().parse()) {
                (ORDERS_CHANNEL, Ok(id)) => self.tell(News::Order(id)),
                (_, Ok(id)) => self.tell(News::Projection(id)),
                (_, Err(_)) => self.tell(News::Unknown),
            }
        }
    }

    /// Follows drivers' positions until cancelled. Without Redis, streams go on without them.
    pub async fn follow_positions(self, redis_url: SecretString, cancel: CancellationToken) {
        let follow = async {
            loop {
                if let Err(error) = self.subscribe_positions(&redis_url).await {
                    tracing::warn!(%error, "cannot follow positions");
                }
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = follow => {}
        }
    }

    async fn subscribe_positions(&self, redis_url: &SecretString) -> redis::RedisResult<()> {
        let client = redis::Client::open(redis_url.expose_secret())?;
        let mut pubsub = client.get_async_pubsub().await?;
        pubsub.psubscribe("positions:*").await?;
        let mut messages = pubsub.into_on_message();
        while let Some(message) = messages.next().await {
            let order = message
                .get_channel_name()
                .strip_prefix(POSITIONS)
                .and_then(|id| id.parse().ok());
            if let (Some(order), Ok(position)) = (order, message.get_payload::<String>()) {
                self.tell(News::Position(order, position));
            }
        }
        Ok(())
    }
}
