//! A Redis connection that is always either good or known to be away.
//!
//! The driver's own connection manager keeps a demoted master (`READONLY`) and a silent peer for
//! good, and makes callers wait while it reconnects. Here one supervisor task owns reconnecting;
//! callers fail at once while there is no link, and a link is thrown away on a broken socket, on
//! `READONLY`, and when a ping is not answered within half a second. Replies come in the order of
//! the commands, so that an answered ping means that everything before it was answered too. A
//! command that times out only makes the supervisor ping at once: callers wait for different times,
//! many at the same time, and some leave before the answer.

use std::future::{Ready, ready};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError,
    RedisResult, ServerErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

const SILENCE_THAT_BREAKS: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const PING_EVERY: Duration = Duration::from_secs(1);
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// The driver's default of 50 queued commands makes callers wait for each other under load.
const REQUEST_BUFFER: usize = 4096;

/// The URL of the server cannot be used. It is not repeated: it holds a password.
#[derive(Debug, thiserror::Error)]
#[error("the Redis URL is not valid")]
pub struct RedisConfigError;

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisAway {
    /// There is no connection at the moment; nothing was sent.
    #[error("no connection to Redis")]
    Down,
    /// No answer within the caller's bound; the command may or may not have run.
    #[error("Redis did not answer within {0:?}")]
    Slow(Duration),
    /// The server or the driver refused.
    #[error("Redis refused the command")]
    Refused(#[source] RedisError),
}

/// A handle to one Redis server. Cheap to clone; the last one dropped ends the supervisor.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    link: watch::Sender<Option<Link>>,
    /// A command timed out: the supervisor asks whether the server is still there.
    doubt: Arc<Notify>,
}

#[derive(Clone)]
struct Link {
    number: u64,
    connection: MultiplexedConnection,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("up", &self.is_up()).finish()
    }
}

impl Redis {
    /// Starts connecting in the background and returns at once. Needs a tokio runtime.
    ///
    /// # Errors
    /// Only when `url` is not a Redis URL.
    pub fn connect(url: &SecretString) -> Result<Self, RedisConfigError> {
        let client = Client::open(url.expose_secret()).map_err(|_| RedisConfigError)?;
        let (link, changes) = watch::channel(None);
        let doubt = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            client,
            link,
            doubt: Arc::clone(&doubt),
        });
        tokio::spawn(supervise(Arc::downgrade(&inner), changes, doubt));
        Ok(Self { inner })
    }

    /// Whether there is a connection that has not failed.
    pub fn is_up(&self) -> bool {
        self.inner.link.borrow().is_some()
    }

    /// The health check: connected now, or [`RedisAway::Down`].
    pub fn probe(&self) -> impl Fn() -> Ready<Result<(), RedisAway>> + use<> {
        let redis = self.clone();
        move || ready(redis.is_up().then_some(()).ok_or(RedisAway::Down))
    }

    /// Waits until there is a connection.
    pub async fn ready(&self) {
        let _ = self.inner.link.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits for the connection to come or go, and says whether there is one now.
    pub async fn changed(&self, seen: bool) -> bool {
        let mut changes = self.inner.link.subscribe();
        let _ = changes.wait_for(|link| link.is_some() != seen).await;
        !seen
    }

    /// Runs one command within `bound`.
    ///
    /// # Errors
    /// [`RedisAway`]; after `Slow` the command may still have run.
    pub async fn command<T: FromRedisValue>(
        &self,
        bound: Duration,
        command: &Cmd,
    ) -> Result<T, RedisAway> {
        self.with(bound, async |c| command.query_async(c).await)
            .await
    }

    /// Runs a pipeline (or a `MULTI` transaction) within `bound`.
    ///
    /// # Errors
    /// [`RedisAway`]; after `Slow` the commands may still have run.
    pub async fn pipeline<T: FromRedisValue>(
        &self,
        bound: Duration,
        pipeline: &Pipeline,
    ) -> Result<T, RedisAway> {
        self.with(bound, async |c| pipeline.query_async(c).await)
            .await
    }

    /// Runs a script by its hash, loading it when the server does not know it.
    ///
    /// # Errors
    /// [`RedisAway`]; after `Slow` the script may still have run.
    pub async fn script<T: FromRedisValue>(
        &self,
        bound: Duration,
        script: &redis::Script,
        keys: &[&str],
        args: &[&str],
    ) -> Result<T, RedisAway> {
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        for arg in args {
            call.arg(arg);
        }
        self.with(bound, async |c| call.invoke_async(c).await).await
    }

    /// A connection of its own for subscriptions, which cannot share the commands' one.
    ///
    /// # Errors
    /// [`RedisAway`] when the server cannot be reached; the caller retries.
    pub async fn subscriber(&self) -> Result<redis::aio::PubSub, RedisAway> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.inner.client.get_async_pubsub())
            .await
            .map_err(|_| RedisAway::Slow(CONNECT_TIMEOUT))?
            .map_err(RedisAway::Refused)
    }

    async fn with<T>(
        &self,
        bound: Duration,
        call: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, RedisAway> {
        let Some(mut link) = self.inner.link.borrow().clone() else {
            return Err(RedisAway::Down);
        };
        match tokio::time::timeout(bound, call(&mut link.connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if breaks_the_link(&error) {
                    self.discard(&link, "failed");
                }
                Err(RedisAway::Refused(error))
            }
            Err(_) => {
                self.inner.doubt.notify_one();
                Err(RedisAway::Slow(bound))
            }
        }
    }

    /// Drops the link when the server does not answer a ping.
    async fn ping(&self) {
        let Some(link) = self.inner.link.borrow().clone() else {
            return;
        };
        let ping = redis::cmd("PING");
        let pong = self.command::<redis::Value>(SILENCE_THAT_BREAKS, &ping);
        if let Err(RedisAway::Slow(_)) = pong.await {
            self.discard(&link, "does not answer");
        }
    }

    fn discard(&self, broken: &Link, why: &'static str) {
        let dropped = self.inner.link.send_if_modified(|link| {
            let same = link.as_ref().is_some_and(|l| l.number == broken.number);
            if same {
                *link = None;
            }
            same
        });
        if dropped {
            warn!(why, "the Redis connection is discarded");
        }
    }
}

fn breaks_the_link(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        )
}

async fn supervise(
    inner: std::sync::Weak<Inner>,
    mut changes: watch::Receiver<Option<Link>>,
    doubt: Arc<Notify>,
) {
    let mut number = 0;
    let mut backoff = BACKOFF.0;
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        match dial(&strong.client).await {
            Ok(connection) => {
                number += 1;
                backoff = BACKOFF.0;
                info!(number, "connected to Redis");
                strong.link.send_replace(Some(Link { number, connection }));
                drop(strong);
                if watch_link(&inner, &mut changes, &doubt).await.is_break() {
                    return;
                }
            }
            Err(error) => {
                drop(strong);
                if backoff == BACKOFF.0 {
                    warn!(error = %error.category(), "Redis cannot be reached, trying on");
                }
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
            }
        }
    }
}

/// Returns when the link is gone; breaks when the last handle is. Pings when a command timed out,
/// and every second, so that an idle process notices that the server went away too.
async fn watch_link(
    inner: &std::sync::Weak<Inner>,
    changes: &mut watch::Receiver<Option<Link>>,
    doubt: &Notify,
) -> ControlFlow<()> {
    loop {
        tokio::select! {
            gone = changes.wait_for(Option::is_none) => return match gone {
                Ok(_) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
            () = doubt.notified() => {}
            () = tokio::time::sleep(PING_EVERY) => {}
        }
        match inner.upgrade() {
            Some(inner) => Redis { inner }.ping().await,
            None => return ControlFlow::Break(()),
        }
    }
}

async fn dial(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(REQUEST_BUFFER);
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let pong: RedisResult<String> = tokio::time::timeout(
        CONNECT_TIMEOUT,
        redis::cmd("PING").query_async(&mut connection),
    )
    .await
    .unwrap_or_else(|_| Err((ErrorKind::Io, "PING has no answer").into()));
    pong.map(|_| connection)
}
