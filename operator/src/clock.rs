//! The system's clock, read in this one place; everything else is handed the time.

use jiff::Timestamp;

/// The time now.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the clock is read"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}
