//! Path parameters. An id that is none cannot exist: 404, not 400.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The path's parameters as `T`; 404 where they are none.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let hidden_nul = parts.uri.path().contains("%00");
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) if !hidden_nul => Ok(Self(value)),
            _ => Err(
                Problem::not_found("not_found", "There is nothing at this path").into_response(),
            ),
        }
    }
}
