//! The cache-aside read and the invalidation that goes with a write.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tracing::{debug, warn};

use super::entry::{Entry, Freshness, NEGATIVE_TTL, jittered};
use super::flights::{Flights, Landed, LoadError};
use super::store::{self, Place};
use super::{CacheKey, Outcome, metrics};
use crate::clock::{Clock, SystemClock};
use crate::redis_link::Redis;

/// How often a replica that waits for another's load looks for its result.
const POLL: Duration = Duration::from_millis(15);
/// A write waits this long for its invalidation; after that the reads bypass until it is through.
const INVALIDATE_BOUND: Duration = Duration::from_millis(250);

/// A cache in front of loaders that fail with `E`. Cheap to clone.
pub struct CacheAside<E> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    redis: Redis,
    clock: Arc<dyn Clock>,
    flights: Flights<E>,
    owed: Mutex<Owed>,
    bound: Duration,
}

/// Invalidations that could not be delivered; while there are any, nothing is read from Redis.
#[derive(Default)]
struct Owed {
    next: u64,
    /// By number, so that delivering one write's invalidation cannot strike out a later write's
    /// of the same key.
    open: BTreeMap<u64, Names>,
}

#[derive(Clone)]
struct Names {
    groups: Vec<String>,
    keys: Vec<String>,
}

impl<E> Clone for CacheAside<E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<E: Send + Sync + 'static> CacheAside<E> {
    /// A cache on this Redis, with the machine's clock.
    pub fn new(redis: Redis) -> Self {
        Self::with(redis, Arc::new(SystemClock::new()), store::BOUND)
    }

    /// The same with a given clock, and another bound than 50 ms on how long Redis may take.
    pub fn with(redis: Redis, clock: Arc<dyn Clock>, bound: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                redis,
                clock,
                flights: Flights::new(),
                owed: Mutex::default(),
                bound,
            }),
        }
    }

    /// The value of `key`: from Redis, or from `load`, which is asked once for all concurrent
    /// readers of the key and may go on in the background after the answer. `load` answers
    /// `Ok(None)` for "there is none", which is remembered for 30 s.
    ///
    /// # Errors
    /// Only what `load` fails with; Redis being away is never an error.
    pub async fn get_or_load<K, L, F>(
        &self,
        key: K,
        load: L,
    ) -> Result<(Option<K::Value>, Outcome), LoadError<E>>
    where
        K: CacheKey,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<K::Value>, E>> + Send + 'static,
    {
        let place = Place::of(&key);
        let found = match self.settled().await {
            true => store::read(&self.inner.redis, &place, self.inner.bound)
                .await
                .ok(),
            false => None,
        };
        let Some(found) = found else {
            let load = || async { as_json(timed::<K, _, _>(load).await) };
            let flight = self.inner.flights.board(place.key, load);
            metrics::answered(K::CACHE, Outcome::Bypass);
            return Ok((landed::<K, E>(flight.await)?, Outcome::Bypass));
        };

        let now_ms = self.inner.clock.wall().as_millisecond();
        let dice = 1.0 - rand::random::<f64>();
        if let Some(entry) = found.entry {
            let freshness = entry.freshness(&found.generation, now_ms, dice);
            let value = (freshness != Freshness::Void)
                .then(|| decode::<K>(entry.body.as_deref()))
                .flatten();
            if let Some(value) = value {
                let outcome = match freshness {
                    Freshness::Stale => Outcome::Stale,
                    Freshness::Fresh | Freshness::RenewEarly | Freshness::Void => Outcome::Hit,
                };
                if freshness != Freshness::Fresh {
                    drop(self.fly(key, place, found.generation, Purpose::Renew, load));
                }
                metrics::answered(K::CACHE, outcome);
                return Ok((value, outcome));
            }
        }

        let flight = self.fly(key, place, found.generation, Purpose::Fill, load);
        let value = landed::<K, E>(flight.await)?;
        metrics::answered(K::CACHE, Outcome::Miss);
        Ok((value, Outcome::Miss))
    }

    /// Makes every later read of these groups and keys see the database again. To be called after
    /// the write is committed and before it is answered. When Redis cannot be told, this process
    /// bypasses the cache until it can.
    pub async fn invalidate(&self, groups: &[&str], keys: &[&str]) {
        {
            let mut owed = self.owed();
            let number = owed.next;
            owed.next += 1;
            let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
            let names = Names {
                groups: own(groups),
                keys: own(keys),
            };
            owed.open.insert(number, names);
        }
        if !self.pay(INVALIDATE_BOUND).await {
            warn!("the cache could not be invalidated; reads bypass it until it is");
        }
    }

    /// The Redis handle this cache uses.
    pub fn redis(&self) -> &Redis {
        &self.inner.redis
    }

    /// Whether nothing is owed, after trying to deliver what was.
    async fn settled(&self) -> bool {
        let clean = self.owed().open.is_empty();
        clean || self.pay(self.inner.bound).await
    }

    async fn pay(&self, bound: Duration) -> bool {
        let open = self.owed().open.clone();
        let groups: BTreeSet<_> = open.values().flat_map(|n| n.groups.clone()).collect();
        let keys: BTreeSet<_> = open.values().flat_map(|n| n.keys.clone()).collect();
        let told = store::invalidate(&self.inner.redis, &groups, &keys, bound).await;
        if told.is_ok() {
            self.owed()
                .open
                .retain(|number, _| !open.contains_key(number));
        }
        told.is_ok()
    }

    fn owed(&self) -> std::sync::MutexGuard<'_, Owed> {
        self.inner
            .owed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn fly<K, L, F>(
        &self,
        key: K,
        place: Place,
        generation: String,
        purpose: Purpose,
        load: L,
    ) -> impl Future<Output = Landed<E>> + use<K, L, F, E>
    where
        K: CacheKey,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<K::Value>, E>> + Send + 'static,
    {
        let name = format!("{}|{generation}|{purpose:?}", place.key);
        let cache = self.clone();
        self.inner.flights.join(name, move || {
            cache.load_and_store(key, place, generation, purpose, load)
        })
    }

    async fn load_and_store<K, L, F>(
        self,
        key: K,
        place: Place,
        generation: String,
        purpose: Purpose,
        load: L,
    ) -> Landed<E>
    where
        K: CacheKey,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<K::Value>, E>> + Send + 'static,
    {
        let redis = &self.inner.redis;
        let token = format!("{:032x}", rand::random::<u128>());
        match store::lock(redis, &place, &token).await {
            Ok(true) => {}
            // Another replica renews it; the reader has its answer already.
            Ok(false) if purpose == Purpose::Renew => return Ok(None),
            Ok(false) => {
                if let Some(body) = self.await_other_replica::<K>(&place).await {
                    return Ok(body.map(Arc::from));
                }
            }
            Err(_) => debug!("loading without the refresh lock"),
        }
        let begun = self.inner.clock.monotonic();
        let loaded = timed::<K, _, _>(load).await;
        let took = self.inner.clock.monotonic().saturating_sub(begun);
        let body = match as_json(loaded) {
            Ok(body) => body,
            Err(error) => {
                store::unlock(redis, &place, &token).await;
                return Err(error);
            }
        };
        let ttl = match body {
            Some(_) => jittered(key.ttl(), rand::random()),
            None => NEGATIVE_TTL.min(key.ttl()),
        };
        let stale = body.as_ref().map_or(Duration::ZERO, |_| key.stale_for());
        let fresh_until = self.inner.clock.wall().as_millisecond() + ttl.as_millis() as i64;
        let tail = Entry::tail(fresh_until, took.as_millis() as i64, body.as_deref());
        let stored = store::store(redis, &place, &token, &generation, ttl + stale, &tail).await;
        debug!(cache = K::CACHE, stored = ?stored.is_ok_and(|s| s), "loaded");
        Ok(body)
    }

    /// What the replica that holds the lock stored, or `None` when it did not in time. Whatever is
    /// there is of a generation that is current now, so nobody sees less than they may.
    async fn await_other_replica<K: CacheKey>(&self, place: &Place) -> Option<Option<String>> {
        let give_up = tokio::time::Instant::now() + store::LOCK;
        while tokio::time::Instant::now() < give_up {
            tokio::time::sleep(POLL).await;
            let found = store::read(&self.inner.redis, place, self.inner.bound)
                .await
                .ok()?;
            if let Some(entry) = found.entry
                && entry.generation == found.generation
                && decode::<K>(entry.body.as_deref()).is_some()
            {
                return Some(entry.body);
            }
        }
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A reader waits for it.
    Fill,
    /// The reader was answered; this is for the next one.
    Renew,
}

fn as_json<V: Serialize, E>(loaded: Result<Option<V>, E>) -> Landed<E> {
    let value = loaded.map_err(|error| LoadError::Failed(Arc::new(error)))?;
    let json = value.as_ref().map(serde_json::to_string).transpose();
    let json = json.map_err(|error| LoadError::NotJson(Arc::new(error)))?;
    Ok(json.map(Arc::from))
}

/// What a flight brought. A type that cannot read what it wrote must not look like "there is none".
fn landed<K: CacheKey, E>(flight: Landed<E>) -> Result<Option<K::Value>, LoadError<E>> {
    let value = flight?.map(|json| serde_json::from_str(&json)).transpose();
    value.map_err(|error| LoadError::NotJson(Arc::new(error)))
}

/// `None` when the stored JSON is not of this type (another version wrote it): load again.
fn decode<K: CacheKey>(body: Option<&str>) -> Option<Option<K::Value>> {
    match body {
        None => Some(None),
        Some(json) => serde_json::from_str(json).ok().map(Some),
    }
}

async fn timed<K: CacheKey, F, E>(load: impl FnOnce() -> F) -> Result<Option<K::Value>, E>
where
    F: Future<Output = Result<Option<K::Value>, E>>,
{
    let begun = tokio::time::Instant::now();
    let value = load().await;
    metrics::loaded(K::CACHE, begun.elapsed());
    value
}
