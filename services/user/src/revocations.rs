//! Tells gateways which sessions have ended, so that their access tokens stop within a second.
//!
//! The database is the truth, Redis the messenger: a revocation is announced at once, and again by a
//! loop until it was. When Redis comes back every living revocation is announced anew, because it
//! may have come back empty.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quickbite_http::Clock;
use quickbite_resilience::Redis;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{Revoked, Store};

const KEY: &str = "auth:revoked";
const CHANNEL: &str = "auth:revocations";
/// How long a request waits for Redis before it leaves the announcement to the loop.
const BOUND: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_secs(1);
const HOUSEKEEPING: Duration = Duration::from_secs(3600);

/// Announces revocations. Clones share everything.
#[derive(Clone)]
pub struct Announcer {
    store: Store,
    redis: Redis,
    access_ttl: Duration,
    clock: Clock,
}

impl Announcer {
    /// For sessions whose access tokens live for `access_ttl`.
    #[must_use]
    pub fn new(pool: PgPool, redis: Redis, access_ttl: Duration, clock: Clock) -> Self {
        Self {
            store: Store::new(pool),
            redis,
            access_ttl,
            clock,
        }
    }

    /// Announces these now. What fails is left to [`Self::run`]: the sessions have ended in the
    /// database already.
    pub async fn announce(&self, sessions: &[Revoked]) {
        if let Err(error) = self.try_announce(sessions).await {
            tracing::warn!(
                error = &*error,
                "gateways are not told yet of ended sessions"
            );
        }
    }

    async fn try_announce(
        &self,
        sessions: &[Revoked],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let now = self.clock.now();
        if sessions.is_empty() {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for session in sessions {
            let ends = self.ends(session);
            let left = ends.saturating_sub(now.as_second());
            if left > 0 {
                let sid = session.id.to_string();
                pipeline
                    .set_ex(format!("{KEY}:{sid}"), 1, left.unsigned_abs())
                    .ignore();
                pipeline.zadd(KEY, &sid, ends).ignore();
                pipeline.publish(CHANNEL, &sid).ignore();
            }
        }
        pipeline.zrembyscore(KEY, "-inf", now.as_second()).ignore();
        let () = self.redis.pipeline(BOUND, &pipeline).await?;
        let ids: Vec<Uuid> = sessions.iter().map(|session| session.id).collect();
        self.store.announced(&ids, now).await?;
        Ok(())
    }

    /// When the last access token of the session ends by itself, Unix seconds.
    fn ends(&self, session: &Revoked) -> i64 {
        let ttl = i64::try_from(self.access_ttl.as_secs()).unwrap_or(i64::MAX);
        // One second more: the token's own end is rounded down.
        session
            .revoked_at
            .as_second()
            .saturating_add(ttl)
            .saturating_add(1)
    }

    /// Announces what is left over, and everything again when Redis comes back; clears out what is
    /// long over. Until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut retry = tokio::time::interval(RETRY);
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let mut up = false;
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                _ = retry.tick(), if up => self.announce_since(None).await,
                _ = housekeeping.tick() => self.forget().await,
                now_up = self.redis.changed(up) => {
                    up = now_up;
                    if up { self.announce_since(Some(self.oldest_living())).await } else { Ok(()) }
                }
            };
            if let Err(error) = outcome {
                tracing::warn!(error = &*error, "revocations wait");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    fn oldest_living(&self) -> Timestamp {
        self.clock
            .now()
            .saturating_sub(self.ttl())
            .unwrap_or(Timestamp::MIN)
    }

    fn ttl(&self) -> SignedDuration {
        SignedDuration::try_from(self.access_ttl).unwrap_or(SignedDuration::MAX)
    }

    async fn announce_since(
        &self,
        since: Option<Timestamp>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let sessions = match since {
            Some(since) => self.store.revoked_since(since).await?,
            None => self.store.unannounced().await?,
        };
        self.try_announce(&sessions).await
    }

    async fn forget(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let forgotten = self.store.forget_sessions(self.oldest_living()).await?;
        if forgotten > 0 {
            tracing::info!(forgotten, "forgot sessions that are long over");
        }
        Ok(())
    }
}
