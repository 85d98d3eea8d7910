//! HTTP of restaurant-service: translates, decides nothing.

mod answer;
mod body;
mod menu;
mod reads;
mod writes;

use std::sync::Arc;

use quickbite_http::idempotency::{self, IdempotencyStore, MemoryStore};
use utoipa::openapi::{Info, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::SERVICE;
use crate::state::AppState;

/// All routes with their documentation. What creates honours `Idempotency-Key`.
pub fn router(idempotency: Arc<dyn IdempotencyStore>) -> OpenApiRouter<AppState> {
    let creating = OpenApiRouter::new()
        .routes(routes!(reads::list, writes::create))
        .routes(routes!(menu::add))
        .route_layer(idempotency::layer(idempotency));
    OpenApiRouter::new()
        .merge(creating)
        .routes(routes!(reads::search))
        .routes(routes!(reads::nearby))
        .routes(routes!(reads::mine))
        .routes(routes!(reads::get, writes::update, writes::delete))
        .routes(routes!(writes::open))
        .routes(routes!(writes::close))
        .routes(routes!(menu::update, menu::remove))
}

/// The document of the routes with the service's name on it.
#[must_use]
pub fn described(mut document: OpenApi) -> OpenApi {
    document.info = Info::new("QuickBite restaurants", SERVICE.version);
    document
}

/// The OpenAPI document, without serving anything.
#[must_use]
pub fn document() -> OpenApi {
    described(router(Arc::new(MemoryStore::default())).to_openapi())
}
