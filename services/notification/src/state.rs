//! What handlers share.

use quickbite_http::Clock;
use tokio_util::sync::CancellationToken;

use crate::channels::Reach;
use crate::store::Store;
use crate::wakes::Wakes;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The database.
    pub store: Store,
    /// Wakes streams.
    pub wakes: Wakes,
    /// Where webhooks may lead.
    pub reach: Reach,
    /// Tells the time.
    pub clock: Clock,
    /// Cancelled when the service drains: streams end.
    pub draining: CancellationToken,
}
