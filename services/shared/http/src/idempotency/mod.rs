//! `Idempotency-Key`: a POST that creates can be sent again without creating twice.
//!
//! Apply [`layer`] to such routes with `route_layer`. Only answers that created something (2xx) are
//! kept: what was refused had no effect, so running it again is the better answer.

mod key;
mod middleware;
mod store;

pub use key::{IdempotencyKey, Scope};
pub use middleware::{IdempotencyLayer, IdempotencyService, layer};
pub use store::{Begin, IdempotencyStore, MemoryStore, StoredResponse};
