//! Answers that several services give alike.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::problem::Problem;

/// 201 with `Location`: where the new thing is, and the thing.
#[derive(Debug, Clone)]
pub struct Created<T>(pub String, pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let Self(location, body) = self;
        let mut response = (StatusCode::CREATED, Json(body)).into_response();
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// The version that `If-Match` names, where the client sent one: `"7"` or `W/"7"` is 7. `*` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl IfMatch {
    /// The `ETag` of a version.
    #[must_use]
    pub fn etag(version: i64) -> HeaderValue {
        HeaderValue::try_from(format!("\"{version}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(Self(None));
        };
        parse(value).map(Self).ok_or_else(|| {
            Problem::conflict(
                "stale_version",
                "If-Match names no version of this resource",
            )
            .into_response()
        })
    }
}

fn parse(value: &HeaderValue) -> Option<Option<i64>> {
    let text = value.to_str().ok()?.trim();
    if text == "*" {
        return Some(None);
    }
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    quoted
        .strip_prefix('"')?
        .strip_suffix('"')?
        .parse()
        .ok()
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_back_from_its_etag_strong_or_weak() {
        assert_eq!(parse(&IfMatch::etag(7)), Some(Some(7)));
        assert_eq!(parse(&HeaderValue::from_static("W/\"7\"")), Some(Some(7)));
        assert_eq!(parse(&HeaderValue::from_static("*")), Some(None));
        assert_eq!(parse(&HeaderValue::from_static("seven")), None);
    }
}
