//! Time that passes when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::SignedDuration;
use quickbite_auth::Clock;

/// The machine's time and as much as a test let pass. Clones move together.
#[derive(Debug, Clone, Default)]
pub struct MovableClock {
    passed: Arc<AtomicI64>,
}

impl MovableClock {
    /// The clock to give to a service.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let (passed, system) = (Arc::clone(&self.passed), Clock::system());
        Clock::from_fn(move || {
            system.now() + SignedDuration::from_secs(passed.load(Ordering::SeqCst))
        })
    }

    /// Time passes.
    pub fn pass(&self, seconds: i64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }
}
