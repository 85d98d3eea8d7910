//! What this replica alone has let pass.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::window::{Buckets, Quota, Reading};

/// Past this many clients the forgotten ones are dropped, so that a flood of addresses cannot fill
/// the memory.
const SWEEP_AT: usize = 50_000;

#[derive(Default)]
pub(super) struct LocalLimiter(Mutex<HashMap<String, Known>>);

#[derive(Default)]
struct Known {
    buckets: Buckets,
    window: Duration,
    last_ms: u64,
}

impl LocalLimiter {
    pub(super) fn take(&self, quota: Quota, key: &str, now_ms: u64) -> Reading {
        let mut known = self.lock();
        if known.len() >= SWEEP_AT {
            let age = |k: &Known| Duration::from_millis(now_ms.saturating_sub(k.last_ms));
            known.retain(|_, k| age(k) < 2 * k.window);
        }
        if !known.contains_key(key) {
            known.insert(key.to_owned(), Known::default());
        }
        let entry = known.get_mut(key).expect("just inserted");
        if entry.window != quota.window {
            *entry = Known {
                window: quota.window,
                ..Known::default()
            };
        }
        entry.last_ms = now_ms;
        entry.buckets.take(quota, now_ms)
    }

    pub(super) fn give_back(&self, key: &str, bucket: u64) {
        if let Some(known) = self.lock().get_mut(key) {
            known.buckets.give_back(bucket);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
