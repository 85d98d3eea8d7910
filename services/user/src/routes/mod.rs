//! HTTP in, HTTP out: parse, ask, render. Decides nothing.

mod addresses;
mod admin;
mod checks;
mod jwks;
mod me;
mod sessions;
mod views;

use std::sync::Arc;

use axum::Router;
use quickbite_http::idempotency::{IdempotencyLayer, MemoryStore, layer};
use quickbite_http::openapi;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(info(
    title = "QuickBite user-service",
    description = "Accounts, sessions and addresses."
))]
struct Document;

/// Every route of this service, and its document.
pub fn router(state: AppState) -> (Router, utoipa::openapi::OpenApi) {
    let api = api(state.sealed_answers(), state.plain_answers());
    let (routes, document) = api.with_state(state).split_for_parts();
    (routes.merge(openapi::router(document.clone())), document)
}

/// The document without a service.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let nowhere = || layer(Arc::new(MemoryStore::default()));
    api(nowhere(), nowhere()).into_openapi()
}

fn api(sealed: IdempotencyLayer, plain: IdempotencyLayer) -> OpenApiRouter<AppState> {
    let registering = OpenApiRouter::new()
        .routes(routes!(sessions::register))
        .route_layer(sealed);
    let addresses = OpenApiRouter::new()
        .routes(routes!(addresses::list, addresses::create))
        .routes(routes!(addresses::change, addresses::delete))
        .route_layer(plain);
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(registering)
        .merge(addresses)
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::logout))
        .routes(routes!(me::show, me::change))
        .routes(routes!(me::change_password))
        .routes(routes!(admin::list))
        .routes(routes!(admin::show, admin::change))
        .routes(routes!(jwks::jwks))
}
