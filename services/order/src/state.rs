//! What handlers are given.

use std::time::Duration;

use quickbite_http::Clock;
use quickbite_postgres::PgIdempotency;
use tokio_util::sync::CancellationToken;

use crate::conductor::Conductor;
use crate::config::Rules;
use crate::live::Live;
use crate::store::{Orders, Projections};

/// The application; clones share everything.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Changes orders.
    pub conductor: Conductor,
    /// Remembers orders.
    pub orders: Orders,
    /// Remembers restaurants and addresses.
    pub projections: Projections,
    /// Hears changes.
    pub live: Live,
    /// Remembers answers.
    pub idempotency: PgIdempotency,
    /// The figures of ordering.
    pub rules: Rules,
    /// How long an order waits for a restaurant that is not known yet.
    pub catch_up: Duration,
    /// Tells the time.
    pub clock: Clock,
    /// Ends streams.
    pub stop: CancellationToken,
}
