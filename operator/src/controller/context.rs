//! What every reconcile shares: the client, leadership, metrics, what the cluster serves, and a
//! little memory per platform for backoff and for "several observations".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, ResourceExt};

use super::entropy::{Entropy, System};
use super::ownership::Identity;
use super::validate::Capabilities;
use super::writer::Writer;
use crate::api::QuickBitePlatform;
use crate::leader::Leadership;
use crate::metrics::Metrics;

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
    pub clock: fn() -> Timestamp,
    capabilities: Mutex<Capabilities>,
    entropy: Mutex<Box<dyn Entropy>>,
    memory: Mutex<HashMap<String, Memory>>,
}

/// What is remembered about a platform between reconciles. Losing it costs patience, not truth.
#[derive(Default, Clone, Copy)]
struct Memory {
    failures: u32,
    strikes: u32,
}

impl Context {
    /// A context for `client` with the operating system's randomness and clock.
    #[must_use]
    pub fn new(client: Client, leadership: Leadership, instance: Option<String>) -> Arc<Self> {
        let reporter = Reporter {
            controller: "quickbite-operator".to_owned(),
            instance,
        };
        Arc::new(Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            leadership,
            metrics: Metrics::register(),
            clock: crate::clock::now,
            capabilities: Mutex::default(),
            entropy: Mutex::new(Box::new(System::default())),
            memory: Mutex::default(),
        })
    }

    /// A writer for the children of `platform`.
    #[must_use]
    pub fn writer(&self, platform: &QuickBitePlatform) -> Writer {
        let namespace = platform.namespace().unwrap_or_default();
        let identity = Identity {
            name: platform.name_any(),
            uid: platform.uid().unwrap_or_default(),
        };
        Writer::new(
            self.client.clone(),
            namespace,
            identity,
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

    /// Counts a reconcile that found the platform well (`true`) or not, and returns how many in a
    /// row did not.
    pub fn observe(&self, platform: &QuickBitePlatform, well: bool) -> u32 {
        let mut memory = lock(&self.memory);
        let entry = memory.entry(key(platform)).or_default();
        entry.failures = 0;
        entry.strikes = if well {
            0
        } else {
            entry.strikes.saturating_add(1)
        };
        entry.strikes
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
