//! The clock that every part is given.
//!
//! Two readings, because they answer different questions: `monotonic` measures spans inside this
//! process and never jumps; `wall` is compared with what another replica wrote down and may jump.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Where a part reads the time.
pub trait Clock: Send + Sync + 'static {
    /// Time since an arbitrary fixed point of this process; never goes back.
    fn monotonic(&self) -> Duration;

    /// Calendar time, UTC; may jump in both directions.
    fn wall(&self) -> Timestamp;
}

/// The machine's clocks. The monotonic one is tokio's, so that a paused test runtime holds it.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero now.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this crate's one place that reads the machine's calendar"
    )]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is told to move: for tests.
#[derive(Debug)]
pub struct ManualClock {
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    /// Stands at zero, and at the Unix epoch plus one day.
    pub fn new() -> Self {
        Self {
            elapsed: Mutex::new(Duration::ZERO),
        }
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Duration> {
        self.elapsed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        *self.lock()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(86_400) + *self.lock()
    }
}
