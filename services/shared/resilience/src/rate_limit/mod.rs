//! A sliding-window rate limit that replicas share through Redis.
//!
//! Two buckets, the older one weighted by how much of it the window still covers; exact under
//! concurrency because one script reads and writes on the server, by the server's clock. A busy
//! client of a large limit is served from leases (at most a 400th of what is left), so that it costs
//! far less than a Redis call per request. What is leased is already counted, so the sum over
//! replicas never passes the limit; what is not used is given back within seconds, so that nearly
//! all of the limit is given out. A changed limit is applied to what was used so far; a changed
//! window starts a counter of its own.
//!
//! Every replica also counts for itself what it let pass. That count can only be lower than the
//! shared one, so it never refuses what Redis would grant; it spares Redis the clients that are over
//! their limit, and it is what decides while Redis is away: never an outage, never unlimited, and
//! no fresh quota for everybody each time the connection flaps.

mod lease;
mod local;
mod shared;
mod window;

use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use quickbite_telemetry::metrics::{self, Gauge};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::redis_link::Redis;
use lease::{HOLD, Leases, Spent, Unspent};
use local::LocalLimiter;
use shared::SharedCounter;
pub use window::Quota;
use window::Reading;

static DEGRADED: LazyLock<Gauge> = LazyLock::new(|| {
    metrics::gauge(
        "quickbite_rate_limit_degraded",
        "Whether limits are counted in this replica only (1) because Redis is away",
    )
});

/// How much may be taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// One, and it may be given back: for limits that count only some outcomes.
    Single,
    /// One for this request and perhaps some for the next ones from the same client.
    Lease,
}

/// The answer of the limiter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may pass.
    pub allowed: bool,
    /// The quota it was judged by.
    pub quota: Quota,
    /// What is left after this request.
    pub remaining: u32,
    /// Until the current bucket ends.
    pub reset: Duration,
    /// When it is worth to try again; zero when allowed.
    pub retry_after: Duration,
    receipt: Receipt,
}

/// The buckets that counted it: in Redis, where it was asked, and here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Receipt {
    shared: Option<u64>,
    local: u64,
}

/// A limiter must not become the slow part; past this the local count decides.
const BOUND: Duration = Duration::from_millis(50);

/// Counts in Redis, or locally when it is away. Cheap to clone.
#[derive(Clone)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    shared: SharedCounter,
    leases: Leases,
    local: LocalLimiter,
    clock: Arc<dyn Clock>,
}

impl RateLimiter {
    /// `prefix` starts every Redis key: `gw:limit` gives `gw:limit:{general:192.0.2.1}:900000`.
    /// Needs a tokio runtime.
    pub fn new(redis: Redis, prefix: &str, clock: Arc<dyn Clock>) -> Self {
        Self::with(redis, prefix, clock, BOUND)
    }

    /// The same with another bound than 50 ms on how long Redis may take.
    pub fn with(redis: Redis, prefix: &str, clock: Arc<dyn Clock>, bound: Duration) -> Self {
        DEGRADED.set(0.0);
        let inner = Arc::new(Inner {
            shared: SharedCounter::new(redis, prefix, bound),
            leases: Leases::default(),
            local: LocalLimiter::default(),
            clock,
        });
        tokio::spawn(give_back_overdue(Arc::downgrade(&inner)));
        Self { inner }
    }

    /// Takes one from what `key` may use under `quota`.
    pub async fn take(&self, quota: Quota, key: &str, draw: Draw) -> Decision {
        let inner = &self.inner;
        let now = inner.clock.monotonic();
        let own = inner.local.take(quota, key, inner.wall_ms());
        if own.granted == 0 {
            return own.decision(quota, own, None);
        }
        let fetching = match draw {
            Draw::Single => None,
            Draw::Lease => match inner.leases.spend(key, quota, now) {
                Spent::Leased(leased) => return leased.decision(quota, own, Some(leased.bucket)),
                Spent::AskForOne => None,
                Spent::Fetch(fetching) => Some(fetching),
            },
        };
        if let Some(stale) = fetching.as_ref().and_then(|f| f.stale.as_ref()) {
            inner.return_unspent(stale).await;
        }
        let want = fetching.as_ref().map_or(1, |fetching| fetching.want);
        match inner.shared.take(quota, key, want).await {
            Ok(shared) => {
                degraded(false);
                if shared.granted == 0 {
                    inner.local.give_back(quota, key, own.bucket);
                }
                if let Some(fetching) = fetching {
                    fetching.keep(quota, now, shared);
                }
                shared.decision(quota, own, Some(shared.bucket))
            }
            Err(_) => {
                degraded(true);
                own.decision(quota, own, None)
            }
        }
    }

    /// Gives back what `decision` took: the request turned out not to count.
    pub async fn give_back(&self, key: &str, decision: &Decision) {
        let Receipt { shared, local } = decision.receipt;
        if !decision.allowed {
            return;
        }
        let quota = decision.quota;
        self.inner.local.give_back(quota, key, local);
        if let Some(bucket) = shared {
            let one = Unspent {
                key: key.to_owned(),
                quota,
                bucket,
                amount: 1,
            };
            self.inner.return_unspent(&one).await;
        }
    }

    /// Gives back whatever this replica has leased and not used; for its end.
    pub async fn give_back_leases(&self) {
        for unspent in self.inner.leases.all() {
            self.inner.return_unspent(&unspent).await;
        }
    }
}

/// Until the last handle is gone.
async fn give_back_overdue(limiter: Weak<Inner>) {
    loop {
        tokio::time::sleep(HOLD / 4).await;
        let Some(inner) = limiter.upgrade() else {
            return;
        };
        for unspent in inner.leases.overdue(inner.clock.monotonic()) {
            inner.return_unspent(&unspent).await;
        }
    }
}

impl Inner {
    /// What cannot be given back stays counted: the safe side for the limit.
    async fn return_unspent(&self, unspent: &Unspent) {
        let _ = self.shared.give_back(unspent).await;
    }

    /// The calendar, as on the Redis server, so that both counts have the same buckets.
    fn wall_ms(&self) -> u64 {
        self.clock.wall().as_millisecond().unsigned_abs()
    }
}

impl Reading {
    fn decision(self, quota: Quota, own: Reading, shared: Option<u64>) -> Decision {
        Decision {
            allowed: self.granted > 0,
            quota,
            remaining: (self.left + self.granted.saturating_sub(1)).min(own.left),
            reset: self.reset,
            retry_after: self.retry_after,
            receipt: Receipt {
                shared,
                local: own.bucket,
            },
        }
    }
}

fn degraded(now: bool) {
    let before = DEGRADED.get() > 0.5;
    if before != now {
        DEGRADED.set(f64::from(u8::from(now)));
        match now {
            true => warn!("rate limits are counted in this replica only"),
            false => info!("rate limits are shared again"),
        }
    }
}
