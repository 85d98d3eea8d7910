//! HTTP in and out: translates, decides nothing.

mod kitchen;
mod lists;
mod place;
mod place_body;
mod sagas;
mod single;
mod stream;
mod views;

use std::sync::Arc;

use axum::Router;
use quickbite_http::{idempotency, openapi as documents};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(info(
    title = "QuickBite order-service",
    description = "Orders, the order saga, live order status"
))]
struct Api;

/// All routes, with the document that describes them.
pub fn router(app: AppState) -> Router {
    let (router, document) = described(&app).split_for_parts();
    router.with_state(app).merge(documents::router(document))
}

/// The document alone.
#[must_use]
pub fn openapi() -> Document {
    let base = OpenApiRouter::with_openapi(Api::openapi());
    base.merge(creating()).merge(others()).to_openapi()
}

fn described(app: &AppState) -> OpenApiRouter<AppState> {
    let keyed = idempotency::layer(Arc::new(app.idempotency.clone()));
    OpenApiRouter::with_openapi(Api::openapi())
        .merge(creating().route_layer(keyed))
        .merge(others())
}

fn creating() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(place::place_order))
}

fn others() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_these_routes() {
        let checked_in = include_str!("../../openapi.json");
        let served =
            quickbite_http::openapi::render(&super::openapi()).expect("the document serialises");
        assert!(
            served == checked_in,
            "services/order/openapi.json is out of date: make generate"
        );
    }
}
