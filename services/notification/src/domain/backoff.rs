//! When a failed delivery is tried again, and when it is given up.

use std::time::Duration;

/// How often and at what distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Attempts before it is dead-lettered, at least 1.
    pub max_attempts: u32,
    /// Pause after the first failure; each further one is four times as long.
    pub base: Duration,
}

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long.
    Retry(Duration),
    /// Give up.
    Dead,
}

impl RetryRules {
    /// The next step when `attempts` have failed. `jitter` in 0..1 spreads the pause over 75–125 %, so that what failed
    /// together does not come back together.
    pub fn after(self, attempts: u32, jitter: f64) -> Next {
        if attempts >= self.max_attempts {
            return Next::Dead;
        }
        let pause = self
            .base
            .saturating_mul(4_u32.saturating_pow(attempts.saturating_sub(1)));
        Next::Retry(
            pause
                .min(MAX_PAUSE)
                .mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: RetryRules = RetryRules {
        max_attempts: 5,
        base: Duration::from_secs(1),
    };

    #[test]
    fn pauses_grow_fourfold_and_then_it_is_given_up() {
        let pauses: Vec<Next> = (1..=5).map(|attempts| RULES.after(attempts, 0.5)).collect();
        let seconds = |n| Next::Retry(Duration::from_secs(n));
        assert_eq!(
            pauses,
            [seconds(1), seconds(4), seconds(16), seconds(64), Next::Dead]
        );
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_cap_with_its_jitter(attempts in 0..u32::MAX, jitter in 0.0..1.0_f64) {
            let rules = RetryRules { max_attempts: u32::MAX, ..RULES };
            if let Next::Retry(pause) = rules.after(attempts, jitter) {
                prop_assert!(pause <= MAX_PAUSE.mul_f64(1.25));
            }
        }
    }
}
