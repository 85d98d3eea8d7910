//! A retry budget: retries may add a share to the traffic, not multiply it.
//!
//! After Finagle's: every request earns a fifth of a retry, and three a second are free, so that a
//! quiet service can retry at all. The balance holds at most ten seconds' worth, so that a calm
//! hour does not pay for a storm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

const RETRY: u64 = 1_000;
const PER_REQUEST: u64 = RETRY / 5;
const FREE_PER_SECOND: u64 = 3 * RETRY;
const FREE_CAP: u64 = 10 * FREE_PER_SECOND;
/// What 1,000 requests earn.
const EARNED_CAP: u64 = 1_000 * PER_REQUEST;

/// Counts requests, and says whether one of them may be tried again.
pub struct RetryBudget {
    clock: Arc<dyn Clock>,
    balance: Mutex<Balance>,
}

#[derive(Debug, Clone, Copy)]
struct Balance {
    earned: u64,
    free: u64,
    at: Duration,
}

impl Balance {
    fn request(&mut self) {
        self.earned = (self.earned + PER_REQUEST).min(EARNED_CAP);
    }

    fn withdraw(&mut self, now: Duration) -> bool {
        let passed_ms = now.saturating_sub(self.at).as_millis() as u64;
        let refill = passed_ms.saturating_mul(FREE_PER_SECOND) / 1_000;
        self.free = self.free.saturating_add(refill).min(FREE_CAP);
        self.at = self.at.max(now);
        for purse in [&mut self.earned, &mut self.free] {
            if *purse >= RETRY {
                *purse -= RETRY;
                return true;
            }
        }
        false
    }
}

impl RetryBudget {
    /// Starts with one second's worth of free retries.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let balance = Balance {
            earned: 0,
            free: FREE_PER_SECOND,
            at: clock.monotonic(),
        };
        Self {
            clock,
            balance: Mutex::new(balance),
        }
    }

    /// A first attempt was made.
    pub fn request(&self) {
        self.lock().request();
    }

    /// True if a retry may be made now; it is then paid for.
    pub fn withdraw(&self) -> bool {
        let now = self.clock.monotonic();
        self.lock().withdraw(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_quiet_service_has_three_retries_a_second() {
        let clock = Arc::new(ManualClock::new());
        let budget = RetryBudget::new(clock.clone());
        assert_eq!((0..9).filter(|_| budget.withdraw()).count(), 3);
        clock.advance(Duration::from_secs(1));
        assert_eq!((0..9).filter(|_| budget.withdraw()).count(), 3);
    }

    #[test]
    fn a_hundred_failing_requests_are_retried_a_fifth_of_the_time() {
        let clock = Arc::new(ManualClock::new());
        let budget = RetryBudget::new(clock);
        let retries = (0..100)
            .filter(|_| {
                budget.request();
                budget.withdraw()
            })
            .count();
        assert_eq!(retries, 20 + 3);
    }

    #[test]
    fn a_calm_hour_does_not_pay_for_a_storm() {
        let clock = Arc::new(ManualClock::new());
        let budget = RetryBudget::new(clock.clone());
        clock.advance(Duration::from_secs(3_600));
        assert_eq!((0..1_000).filter(|_| budget.withdraw()).count(), 30);
    }
}
