//! The limiter of one replica alone, for as long as Redis is away.

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
    quota_window: Duration,
    last: Duration,
}

impl LocalLimiter {
    pub(super) fn take(&self, quota: Quota, key: &str, now: Duration) -> Reading {
        let mut known = self.lock();
        if known.len() >= SWEEP_AT {
            known.retain(|_, k| now.saturating_sub(k.last) < 2 * k.quota_window);
        }
        if !known.contains_key(key) {
            known.insert(key.to_owned(), Known::default());
        }
        let entry = known.get_mut(key).expect("just inserted");
        if entry.quota_window != quota.window {
            *entry = Known {
                quota_window: quota.window,
                ..Known::default()
            };
        }
        entry.last = now;
        entry.buckets.take(quota, now.as_millis() as u64)
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
