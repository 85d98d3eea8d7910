//! `Idempotency-Key`: a POST that creates can be sent again without creating twice.
//!
//! Apply [`layer`] to such routes with `route_layer`. Only answers that created something (2xx) are
//! kept: what was refused had no effect, so running it again is the better answer.

mod key;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod middleware;
mod store;

pub use key::{IdempotencyKey, Scope};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryStore;
pub use middleware::{IdempotencyLayer, IdempotencyService, layer};
pub use store::{Begin, IdempotencyStore, StoredResponse};
