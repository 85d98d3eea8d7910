//! What every reconcile shares: the client, leadership, metrics, what the cluster serves, and a
//! little memory per platform for backoff and for "several observations".

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, ResourceExt};

use super::child::ChildKey;
use super::entropy::{Entropy, System};
use super::ownership::Identity;
use super::validate::Capabilities;
use super::writer::Writer;
use crate::api::QuickBitePlatform;
use crate::leader::Leadership;
use crate::metrics::Metrics;

/// Tells the time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Whether this process may write.
    pub leadership: Leadership,
    /// Counters of reconciles and writes.
    pub metrics: Metrics,
    /// Publishes events.
    pub recorder: Recorder,
    /// The time, passed in so that tests decide it.
    pub clock: Clock,
    capabilities: Mutex<Capabilities>,
    entropy: Mutex<Box<dyn Entropy>>,
    memory: Mutex<HashMap<String, Memory>>,
}

/// What is remembered about a platform between reconciles. Losing it costs patience, not truth.
#[derive(Default)]
struct Memory {
    failures: u32,
    unwell_since: Option<Timestamp>,
    /// When which object was last put back, oldest first.
    restored: Vec<(Timestamp, ChildKey)>,
}

/// So many times within so long somebody may change an object and see it put back; then it is left
/// and named, instead of written for ever.
const RESTORES: usize = 5;
const RESTORES_WITHIN: Duration = Duration::from_secs(600);

impl Context {
    /// A context for `client` with the operating system's randomness and clock.
    #[must_use]
    pub fn new(client: Client, leadership: Leadership, instance: Option<String>) -> Arc<Self> {
        Self::with_clock(client, leadership, instance, Box::new(crate::clock::now))
    }

    /// `new`, with another clock.
    #[must_use]
    pub fn with_clock(
        client: Client,
        leadership: Leadership,
        instance: Option<String>,
        clock: Clock,
    ) -> Arc<Self> {
        let reporter = Reporter {
            controller: "quickbite-operator".to_owned(),
            instance,
        };
        Arc::new(Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            leadership,
            metrics: Metrics::register(),
            clock,
            capabilities: Mutex::default(),
            entropy: Mutex::new(Box::new(System::default())),
            memory: Mutex::default(),
        })
    }

    /// A writer for the children of `platform`.
    #[must_use]
    pub fn writer(&self, platform: &QuickBitePlatform) -> Writer {
        let namespace = platform.namespace().unwrap_or_default();
        Writer::new(
            self.client.clone(),
            namespace,
            Identity::of(platform),
            self.leadership.clone(),
            self.metrics.clone(),
        )
    }

    /// Which optional kinds the cluster serves, as last seen.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        *lock(&self.capabilities)
    }

    /// Remembers which optional kinds the cluster serves.
    pub fn learn(&self, capabilities: Capabilities) {
        *lock(&self.capabilities) = capabilities;
    }

    /// Lends the source of new secrets.
    pub fn with_entropy<T>(&self, with: impl FnOnce(&mut dyn Entropy) -> T) -> T {
        with(lock(&self.entropy).as_mut())
    }

    /// Notes whether a reconcile found the platform well, and returns for how long it has not been.
    pub fn observe(&self, platform: &QuickBitePlatform, well: bool) -> Duration {
        let now = (self.clock)();
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key(platform)).or_default();
        entry.failures = 0;
        if well {
            entry.unwell_since = None;
            return Duration::ZERO;
        }
        let since = *entry.unwell_since.get_or_insert(now);
        Duration::try_from(now.duration_since(since)).unwrap_or_default()
    }

    /// Notes that objects were put back.
    pub fn restored(&self, platform: &QuickBitePlatform, keys: &[ChildKey]) {
        let now = (self.clock)();
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key(platform)).or_default();
        entry
            .restored
            .extend(keys.iter().map(|key| (now, key.clone())));
    }

    /// Objects that were put back so often of late that somebody must be changing them for ever.
    pub fn contested(&self, platform: &QuickBitePlatform) -> BTreeSet<ChildKey> {
        let now = (self.clock)();
        let mut memory = lock(&self.memory);
        let restored = &mut memory.entry(key(platform)).or_default().restored;
        restored.retain(|(at, _)| now.duration_since(*at).unsigned_abs() < RESTORES_WITHIN);
        let times = |key: &ChildKey| restored.iter().filter(|(_, of)| of == key).count();
        let keys = restored.iter().map(|(_, key)| key);
        keys.filter(|key| times(key) >= RESTORES).cloned().collect()
    }

    /// How long to wait after one more failed reconcile: 1 s, doubling to 5 min, ± 20 %.
    pub fn backoff(&self, platform: &str) -> Duration {
        let failures = {
            let mut memory = lock(&self.memory);
            let entry = memory.entry(platform.to_owned()).or_default();
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        };
        let base = (1_u64 << (failures - 1).min(9)).min(300);
        self.jitter(Duration::from_secs(base))
    }

    /// `base` ± 20 %, so that many platforms do not come back at once.
    pub fn jitter(&self, base: Duration) -> Duration {
        let mut byte = [0];
        self.with_entropy(|entropy| entropy.fill(&mut byte));
        base.mul_f64(0.8 + 0.4 * f64::from(byte[0]) / 255.0)
    }

    /// Forgets a platform that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        lock(&self.memory).remove(&format!("{namespace}/{name}"));
        self.metrics.forget(namespace, name);
    }
}

fn key(platform: &QuickBitePlatform) -> String {
    format!(
        "{}/{}",
        platform.namespace().unwrap_or_default(),
        platform.name_any()
    )
}

/// A panic elsewhere does not make the value behind a lock wrong: each is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
