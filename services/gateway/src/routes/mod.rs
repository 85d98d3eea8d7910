//! Which path is answered by whom.

mod circuits;
pub(crate) mod documents;
pub(crate) mod health;
mod merge;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::routing::{MethodRouter, any, get};
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::gateway::Gateway;
use crate::proxy::proxy;
use crate::routing::Upstream;

/// The gateway's own part of the document; `/openapi.json` adds the services'.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "QuickBite",
        description = "Order food, cook it, deliver it, get paid for it."
    ),
    paths(health::health, circuits::circuits),
    modifiers(&Completed)
)]
struct Own;

struct Completed;

impl utoipa::Modify for Completed {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        quickbite_http::openapi::complete(document);
    }
}

/// The OpenAPI document of the gateway's own routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Own::openapi()
}

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let docs = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    let mut router = Router::new()
        .route("/health", get(health::health))
        .route("/api/admin/circuits", get(circuits::circuits))
        .route("/openapi.json", get(documents::union))
        .merge(docs);
    for upstream in Upstream::ALL {
        for path in upstream.paths() {
            router = router.route(path, to(upstream));
            if !path.ends_with(".json") {
                router = router.route(&format!("{path}/{{*rest}}"), to(upstream));
            }
        }
    }
    router.with_state(gateway)
}

fn to(upstream: Upstream) -> MethodRouter<Arc<Gateway>> {
    any(
        move |gateway: State<Arc<Gateway>>, peer: ConnectInfo<SocketAddr>, request: Request| {
            proxy(upstream, gateway, peer, request)
        },
    )
}
