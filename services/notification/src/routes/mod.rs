//! HTTP of notification-service: translates, decides nothing.

mod dead_letters;
mod inbox;
mod preferences;
mod stream;
mod views;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// All routes with their documentation.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(inbox::list))
        .routes(routes!(inbox::read))
        .routes(routes!(stream::follow))
        .routes(routes!(preferences::get, preferences::put))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::redeliver))
}
