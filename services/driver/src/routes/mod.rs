//! HTTP of driver-service: translates, decides nothing.

mod deliveries;
mod drivers;
mod offers;
mod optional;
mod positions;
mod socket;
mod views;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// All routes with their documentation.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(drivers::online))
        .routes(routes!(drivers::offline))
        .routes(routes!(drivers::nearby))
        .routes(routes!(positions::report))
        .routes(routes!(offers::offers))
        .routes(routes!(offers::deliveries))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::accept))
        .routes(routes!(deliveries::decline))
        .routes(routes!(deliveries::picked_up))
        .routes(routes!(deliveries::delivered))
        .routes(routes!(deliveries::failed))
        .routes(routes!(socket::open))
}
