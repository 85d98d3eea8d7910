//! A body that may be left out.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use garde::Validate;
use quickbite_http::Valid;
use serde::de::DeserializeOwned;

/// The body as by [`Valid`], or the default where the client sent none.
pub(super) struct Optional<T>(pub(super) T);

impl<S, T> FromRequest<S> for Optional<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate + Default,
    T::Context: Default,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let headers = request.headers();
        let empty = headers.get(header::CONTENT_LENGTH) == Some(&HeaderValue::from_static("0"))
            || (!headers.contains_key(header::CONTENT_LENGTH)
                && !headers.contains_key(header::TRANSFER_ENCODING)
                && !headers.contains_key(header::CONTENT_TYPE));
        if empty {
            return Ok(Self(T::default()));
        }
        Valid::from_request(request, state)
            .await
            .map(|Valid(body)| Self(body))
    }
}
