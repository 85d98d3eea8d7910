//! How long the saga waits for what, and how often it asks again.

use std::time::Duration;

use super::{Direction, Saga};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A participant's answer.
    Answer,
    /// The owner.
    Acceptance,
    /// A driver to pick up.
    PickUp,
    /// A driver to arrive.
    DropOff,
    /// Nothing: the order ended.
    Nothing,
}

/// The waits, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The first wait for a participant's answer; it doubles with each attempt, up to a minute.
    pub answer: Duration,
    /// For the owner to accept.
    pub acceptance: Duration,
    /// From the capture to the pick-up, and again from there to the customer.
    pub delivery: Duration,
}

const SLOWEST: Duration = Duration::from_secs(60);
/// Attempts of a forward step before it is undone.
const FORWARD_ATTEMPTS: u32 = 3;
/// Attempts of a compensation before the saga counts as stuck.
const BACKWARD_ATTEMPTS: u32 = 8;

impl Timeouts {
    /// How long `saga` waits for `wait`; `None` is for ever.
    #[must_use]
    pub fn of(&self, wait: Wait, saga: &Saga) -> Option<Duration> {
        match wait {
            Wait::Answer => {
                let doubled = self
                    .answer
                    .saturating_mul(1 << saga.attempts.saturating_sub(1).min(8));
                Some(doubled.min(SLOWEST))
            }
            Wait::Acceptance => Some(self.acceptance),
            Wait::PickUp | Wait::DropOff => Some(self.delivery),
            Wait::Nothing => None,
        }
    }
}

impl Saga {
    /// Whether the step's command may not simply be sent again.
    pub(super) fn attempts_are_used_up(&self) -> bool {
        let limit = match self.direction() {
            Direction::Forward => FORWARD_ATTEMPTS,
            Direction::Backward => BACKWARD_ATTEMPTS,
        };
        self.attempts >= limit
    }
}
