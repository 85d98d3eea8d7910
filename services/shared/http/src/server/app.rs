//! The layers, outermost first: observe (id, span, log, metrics, panics) → body limit → identity →
//! the service's own routes.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use http_body_util::Limited;
use quickbite_auth::InternalVerifier;
use tokio_util::task::TaskTracker;

use super::args::Service;
use super::observe::{Observer, observe};
use crate::extract::too_large;
use crate::health::Health;
use crate::identity::require_internal_token;
use crate::problem::Problem;

/// The largest request body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// `routes` with everything that each service does alike, as [`super::serve`] serves it; for tests.
/// With a `verifier` every path but the probes and `/openapi.json` needs an internal token.
pub fn app(
    service: Service,
    health: &Health,
    verifier: Option<InternalVerifier>,
    routes: Router,
) -> Router {
    tracked_app(service, health, verifier, routes, TaskTracker::new())
}

pub(super) fn tracked_app(
    service: Service,
    health: &Health,
    verifier: Option<InternalVerifier>,
    routes: Router,
    writes: TaskTracker,
) -> Router {
    let mut app = routes
        .merge(health.router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method);
    if let Some(verifier) = verifier {
        app = app.layer(from_fn_with_state(verifier, require_internal_token));
    }
    app.layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(limit_body))
        .layer(from_fn_with_state(Observer::new(service, writes), observe))
}

async fn nothing_here() -> Problem {
    Problem::not_found("not_found", "There is nothing at this path")
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path does not know this method",
    )
}

/// axum's own limit reaches only its extractors; a body that is read raw needs this one.
async fn limit_body(request: Request, next: Next) -> Response {
    if declared_length(request.headers()).is_some_and(|length| length > BODY_LIMIT as u64) {
        return too_large().into_response();
    }
    next.run(request.map(|body| Body::new(Limited::new(body, BODY_LIMIT))))
        .await
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
