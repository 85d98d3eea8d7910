//! HTTP in and out: translates, decides nothing.

mod kitchen;
mod lists;
mod place;
mod place_body;
mod sagas;
mod single;
mod stream;
mod views;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// All routes with their documentation. Placing an order honours `Idempotency-Key`, by what `keyed` adds to its route.
pub fn router(
    keyed: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
) -> OpenApiRouter<AppState> {
    let creating = OpenApiRouter::new().routes(routes!(place::place_order));
    OpenApiRouter::new()
        .merge(keyed(creating))
        .routes(routes!(lists::list_orders))
        .routes(routes!(single::get_order))
        .routes(routes!(single::cancel_order))
        .routes(routes!(stream::stream_order))
        .routes(routes!(kitchen::accept_order))
        .routes(routes!(kitchen::reject_order))
        .routes(routes!(kitchen::prepare_order))
        .routes(routes!(kitchen::finish_order))
        .routes(routes!(sagas::saga_of_order))
        .routes(routes!(sagas::list_sagas))
        .routes(routes!(sagas::retry_saga))
        .routes(routes!(sagas::compensate_saga))
}
