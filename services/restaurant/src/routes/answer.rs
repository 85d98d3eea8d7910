//! Answers with their headers: `X-Cache` says how the cache took part, `ETag` is the version.

use axum::Json;
use axum::response::{IntoResponse, Response};
use quickbite_http::IfMatch;
use quickbite_resilience::cache::Outcome;
use serde::Serialize;

const X_CACHE: &str = "x-cache";

/// 200 with `X-Cache`.
pub(super) fn cached(body: impl Serialize, outcome: Outcome) -> Response {
    ([(X_CACHE, outcome.as_str())], Json(body)).into_response()
}

/// Adds the `ETag` of a version.
pub(super) fn with_etag(mut response: Response, version: i64) -> Response {
    response
        .headers_mut()
        .insert(axum::http::header::ETAG, IfMatch::etag(version));
    response
}
