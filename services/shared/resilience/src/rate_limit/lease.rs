//! Quota that Redis has counted already and that this replica may still spend.
//!
//! A lease is as large as the client's demand shows: one request first, twice the last lease when
//! that was used up quickly. What is not spent soon, or was leased under another quota, is handed
//! over to be given back: only use counts in the end. While one request fetches a lease for a
//! client, the others of that client take exactly one each, so that a burst strands nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::window::{Quota, Reading};

/// Past this many clients, all leases are given back at the next look, however fresh they are.
const MOST: usize = 50_000;
/// What is left of a lease after this long is given back.
pub(super) const HOLD: Duration = Duration::from_secs(1);
/// The largest lease that is asked for.
const LARGEST: u32 = 1_000;

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
    taken: Duration,
    /// How large the last lease was meant to be.
    asked: u32,
    /// A request of this client is fetching one.
    fetching: bool,
}

/// How a request gets its one.
pub(super) enum Spent<'a> {
    /// From a lease.
    Leased(Reading),
    /// By asking Redis for one, as another request is fetching a lease.
    AskForOne,
    /// By asking Redis for a lease.
    Fetch(Fetching<'a>),
}

/// The right of one request to fetch a lease for its client; ends when it is dropped.
pub(super) struct Fetching<'a> {
    leases: &'a Leases,
    key: &'a str,
    pub(super) want: u32,
    /// Of a lease under another quota or of an earlier bucket: to be given back first.
    pub(super) stale: Option<Unspent>,
}

/// Counted in Redis and not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unspent {
    pub(super) key: String,
    pub(super) quota: Quota,
    pub(super) bucket: u64,
    pub(super) amount: u32,
}

impl Leases {
    /// Takes one from the lease of `key`, or says how else to get it.
    pub(super) fn spend<'a>(&'a self, key: &'a str, quota: Quota, now: Duration) -> Spent<'a> {
        let mut leases = self.lock();
        if let Some(lease) = leases.get_mut(key) {
            if lease.quota == quota && lease.ends > now && lease.rest > 0 {
                let granted = lease.rest;
                lease.rest -= 1;
                return Spent::Leased(Reading {
                    granted,
                    left: lease.left,
                    reset: lease.ends - now,
                    retry_after: Duration::ZERO,
                    bucket: lease.bucket,
                });
            }
            if lease.fetching {
                return Spent::AskForOne;
            }
            lease.fetching = true;
            let used_up_quickly = lease.rest == 0 && now < lease.taken + HOLD;
            let want = match used_up_quickly {
                true => (lease.asked * 2).min(LARGEST),
                false => 1,
            };
            let stale = lease.unspent(key);
            return Spent::Fetch(Fetching {
                leases: self,
                key,
                want,
                stale,
            });
        }
        leases.insert(
            key.to_owned(),
            Lease {
                quota,
                rest: 0,
                left: 0,
                bucket: 0,
                ends: now,
                taken: now,
                asked: 1,
                fetching: true,
            },
        );
        Spent::Fetch(Fetching {
            leases: self,
            key,
            want: 1,
            stale: None,
        })
    }

    /// Takes out what was not spent in time, and forgets who holds nothing.
    pub(super) fn overdue(&self, now: Duration) -> Vec<Unspent> {
        let mut leases = self.lock();
        let mut unspent = Vec::new();
        let crowded = leases.len() >= MOST;
        leases.retain(|key, lease| {
            let over = crowded || now >= lease.taken + HOLD || now >= lease.ends;
            if over {
                unspent.extend(lease.unspent(key));
            }
            !over || lease.fetching
        });
        unspent
    }

    /// Takes out everything.
    pub(super) fn all(&self) -> Vec<Unspent> {
        let mut leases = self.lock();
        let unspent = leases.iter_mut().filter_map(|(key, l)| l.unspent(key));
        unspent.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    fn unspent(&mut self, key: &str) -> Option<Unspent> {
        let amount = std::mem::take(&mut self.rest);
        (amount > 0).then(|| Unspent {
            key: key.to_owned(),
            quota: self.quota,
            bucket: self.bucket,
            amount,
        })
    }
}

impl Fetching<'_> {
    /// Remembers what the fetching gave beyond the one that this request uses.
    pub(super) fn keep(self, quota: Quota, now: Duration, reading: Reading) {
        if let Some(lease) = self.leases.lock().get_mut(self.key) {
            lease.quota = quota;
            lease.rest = reading.granted.saturating_sub(1);
            lease.left = reading.left;
            lease.bucket = reading.bucket;
            lease.ends = now + reading.reset;
            lease.taken = now;
            lease.asked = self.want;
        }
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.leases.lock().get_mut(self.key) {
            lease.fetching = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        limit: 10_000,
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

    fn fetch<'a>(leases: &'a Leases, quota: Quota, now: Duration) -> Fetching<'a> {
        match leases.spend("k", quota, now) {
            Spent::Fetch(fetching) => fetching,
            Spent::Leased(_) | Spent::AskForOne => panic!("nothing to fetch"),
        }
    }

    fn with_five() -> Leases {
        let leases = Leases::default();
        fetch(&leases, QUOTA, Duration::ZERO).keep(QUOTA, Duration::ZERO, granted(5));
        leases
    }

    fn unspent(amount: u32) -> Unspent {
        Unspent {
            key: "k".to_owned(),
            quota: QUOTA,
            bucket: 7,
            amount,
        }
    }

    #[test]
    fn a_lease_of_five_serves_four_more_requests() {
        let leases = with_five();
        let leased = || matches!(leases.spend("k", QUOTA, Duration::ZERO), Spent::Leased(_));
        assert_eq!((0..9).filter(|_| leased()).count(), 4);
    }

    #[test]
    fn what_is_left_when_its_bucket_ends_is_given_back() {
        let leases = with_five();
        let fetching = fetch(&leases, QUOTA, Duration::from_secs(10));
        assert_eq!(fetching.stale, Some(unspent(4)));
    }

    #[test]
    fn a_lease_of_another_quota_is_given_back_and_not_spent() {
        let leases = with_five();
        let tighter = Quota { limit: 10, ..QUOTA };
        let fetching = fetch(&leases, tighter, Duration::ZERO);
        assert_eq!(fetching.stale, Some(unspent(4)));
    }

    #[test]
    fn what_is_not_spent_soon_is_given_back_once() {
        let leases = with_five();
        assert_eq!(leases.overdue(HOLD / 2), []);
        assert_eq!(leases.overdue(HOLD), [unspent(4)]);
        assert_eq!(leases.overdue(HOLD), []);
    }

    #[test]
    fn only_one_request_of_a_client_fetches_and_one_that_gives_up_does_not_bar_the_next() {
        let leases = Leases::default();
        let fetching = fetch(&leases, QUOTA, Duration::ZERO);
        let beside = leases.spend("k", QUOTA, Duration::ZERO);
        assert!(matches!(beside, Spent::AskForOne));
        drop(fetching);
        drop(fetch(&leases, QUOTA, Duration::ZERO));
    }

    #[test]
    fn a_busy_client_gets_larger_leases_and_a_slow_one_does_not() {
        let leases = Leases::default();
        let mut wanted = Vec::new();
        for _ in 0..12 {
            let fetching = fetch(&leases, QUOTA, Duration::ZERO);
            wanted.push(fetching.want);
            fetching.keep(QUOTA, Duration::ZERO, granted(1));
        }
        assert_eq!(wanted[..4], [1, 2, 4, 8]);
        assert_eq!(wanted.last(), Some(&LARGEST));
        assert_eq!(fetch(&leases, QUOTA, HOLD).want, 1);
    }
}
