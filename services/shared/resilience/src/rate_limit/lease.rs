//! Quota that Redis has counted already and that this replica may still spend.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::window::{Quota, Reading};

/// Past this many clients, those whose lease is used up are forgotten; if that is not enough, all:
/// a lease that is lost costs its client a little quota, never anybody a limit.
const MOST: usize = 50_000;

#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<String, Lease>>);

struct Lease {
    quota: Quota,
    /// Not spent yet.
    rest: u32,
    /// Left in Redis beside this lease, when it was taken.
    left: u32,
    bucket: u64,
    /// The bucket it was counted in; later it would be weighted too little.
    ends: Duration,
}

impl Leases {
    /// Takes one from the lease of `key`, if there is one that still counts.
    pub(super) fn spend(&self, key: &str, quota: Quota, now: Duration) -> Option<Reading> {
        let mut leases = self.lock();
        let lease = leases.get_mut(key)?;
        if lease.quota != quota || lease.ends <= now || lease.rest == 0 {
            return None;
        }
        let granted = lease.rest;
        lease.rest -= 1;
        Some(Reading {
            granted,
            left: lease.left,
            reset: lease.ends - now,
            retry_after: Duration::ZERO,
            bucket: lease.bucket,
        })
    }

    /// Remembers what a taking gave beyond the one that was asked for.
    pub(super) fn keep(&self, key: &str, quota: Quota, now: Duration, reading: Reading) {
        if reading.granted < 2 {
            return;
        }
        let mut leases = self.lock();
        if leases.len() >= MOST {
            leases.retain(|_, lease| lease.ends > now && lease.rest > 0);
            if leases.len() > MOST / 2 {
                leases.clear();
            }
        }
        let fresh = Lease {
            quota,
            rest: reading.granted - 1,
            left: reading.left,
            bucket: reading.bucket,
            ends: now + reading.reset,
        };
        leases
            .entry(key.to_owned())
            .and_modify(|lease| {
                // Another request of this client fetched one at the same time: both count.
                let same = lease.quota == quota && lease.bucket == fresh.bucket;
                lease.rest = fresh.rest + if same { lease.rest } else { 0 };
                lease.left = fresh.left;
                lease.quota = quota;
                lease.bucket = fresh.bucket;
                lease.ends = if same {
                    lease.ends.min(fresh.ends)
                } else {
                    fresh.ends
                };
            })
            .or_insert(fresh);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        limit: 100,
        window: Duration::from_secs(60),
    };

    fn granted(granted: u32) -> Reading {
        Reading {
            granted,
            left: 95,
            reset: Duration::from_secs(10),
            retry_after: Duration::ZERO,
            bucket: 7,
        }
    }

    #[test]
    fn a_lease_of_five_serves_four_more_requests() {
        let leases = Leases::default();
        leases.keep("k", QUOTA, Duration::ZERO, granted(5));
        let spent = (0..9)
            .filter_map(|_| leases.spend("k", QUOTA, Duration::ZERO))
            .count();
        assert_eq!(spent, 4);
    }

    #[test]
    fn a_lease_ends_with_the_bucket_it_was_counted_in() {
        let leases = Leases::default();
        leases.keep("k", QUOTA, Duration::ZERO, granted(5));
        assert!(leases.spend("k", QUOTA, Duration::from_secs(10)).is_none());
    }

    #[test]
    fn a_lease_of_another_quota_is_not_spent() {
        let leases = Leases::default();
        leases.keep("k", QUOTA, Duration::ZERO, granted(5));
        let tighter = Quota { limit: 10, ..QUOTA };
        assert!(leases.spend("k", tighter, Duration::ZERO).is_none());
    }
}
