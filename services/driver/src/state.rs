//! What handlers share.

use quickbite_http::Clock;
use tokio_util::sync::CancellationToken;

use crate::dispatcher::Dispatcher;
use crate::push::Push;
use crate::store::Store;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Stores and dispatches.
    pub dispatcher: Dispatcher,
    /// Wakes sockets.
    pub push: Push,
    /// Tells the time.
    pub clock: Clock,
    /// Cancelled when the service drains: sockets end.
    pub draining: CancellationToken,
}

impl AppState {
    /// The database.
    pub fn store(&self) -> &Store {
        self.dispatcher.store()
    }
}
