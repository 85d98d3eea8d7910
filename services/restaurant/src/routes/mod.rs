//! HTTP of restaurant-service: translates, decides nothing.

mod answer;
mod body;
mod menu;
mod reads;
mod writes;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// All routes with their documentation. What creates honours `Idempotency-Key`, by what `keyed` adds to its routes.
pub fn router(
    keyed: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
) -> OpenApiRouter<AppState> {
    let creating = OpenApiRouter::new()
        .routes(routes!(reads::list, writes::create))
        .routes(routes!(menu::add));
    OpenApiRouter::new()
        .merge(keyed(creating))
        .routes(routes!(reads::search))
        .routes(routes!(reads::nearby))
        .routes(routes!(reads::mine))
        .routes(routes!(reads::get, writes::update, writes::delete))
        .routes(routes!(writes::open))
        .routes(routes!(writes::close))
        .routes(routes!(menu::update, menu::remove))
}
