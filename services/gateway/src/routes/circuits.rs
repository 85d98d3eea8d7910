//! `GET /api/admin/circuits`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use quickbite_auth::Role;
use quickbite_http::Problem;
use serde::Serialize;

use crate::gateway::Gateway;
use crate::identity::{Claim, invalid_token};
use crate::proxy::{judge, marked};
use crate::upstreams::Target;

/// Every circuit.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Circuits {
    items: Vec<Circuit>,
}

/// One service's circuit.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Circuit {
    /// `user`, `restaurant`, …
    service: &'static str,
    /// `closed`, `half-open` or `open`.
    state: &'static str,
    window: Window,
    /// `null` when it was never anything but closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_transition_at: Option<Timestamp>,
}

/// What the rolling window holds.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Window {
    /// Its length.
    seconds: f64,
    calls: u64,
    failures: u64,
}

/// State, window counts and last transition per service
#[utoipa::path(
    get,
    path = "/api/admin/circuits",
    tag = "gateway",
    responses(
        (status = 200, body = Circuits),
        (status = 401, body = quickbite_http::ProblemBody),
        (status = 403, body = quickbite_http::ProblemBody),
        (status = 429, body = quickbite_http::ProblemBody),
    )
)]
pub(crate) async fn circuits(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let (claim, ticket) = judge(&gateway, peer, &parts).await?;
    let response = match claim {
        Claim::Anonymous => Problem::unauthorized().into_response(),
        Claim::Invalid => invalid_token().into_response(),
        Claim::User(token) if token.identity.role != Role::Admin => {
            Problem::forbidden("Only an admin sees the circuits").into_response()
        }
        Claim::User(_) => {
            let now = gateway.clock.now();
            let items = gateway.upstreams.enabled().map(|t| view(t, now)).collect();
            Json(Circuits { items }).into_response()
        }
    };
    Ok(marked(&ticket, response))
}

fn view(target: &Target, now: Timestamp) -> Circuit {
    let seen = target.breaker.snapshot();
    Circuit {
        service: target.upstream.name(),
        state: seen.phase.as_str(),
        window: Window {
            seconds: target.breaker.settings().rolling_window.as_secs_f64(),
            calls: seen.calls,
            failures: seen.failures,
        },
        last_transition_at: seen.since_transition.map(|ago| now - ago),
    }
}
