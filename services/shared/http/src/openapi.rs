//! A service's OpenAPI document: made, served, and printed for the checked-in copy.
//!
//! What holds for every operation is said here once: errors are problems, and a token is needed
//! unless the operation says `security(())`.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, PathItem, Ref, RefOr,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::ProblemBody;
use crate::server::Service;

/// RFC 9457.
const PROBLEM: &str = "application/problem+json";
/// Name of the scheme by which clients identify themselves.
const BEARER: &str = "bearer";

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
    complete(&mut document);
    document
}

/// Adds to a document what holds for each of its operations.
pub fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let paths = document.paths.paths.values_mut();
    for operation in paths.flat_map(operations) {
        let responses = &mut operation.responses.responses;
        responses.entry("default".to_owned()).or_insert_with(|| {
            let refused = "Refused, or failed: the problem says why";
            RefOr::T(ResponseBuilder::new().description(refused).build())
        });
        for (status, response) in responses {
            if let RefOr::T(response) = response
                && (status == "default" || status.starts_with(['4', '5']))
                && response.content.values().all(is_problem)
            {
                let problem = ContentBuilder::new().schema(Some(problem())).build();
                response.content = [(PROBLEM.to_owned(), RefOr::T(problem))].into();
            }
        }
        operation
            .security
            .get_or_insert_with(|| vec![SecurityRequirement::new(BEARER, [""; 0])]);
    }
}

fn problem() -> Ref {
    Ref::from_schema_name(ProblemBody::name())
}

fn is_problem(content: &RefOr<Content>) -> bool {
    matches!(content, RefOr::T(content) if content.schema == Some(problem().into()))
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut path.get,
        &mut path.put,
        &mut path.post,
        &mut path.delete,
        &mut path.patch,
    ]
    .into_iter()
    .filter_map(Option::as_mut)
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
