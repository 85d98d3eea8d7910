//! HTTP of payment-service: translates, decides nothing.

mod payments;

use utoipa::openapi::{Info, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::SERVICE;
use crate::state::AppState;

/// All routes with their documentation.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(payments::list))
}

/// The document of the routes with the service's name on it.
#[must_use]
pub fn described(mut document: OpenApi) -> OpenApi {
    document.info = Info::new("QuickBite payments", SERVICE.version);
    document
}

/// The OpenAPI document, without serving anything.
#[must_use]
pub fn document() -> OpenApi {
    described(router().to_openapi())
}
