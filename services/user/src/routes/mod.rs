//! HTTP in, HTTP out: parse, ask, render. Decides nothing.

mod addresses;
mod admin;
mod checks;
mod jwks;
mod me;
mod sessions;
mod views;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// All routes with their documentation. What creates honours `Idempotency-Key`, by what is added to its routes:
/// `sealed` where answers hold tokens.
pub fn router(
    sealed: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
    plain: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
) -> OpenApiRouter<AppState> {
    let registering = OpenApiRouter::new().routes(routes!(sessions::register));
    let addresses = OpenApiRouter::new()
        .routes(routes!(addresses::list, addresses::create))
        .routes(routes!(addresses::change, addresses::delete));
    OpenApiRouter::new()
        .merge(sealed(registering))
        .merge(plain(addresses))
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::logout))
        .routes(routes!(me::show, me::change))
        .routes(routes!(me::change_password))
        .routes(routes!(admin::list))
        .routes(routes!(admin::show, admin::change))
        .routes(routes!(jwks::jwks))
}
