//! Cache-aside on Redis: typed keys, one flight per key, early refresh, invalidation without scans.
//!
//! Freshness is kept by generations, not by deleting: every stored value carries the generation of
//! its group that was read *before* the database was, and counts only while that generation is
//! still the current one. So a slow reader cannot bring back what a write has replaced, and a list
//! with unknown parameters is invalidated by one increment instead of a `SCAN`.
//!
//! The cache is never a reason to fail: without Redis, or past 50 ms, the loader answers.
//!
//! ```no_run
//! # use quickbite_resilience::cache::*; use std::time::Duration;
//! # async fn f(redis: quickbite_resilience::Redis) {
//! struct ById(u64);
//! impl CacheKey for ById {
//!     const CACHE: &'static str = "item";
//!     type Value = String;
//!     fn key(&self) -> String { format!("restaurant:{}", self.0) }
//!     fn group(&self) -> Group { Group::Own }
//!     fn ttl(&self) -> Duration { Duration::from_secs(600) }
//! }
//! let cache: CacheAside<std::io::Error> = CacheAside::new(redis);
//! let (value, outcome) = cache
//!     .get_or_load(ById(7), || async { Ok(Some("Luigi's".to_owned())) })
//!     .await
//!     .unwrap();
//! cache.invalidate(&["restaurants:list", "restaurants:search"], &["restaurant:7"]).await;
//! # let _ = (value, outcome.as_str());
//! # }
//! ```

mod aside;
mod entry;
mod flights;
mod metrics;
mod store;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use aside::CacheAside;
pub use flights::LoadError;

/// What invalidates a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Only itself, named in `keys` of [`CacheAside::invalidate`].
    Own,
    /// Every key of this name at once, named in `groups`: lists and searches.
    Named(&'static str),
}

/// A key that knows what it holds.
pub trait CacheKey: Send + Sync + 'static {
    /// The `cache` label of the metrics: one of a few fixed words.
    const CACHE: &'static str;

    /// What is stored under the key, as JSON.
    type Value: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The whole Redis key.
    fn key(&self) -> String;

    /// What invalidates it.
    fn group(&self) -> Group;

    /// How long a value is fresh, before jitter of ± 10 %.
    fn ttl(&self) -> Duration;

    /// How long past its TTL a value is still answered while it is being refreshed.
    fn stale_for(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// How a read was answered; the value of `X-Cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// From the cache, fresh.
    Hit,
    /// From the loader, now cached.
    Miss,
    /// From the cache, past its TTL; a refresh runs.
    Stale,
    /// From the loader because Redis is away or slow.
    Bypass,
}

impl Outcome {
    /// `hit`, `miss`, `stale` or `bypass`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
        }
    }
}
