//! What this replica alone has let pass.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::window::{Buckets, Quota, Reading};

/// Past this many clients the memory is cleaned, so that a flood of addresses cannot fill it.
const MOST: usize = 200_000;

#[derive(Default)]
pub(super) struct LocalLimiter(Mutex<HashMap<String, Known>>);

#[derive(Default)]
struct Known {
    buckets: Buckets,
    quota: Option<Quota>,
    last_ms: u64,
}

impl LocalLimiter {
    pub(super) fn take(&self, quota: Quota, key: &str, now_ms: u64) -> Reading {
        let mut known = self.lock();
        if known.len() >= MOST {
            clean(&mut known, now_ms);
        }
        if !known.contains_key(key) {
            known.insert(key.to_owned(), Known::default());
        }
        let entry = known.get_mut(key).expect("just inserted");
        if entry.quota.is_none_or(|known| known.window != quota.window) {
            entry.buckets = Buckets::default();
        }
        entry.quota = Some(quota);
        entry.last_ms = now_ms;
        entry.buckets.take(quota, now_ms)
    }

    pub(super) fn give_back(&self, quota: Quota, key: &str, bucket: u64) {
        if let Some(known) = self.lock().get_mut(key)
            && known
                .quota
                .is_some_and(|known| known.window == quota.window)
        {
            known.buckets.give_back(bucket);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets whom the window no longer covers. When that is not enough (a flood), everybody who is
/// not near their limit: they have the least to gain, and Redis still knows them.
fn clean(known: &mut HashMap<String, Known>, now_ms: u64) {
    let covered = |k: &Known| {
        let age = Duration::from_millis(now_ms.saturating_sub(k.last_ms));
        k.quota.is_some_and(|quota| age < 2 * quota.window)
    };
    known.retain(|_, k| covered(k));
    if known.len() > MOST / 2 {
        known.retain(|_, k| {
            k.quota
                .is_some_and(|q| k.buckets.current * 2 > u64::from(q.limit))
        });
    }
    if known.len() > MOST / 2 {
        known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        limit: 2,
        window: Duration::from_secs(60),
    };

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory_nor_free_who_is_at_the_limit() {
        let limiter = LocalLimiter::default();
        (0..2).for_each(|_| assert_eq!(limiter.take(QUOTA, "busy", 0).granted, 1));
        for client in 0..MOST {
            limiter.take(QUOTA, &client.to_string(), 0);
        }
        assert!(limiter.lock().len() <= MOST / 2);
        assert_eq!(limiter.take(QUOTA, "busy", 0).granted, 0);
    }
}
