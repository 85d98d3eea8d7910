//! What handlers share.

use jiff::Timestamp;
use quickbite_auth::Clock;

use crate::catalogue::Catalogue;

/// Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The restaurants.
    pub catalogue: Catalogue,
    /// The time.
    pub clock: Clock,
}

/// The time in whole milliseconds, as MongoDB keeps it: an answer then equals what is read later.
pub(crate) fn now(clock: &Clock) -> Timestamp {
    let now = clock.now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
