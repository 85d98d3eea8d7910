//! Sessions whose tokens stopped working before their end.
//!
//! The set is kept here and pushed to us, so that a check is a look into memory. While the
//! subscription is down, each request asks Redis for its own session; when Redis does not answer
//! either, what is known here decides: an outage of Redis must not lock everybody out.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use quickbite_auth::Clock;
use quickbite_resilience::{Redis, RedisAway};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const CHANNEL: &str = "auth:revocations";
const ALL: &str = "auth:revoked";
const PER_REQUEST: Duration = Duration::from_millis(50);
const LOAD: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);
/// A connection whose other end is gone looks like silence: it is asked, and has to answer.
const PING_EVERY: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Forgets what has run out by itself.
const RELOAD: Duration = Duration::from_secs(30);

/// Clones share the set.
#[derive(Clone)]
pub(crate) struct Revocations {
    inner: Arc<Inner>,
}

struct Inner {
    redis: Redis,
    clock: Clock,
    live: AtomicBool,
    revoked: watch::Sender<HashSet<Uuid>>,
}

impl Revocations {
    /// Starts following in the background until `stop`. Needs a tokio runtime.
    pub(crate) fn follow(redis: Redis, clock: Clock, stop: CancellationToken) -> Self {
        let this = Self {
            inner: Arc::new(Inner {
                redis,
                clock,
                live: AtomicBool::new(false),
                revoked: watch::Sender::default(),
            }),
        };
        let follower = this.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move { follower.run().await }));
        this
    }

    pub(crate) async fn is_revoked(&self, session: Uuid) -> bool {
        let known = self.inner.revoked.borrow().contains(&session);
        if known || self.inner.live.load(Ordering::Acquire) {
            return known;
        }
        let mut exists = redis::cmd("EXISTS");
        exists.arg(format!("{ALL}:{session}"));
        let answer = self.inner.redis.command::<u8>(PER_REQUEST, &exists).await;
        answer.is_ok_and(|there| there == 1)
    }

    /// Resolves when `session` is revoked. What is revoked while nothing is pushed is heard of when
    /// it is pushed again.
    pub(crate) async fn revoked(&self, session: Uuid) {
        let mut changes = self.inner.revoked.subscribe();
        // Fails only without a sender, and `self` has one.
        let _ = changes.wait_for(|revoked| revoked.contains(&session)).await;
    }

    async fn run(&self) {
        loop {
            let ended = self.subscription().await;
            if self.inner.live.swap(false, Ordering::AcqRel) {
                tracing::warn!("revocations are asked for one by one until they are pushed again");
            }
            if let Err(error) = ended {
                tracing::debug!(%error, "no subscription to revocations");
            }
            self.inner.redis.ready().await;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Subscribe first and load then: what is revoked in between comes twice rather than never.
    async fn subscription(&self) -> Result<(), RedisAway> {
        let mut subscriber = self.inner.redis.subscriber().await?;
        within(subscriber.subscribe(CHANNEL)).await?;
        self.load().await?;
        self.inner.live.store(true, Ordering::Release);
        tracing::info!("revocations are pushed");
        let (mut subscription, mut pushed) = subscriber.split();
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut reload = tokio::time::interval(RELOAD);
        reload.tick().await;
        loop {
            tokio::select! {
                message = pushed.next() => {
                    let Some(message) = message else { return Ok(()) };
                    if let Ok(session) = message.get_payload::<String>().map(|s| s.parse()) {
                        self.remember(session);
                    }
                }
                _ = ping.tick() => {
                    within(subscription.ping::<redis::Value>()).await?;
                }
                _ = reload.tick() => self.load().await?,
                up = self.inner.redis.changed(true) => if !up { return Ok(()) },
            }
        }
    }

    fn remember(&self, session: Result<Uuid, uuid::Error>) {
        match session {
            Ok(session) => {
                self.inner
                    .revoked
                    .send_if_modified(|revoked| revoked.insert(session));
            }
            Err(error) => tracing::warn!(%error, "a revocation that names no session"),
        }
    }

    /// Those that have not run out by themselves.
    async fn load(&self) -> Result<(), RedisAway> {
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range
            .arg(ALL)
            .arg(self.inner.clock.now().as_second())
            .arg("+inf");
        let sessions: Vec<String> = self.inner.redis.command(LOAD, &range).await?;
        let sessions = sessions.iter().filter_map(|s| s.parse().ok()).collect();
        self.inner.revoked.send_if_modified(|revoked| {
            let changed = *revoked != sessions;
            *revoked = sessions;
            changed
        });
        Ok(())
    }
}

/// The driver sets no limit to how long a subscription's connection may say nothing.
async fn within<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, RedisAway> {
    tokio::time::timeout(ANSWER_WITHIN, answer)
        .await
        .map_err(|_| RedisAway::Slow(ANSWER_WITHIN))?
        .map_err(RedisAway::Refused)
}
