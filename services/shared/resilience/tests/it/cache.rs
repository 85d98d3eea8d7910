use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use quickbite_resilience::cache::{CacheAside, CacheKey, Group, LoadError, Outcome};
use quickbite_resilience::{ManualClock, Redis};
use quickbite_telemetry::metrics;

use crate::support::{Cable, clock, redis, unique};

#[derive(Debug, thiserror::Error)]
#[error("the database is on fire")]
struct OnFire;

#[derive(Clone)]
struct Item(String);

impl CacheKey for Item {
    const CACHE: &'static str = "test_item";
    type Value = String;
    fn key(&self) -> String {
        self.0.clone()
    }
    fn group(&self) -> Group {
        Group::Own
    }
    fn ttl(&self) -> Duration {
        Duration::from_secs(100)
    }
}

struct List(String);

impl CacheKey for List {
    const CACHE: &'static str = "test_list";
    type Value = u64;
    fn key(&self) -> String {
        self.0.clone()
    }
    fn group(&self) -> Group {
        Group::Named("test:lists")
    }
    fn ttl(&self) -> Duration {
        Duration::from_secs(100)
    }
}

/// On a busy machine 50 ms pass quickly; the tests that are not about them allow more.
fn cache(redis: Redis) -> CacheAside<OnFire> {
    CacheAside::with(redis, clock(), Duration::from_secs(5))
}

fn says(value: &str) -> impl Future<Output = Result<Option<String>, OnFire>> + Send + use<> {
    let value = value.to_owned();
    async move { Ok(Some(value)) }
}

/// Reads that this process answered past the cache.
fn bypassed(cache: &str) -> u64 {
    let name = "quickbite_cache_requests_total";
    let answers = metrics::counter_vec(name, "", &["cache", "outcome"]);
    answers.with_label_values(&[cache, "bypass"]).get()
}

async fn read(cache: &CacheAside<OnFire>, item: &Item, database: &str) -> (String, Outcome) {
    let database = database.to_owned();
    let load = move || says(&database);
    let (value, outcome) = cache.get_or_load(item.clone(), load).await.unwrap();
    (value.unwrap(), outcome)
}

#[tokio::test]
async fn the_second_read_is_a_hit() {
    let (cache, item) = (cache(redis().await), Item(unique("hit")));
    assert_eq!(
        read(&cache, &item, "one").await,
        ("one".into(), Outcome::Miss)
    );
    assert_eq!(
        read(&cache, &item, "two").await,
        ("one".into(), Outcome::Hit)
    );
}

#[tokio::test]
async fn a_read_after_an_invalidation_sees_the_database() {
    let (cache, item) = (cache(redis().await), Item(unique("invalidate")));
    read(&cache, &item, "old").await;
    cache.invalidate(&[], &[&item.0]).await;
    assert_eq!(
        read(&cache, &item, "new").await,
        ("new".into(), Outcome::Miss)
    );
}

#[tokio::test]
async fn one_write_invalidates_every_list_of_its_group() {
    let cache = cache(redis().await);
    let names = [unique("list-a"), unique("list-b")];
    for name in &names {
        let key = List(name.clone());
        cache
            .get_or_load(key, || async { Ok(Some(1)) })
            .await
            .unwrap();
    }
    cache.invalidate(&["test:lists"], &[]).await;
    for name in names {
        let read = cache
            .get_or_load(List(name), || async { Ok(Some(2)) })
            .await;
        assert_eq!(read.unwrap().0, Some(2));
    }
}

#[tokio::test]
async fn a_slow_reader_cannot_bring_back_what_a_write_replaced() {
    let (cache, item) = (cache(redis().await), Item(unique("race")));
    let (loading, begun) = tokio::sync::oneshot::channel();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let slow = tokio::spawn({
        let (cache, item) = (cache.clone(), item.clone());
        async move {
            cache
                .get_or_load(item, || async move {
                    loading.send(()).unwrap();
                    finished.await.unwrap();
                    Ok(Some("old".to_owned()))
                })
                .await
        }
    });
    begun.await.unwrap();
    cache.invalidate(&[], &[&item.0]).await;
    finish.send(()).unwrap();
    assert_eq!(slow.await.unwrap().unwrap().0.as_deref(), Some("old"));
    assert_eq!(read(&cache, &item, "new").await.0, "new");
}

#[tokio::test]
async fn a_read_that_starts_after_a_write_does_not_join_an_older_load() {
    let (cache, item) = (cache(redis().await), Item(unique("join")));
    let (loading, begun) = tokio::sync::oneshot::channel();
    let held = tokio::spawn({
        let (cache, item) = (cache.clone(), item.clone());
        async move {
            let load = || async move {
                loading.send(()).unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok(Some("old".to_owned()))
            };
            cache.get_or_load(item, load).await
        }
    });
    begun.await.unwrap();
    cache.invalidate(&[], &[&item.0]).await;
    assert_eq!(read(&cache, &item, "new").await.0, "new");
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn absence_is_remembered() {
    let (cache, item) = (cache(redis().await), Item(unique("absent")));
    let load = || async { Ok(None) };
    assert_eq!(
        cache.get_or_load(item.clone(), load).await.unwrap(),
        (None, Outcome::Miss)
    );
    assert_eq!(
        cache.get_or_load(item.clone(), load).await.unwrap(),
        (None, Outcome::Hit)
    );
}

#[tokio::test]
async fn a_failing_load_fails_the_read_and_is_not_remembered() {
    let (cache, item) = (cache(redis().await), Item(unique("fails")));
    let failing = || async { Err(OnFire) };
    let error = cache.get_or_load(item.clone(), failing).await.unwrap_err();
    assert!(matches!(error, LoadError::Failed(_)));
    assert_eq!(
        read(&cache, &item, "one").await,
        ("one".into(), Outcome::Miss)
    );
}

/// It cannot read what it wrote.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Crooked {
    #[serde(rename(serialize = "written"))]
    read: u64,
}

struct CrookedKey(String);

impl CacheKey for CrookedKey {
    const CACHE: &'static str = "test_crooked";
    type Value = Crooked;
    fn key(&self) -> String {
        self.0.clone()
    }
    fn group(&self) -> Group {
        Group::Own
    }
    fn ttl(&self) -> Duration {
        Duration::from_secs(100)
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_read_back_is_an_error_and_not_an_absence() {
    let cable = Cable::laid().await;
    let cache = cache(cable.redis().await);
    let key = || CrookedKey(unique("crooked"));
    let load = || async { Ok(Some(Crooked { read: 1 })) };
    let missed = cache.get_or_load(key(), load).await.unwrap_err();
    assert!(matches!(missed, LoadError::NotJson(_)), "{missed}");
    cable.cut();
    let bypassed = cache.get_or_load(key(), load).await.unwrap_err();
    assert!(matches!(bypassed, LoadError::NotJson(_)), "{bypassed}");
}

#[tokio::test]
async fn a_panicking_load_fails_the_read_and_frees_the_key() {
    let (cache, item) = (cache(redis().await), Item(unique("panics")));
    let panicking = || async { panic!("a bug in the loader") };
    let error = cache
        .get_or_load(item.clone(), panicking)
        .await
        .unwrap_err();
    assert!(matches!(error, LoadError::Panicked));
}

#[tokio::test]
async fn past_its_time_a_value_is_answered_as_stale_and_renewed_behind() {
    let clock = Arc::new(ManualClock::new());
    let cache = CacheAside::with(redis().await, clock.clone(), Duration::from_secs(5));
    let item = Item(unique("stale"));
    read(&cache, &item, "old").await;
    clock.advance(Duration::from_secs(111));
    assert_eq!(
        read(&cache, &item, "new").await,
        ("old".into(), Outcome::Stale)
    );
    tokio::time::timeout(Duration::from_secs(5), async {
        while read(&cache, &item, "newer").await != ("new".into(), Outcome::Hit) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the renewed value arrives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_misses_over_two_replicas_read_the_database_at_most_twice() {
    let replicas = [cache(redis().await), cache(redis().await)];
    let name = unique("stampede");
    let reads = Arc::new(AtomicU32::new(0));
    let all = (0..1_000).map(|i| {
        let (cache, item, reads) = (
            replicas[i % 2].clone(),
            Item(name.clone()),
            Arc::clone(&reads),
        );
        tokio::spawn(async move {
            let load = move || async move {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(Some("value".to_owned()))
            };
            cache.get_or_load(item, load).await.unwrap().0
        })
    });
    for read in futures::future::join_all(all).await {
        assert_eq!(read.unwrap().as_deref(), Some("value"));
    }
    assert!(reads.load(Ordering::SeqCst) <= 2, "{reads:?} reads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_database_answers() {
    let cable = Cable::laid().await;
    let cache = CacheAside::new(cable.redis().await);
    let item = Item(unique("away"));
    read(&cache, &item, "one").await;
    cable.cut();
    assert_eq!(
        read(&cache, &item, "two").await,
        ("two".into(), Outcome::Bypass)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_thousand_readers_read_the_database_twice() {
    let cable = Cable::laid().await;
    let cache = CacheAside::<OnFire>::new(cable.redis().await);
    cable.cut();
    let item = Item(unique("crowd"));
    let reads = Arc::new(AtomicU32::new(0));
    let (first, begun) = tokio::sync::oneshot::channel();
    let first = Arc::new(std::sync::Mutex::new(Some(first)));
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let reader = || {
        let (cache, item, reads) = (cache.clone(), item.clone(), Arc::clone(&reads));
        let (first, go) = (Arc::clone(&first), Arc::clone(&go));
        tokio::spawn(async move {
            let load = move || async move {
                reads.fetch_add(1, Ordering::SeqCst);
                if let Some(first) = first.lock().unwrap().take() {
                    first.send(()).unwrap();
                }
                let _ = go.acquire().await.unwrap();
                Ok(Some("value".to_owned()))
            };
            cache.get_or_load(item, load).await.unwrap()
        })
    };
    let mut readers = vec![reader()];
    begun.await.unwrap();
    readers.extend((1..1_000).map(|_| reader()));
    while bypassed("test_item") < 1_000 {
        tokio::task::yield_now().await;
    }
    go.add_permits(1);
    for reader in readers {
        assert_eq!(
            reader.await.unwrap(),
            (Some("value".to_owned()), Outcome::Bypass)
        );
    }
    assert_eq!(reads.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_costs_a_read_a_fraction_of_a_second() {
    let cable = Cable::laid().await;
    let cache = CacheAside::new(cable.redis().await);
    cable.silence();
    let item = Item(unique("silent"));
    let read = tokio::time::timeout(Duration::from_millis(500), read(&cache, &item, "two")).await;
    assert_eq!(read.expect("quickly"), ("two".into(), Outcome::Bypass));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_during_an_outage_is_seen_after_it() {
    let cable = Cable::laid().await;
    let link = cable.redis().await;
    let cache = cache(link.clone());
    let item = Item(unique("owed"));
    read(&cache, &item, "old").await;
    cable.cut();
    cache.invalidate(&[], &[&item.0]).await;
    cable.mend();
    link.ready().await;
    assert_eq!(read(&cache, &item, "new").await.0, "new");
}

/// Random writes and reads over two replicas: no read that begins after a write was answered sees
/// less than that write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_sees_less_than_the_last_answered_write() {
    let replicas = [cache(redis().await), cache(redis().await)];
    let name = unique("linear");
    let (database, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let readers = (0..8).map(|r| {
        let (cache, name) = (replicas[r % 2].clone(), name.clone());
        let (database, answered) = (Arc::clone(&database), Arc::clone(&answered));
        tokio::spawn(async move {
            for _ in 0..100 {
                let floor = answered.load(Ordering::SeqCst);
                let database = Arc::clone(&database);
                let load = move || async move {
                    let seen = database.load(Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(seen % 4)).await;
                    Ok(Some(seen.to_string()))
                };
                let (value, _) = cache.get_or_load(Item(name.clone()), load).await.unwrap();
                let seen: u64 = value.unwrap().parse().unwrap();
                assert!(seen >= floor, "saw {seen} after {floor} was answered");
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for write in 1..=50 {
        database.store(write, Ordering::SeqCst);
        replicas[(write % 2) as usize]
            .invalidate(&[], &[&name])
            .await;
        answered.store(write, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
