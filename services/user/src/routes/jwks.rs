//! The public keys of access tokens.

use axum::extract::State;
use axum::response::IntoResponse;
use http::header;

use crate::state::AppState;

/// Current and previous public keys (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "users",
    security(()),
    responses((status = 200, description = "A JSON Web Key Set"))
)]
pub(super) async fn jwks(State(app): State<AppState>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, app.tokens.public_jwks().to_json())
}
