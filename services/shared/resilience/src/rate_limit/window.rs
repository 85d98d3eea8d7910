//! The arithmetic of the sliding window counter. No I/O, no clock.
//!
//! The estimate of what the window holds rounds up, so that it never says less than the weighted
//! sum. The script in `shared.rs` does the same steps in Lua; a test holds them together.

use std::time::Duration;

/// So many in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub limit: u32,
    /// In how long; whole milliseconds, at least one.
    pub window: Duration,
}

impl Quota {
    pub(super) fn window_ms(self) -> u64 {
        (self.window.as_millis() as u64).max(1)
    }
}

/// Two buckets of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Buckets {
    /// Number of the current bucket: time divided by the window.
    pub(super) index: u64,
    pub(super) current: u64,
    pub(super) previous: u64,
}

/// What a request for quota was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// How many were given out, 0 when there were none.
    pub(super) granted: u32,
    /// How many are left beside those.
    pub(super) left: u32,
    pub(super) reset: Duration,
    pub(super) retry_after: Duration,
    pub(super) bucket: u64,
}

impl Buckets {
    /// Moves on to the bucket of `now_ms`. Answers how far into it we are. A clock that went back
    /// stays at the start of the newest bucket, rather than forgetting what was counted.
    pub(super) fn roll(&mut self, now_ms: u64, window_ms: u64) -> u64 {
        let index = now_ms / window_ms;
        if index < self.index {
            return 0;
        }
        match index - self.index {
            0 => {}
            1 => (self.previous, self.current) = (self.current, 0),
            _ => (self.previous, self.current) = (0, 0),
        }
        self.index = index;
        now_ms % window_ms
    }

    /// What the window that ends now holds, rounded up.
    fn used(&self, elapsed_ms: u64, window_ms: u64) -> u64 {
        self.current + (self.previous * (window_ms - elapsed_ms)).div_ceil(window_ms)
    }

    pub(super) fn take(&mut self, quota: Quota, now_ms: u64) -> Reading {
        let window_ms = quota.window_ms();
        let elapsed_ms = self.roll(now_ms, window_ms);
        let granted = u64::from(quota.limit) > self.used(elapsed_ms, window_ms);
        self.current += u64::from(granted);
        self.reading(quota, u32::from(granted), elapsed_ms)
    }

    /// Undoes one taking from bucket `index`, if that still counts.
    pub(super) fn give_back(&mut self, index: u64) {
        if index == self.index {
            self.current = self.current.saturating_sub(1);
        } else if index + 1 == self.index {
            self.previous = self.previous.saturating_sub(1);
        }
    }

    /// `self` as it is after `granted` were counted.
    pub(super) fn reading(&self, quota: Quota, granted: u32, elapsed_ms: u64) -> Reading {
        let window_ms = quota.window_ms();
        let used = self.used(elapsed_ms, window_ms);
        let left = u64::from(quota.limit).saturating_sub(used) as u32;
        let retry_ms = match granted {
            0 => self.wait_ms(u64::from(quota.limit), elapsed_ms, window_ms),
            _ => 0,
        };
        Reading {
            granted,
            left,
            reset: Duration::from_millis(window_ms - elapsed_ms),
            retry_after: Duration::from_millis(retry_ms),
            bucket: self.index,
        }
    }

    /// Until one more would be granted, if nobody else takes it.
    fn wait_ms(&self, limit: u64, elapsed_ms: u64, window_ms: u64) -> u64 {
        let rest = window_ms - elapsed_ms;
        // A bucket of `count` weighs at most `room` once `window * room / count` of it is left.
        let until = |room: u64, count: u64| match count {
            0 => 0,
            _ => window_ms - (window_ms * room / count).min(window_ms),
        };
        match limit.checked_sub(1) {
            None => window_ms,
            Some(most) if self.current <= most => {
                until(most - self.current, self.previous).saturating_sub(elapsed_ms)
            }
            Some(most) => rest + until(most, self.current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(limit: u32, seconds: u64) -> Quota {
        Quota {
            limit,
            window: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_last_one_of_the_limit_passes_and_the_next_does_not() {
        let mut buckets = Buckets::default();
        for left in (0..5).rev() {
            let reading = buckets.take(quota(5, 60), 1_000);
            assert_eq!((reading.granted, reading.left), (1, left));
        }
        assert_eq!(buckets.take(quota(5, 60), 1_000).granted, 0);
    }

    #[test]
    fn a_burst_at_the_end_of_a_bucket_is_remembered_in_the_next() {
        let mut buckets = Buckets::default();
        for _ in 0..5 {
            buckets.take(quota(5, 60), 59_000);
        }
        assert_eq!(buckets.take(quota(5, 60), 61_000).granted, 0);
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let mut buckets = Buckets::default();
        let taken = buckets.take(quota(1, 60), 0);
        assert_eq!(buckets.take(quota(1, 60), 0).granted, 0);
        buckets.give_back(taken.bucket);
        assert_eq!(buckets.take(quota(1, 60), 0).granted, 1);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_forget() {
        let mut buckets = Buckets::default();
        buckets.take(quota(1, 60), 600_000);
        assert_eq!(buckets.take(quota(1, 60), 0).granted, 0);
    }

    proptest! {
        /// In every bucket, and in every window by the counter's own weighting.
        #[test]
        fn never_more_than_the_limit_is_granted(
            limit in 0_u32..20, pauses in proptest::collection::vec(0_u64..3_000, 1..300),
        ) {
            let quota = quota(limit, 10);
            let (mut buckets, mut now) = (Buckets::default(), 0);
            let mut per_bucket = std::collections::BTreeMap::<u64, u32>::new();
            for pause in pauses {
                now += pause;
                let reading = buckets.take(quota, now);
                *per_bucket.entry(reading.bucket).or_default() += reading.granted;
                prop_assert!(
                    buckets.used(now % 10_000, 10_000) <= u64::from(limit) || reading.granted == 0
                );
            }
            prop_assert!(per_bucket.values().all(|n| *n <= limit));
        }

        /// Waiting exactly as long as told is enough, and a millisecond less is not.
        #[test]
        fn retry_after_is_exact(
            limit in 1_u32..20, pauses in proptest::collection::vec(0_u64..3_000, 1..100),
        ) {
            let quota = quota(limit, 10);
            let (mut buckets, mut now) = (Buckets::default(), 0);
            for pause in pauses {
                now += pause;
                let refused = buckets.take(quota, now);
                if refused.granted == 0 {
                    let wait = refused.retry_after.as_millis() as u64;
                    prop_assert!(wait > 0);
                    let (mut early, mut at) = (buckets, buckets);
                    prop_assert_eq!(early.take(quota, now + wait - 1).granted, 0);
                    prop_assert_eq!(at.take(quota, now + wait).granted, 1);
                }
            }
        }
    }
}
