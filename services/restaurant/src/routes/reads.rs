//! Restaurants for anyone, and an owner's own.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use quickbite_http::{Owner, Page, Path, Problem, ProblemBody, Query};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::{cached, with_etag};
use crate::catalogue::view::{RestaurantPage, RestaurantView};
use crate::domain::place::Location;
use crate::error::restaurant_not_found;
use crate::state::AppState;

const LONGEST_WORDS: usize = 100;
const DEFAULT_RADIUS_KM: f64 = 10.0;
const LARGEST_RADIUS_KM: f64 = 100.0;

/// What narrows the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only of this kind of kitchen, in any case.
    cuisine: Option<String>,
    /// Only those that take orders, or that do not.
    open: Option<bool>,
}

/// All restaurants, newest first.
#[utoipa::path(get, path = "/api/restaurants", tag = "restaurants", security(()), params(Filter, Page),
    responses((status = 200, body = RestaurantPage, headers(("x-cache" = String))),
              (status = 422, body = ProblemBody)))]
pub(super) async fn list(
    State(app): State<AppState>,
    Query(filter): Query<Filter>,
    page: Page,
) -> Result<Response, Problem> {
    let cuisine = filter.cuisine.filter(|cuisine| !cuisine.trim().is_empty());
    let (found, outcome) = app.catalogue.list(cuisine, filter.open, page).await?;
    Ok(cached(found, outcome))
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Words {
    /// Words in names, descriptions, kinds of kitchen and dishes, 1–100 characters.
    q: String,
}

/// Restaurants by words, best match first.
#[utoipa::path(get, path = "/api/restaurants/search", tag = "restaurants", security(()), params(Words, Page),
    responses((status = 200, body = RestaurantPage, headers(("x-cache" = String))),
              (status = 422, body = ProblemBody)))]
pub(super) async fn search(
    State(app): State<AppState>,
    Query(Words { q }): Query<Words>,
    page: Page,
) -> Result<Response, Problem> {
    let words = q.trim().to_lowercase();
    if words.is_empty() || words.chars().count() > LONGEST_WORDS {
        return Err(Problem::field("q", "must be 1 to 100 characters"));
    }
    let (found, outcome) = app.catalogue.search(words, page).await?;
    Ok(cached(found, outcome))
}

/// Where one stands.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct Around {
    /// −90 to 90.
    lat: f64,
    /// −180 to 180.
    lng: f64,
    /// How far to look, above 0 to 100; 10 when left out.
    radius_km: Option<f64>,
}

impl Around {
    /// The centre, and the radius in metres.
    fn parse(&self) -> Result<(Location, f64), Problem> {
        let Self {
            lat,
            lng,
            radius_km,
        } = *self;
        if !(-90.0..=90.0).contains(&lat) {
            return Err(Problem::field("lat", "must be -90 to 90"));
        }
        if !(-180.0..=180.0).contains(&lng) {
            return Err(Problem::field("lng", "must be -180 to 180"));
        }
        let radius = radius_km.unwrap_or(DEFAULT_RADIUS_KM);
        if !(radius > 0.0 && radius <= LARGEST_RADIUS_KM) {
            return Err(Problem::field(
                "radiusKm",
                "must be above 0 and at most 100",
            ));
        }
        Ok((Location { lat, lng }, radius * 1000.0))
    }
}

/// Restaurants around a place, nearest first, each with `distanceMeters`.
#[utoipa::path(get, path = "/api/restaurants/nearby", tag = "restaurants", security(()), params(Around, Page),
    responses((status = 200, body = RestaurantPage), (status = 422, body = ProblemBody)))]
pub(super) async fn nearby(
    State(app): State<AppState>,
    Query(around): Query<Around>,
    page: Page,
) -> Result<Json<RestaurantPage>, Problem> {
    let (centre, radius) = around.parse()?;
    Ok(Json(app.catalogue.nearby(centre, radius, page).await?))
}

/// The caller's own restaurants, newest first.
#[utoipa::path(get, path = "/api/restaurants/mine", tag = "restaurants", params(Page),
    responses((status = 200, body = RestaurantPage, headers(("x-cache" = String))),
              (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub(super) async fn mine(
    State(app): State<AppState>,
    owner: Owner,
    page: Page,
) -> Result<Response, Problem> {
    let (found, outcome) = app.catalogue.mine(owner.user_id, page).await?;
    Ok(cached(found, outcome))
}

/// One restaurant with its menu.
#[utoipa::path(get, path = "/api/restaurants/{id}", tag = "restaurants", security(()), params(("id" = Uuid, Path)),
    responses((status = 200, body = RestaurantView, headers(("x-cache" = String), ("etag" = String))),
              (status = 404, body = ProblemBody)))]
pub(super) async fn get(
    State(app): State<AppState>,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let (found, outcome) = app.catalogue.get(id).await?;
    let found = found.ok_or_else(|| restaurant_not_found(id))?;
    let version = found.summary.version;
    Ok(with_etag(cached(found, outcome), version))
}
