//! A service's OpenAPI document: made, served, and printed for the checked-in copy.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::server::Service;

/// The document of `routes`, under the service's name.
pub fn document<S>(service: &Service, routes: OpenApiRouter<S>) -> OpenApi
where
    S: Send + Sync + Clone + 'static,
{
    described(service, routes.into_openapi())
}

/// `routes` over `state`, and `GET /openapi.json` with their [`document`].
pub fn serve<S>(service: &Service, routes: OpenApiRouter<S>, state: S) -> Router
where
    S: Send + Sync + Clone + 'static,
{
    let (router, document) = routes.with_state(state).split_for_parts();
    let document = Json(described(service, document));
    router.route("/openapi.json", get(move || async move { document }))
}

fn described(service: &Service, mut document: OpenApi) -> OpenApi {
    let license = env!("CARGO_PKG_LICENSE");
    let license = LicenseBuilder::new()
        .name(license)
        .identifier(Some(license));
    document.info = InfoBuilder::new()
        .title(format!("QuickBite {}-service", service.name))
        .version(service.version)
        .description(Some(service.about))
        .license(Some(license.build()))
        .build();
    document
}

/// The document as it is checked in: pretty JSON and a final newline.
///
/// # Errors
/// When it cannot be serialised.
pub fn render(document: &OpenApi) -> anyhow::Result<String> {
    Ok(format!("{}\n", document.to_pretty_json()?))
}

/// Prints [`render`]'s text.
pub(crate) fn print(document: &OpenApi) -> anyhow::Result<()> {
    print!("{}", render(document)?);
    Ok(())
}
