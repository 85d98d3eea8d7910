//! A service's OpenAPI document: served, and printed for the checked-in copy.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::OpenApi;

/// `GET /openapi.json`.
pub fn router(document: OpenApi) -> Router {
    Router::new().route("/openapi.json", get(move || async move { Json(document) }))
}

/// The document as it is checked in: pretty JSON and a final newline.
///
/// # Errors
/// When it cannot be serialised.
pub fn render(document: &OpenApi) -> anyhow::Result<String> {
    Ok(format!("{}\n", document.to_pretty_json()?))
}

/// Prints [`render`]'s text.
///
/// # Errors
/// When it cannot be serialised.
pub fn print(document: &OpenApi) -> anyhow::Result<()> {
    print!("{}", render(document)?);
    Ok(())
}
