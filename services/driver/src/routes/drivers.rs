//! Shifts, and who is near.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use quickbite_http::{Admin, Courier, Paged, Problem, Query, Valid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::views::DriverView;
use crate::domain::geo::{GeoBox, GeoPoint};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::IndexAnswer;

/// Most drivers that `nearby` lists.
const NEARBY: usize = 100;

/// The beginning of a shift.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoOnline {
    /// Where the driver is.
    #[garde(skip)]
    location: GeoPoint,
    /// What he drives, up to 60 characters.
    #[garde(inner(length(chars, min = 1, max = 60)))]
    vehicle: Option<String>,
}

/// Begins a shift. Deliveries that wait nearby are offered at once.
#[utoipa::path(post, path = "/api/drivers/me/online", tag = "drivers", request_body = GoOnline,
    responses((status = 200, body = DriverView), (status = 422, description = "no such point")))]
pub(super) async fn online(
    State(app): State<AppState>,
    courier: Courier,
    Valid(body): Valid<GoOnline>,
) -> Result<Json<DriverView>, ApiError> {
    let GoOnline { location, vehicle } = body;
    let driver = app
        .store()
        .go_online(courier.user_id, location, vehicle, app.clock.now())
        .await?;
    app.dispatcher.note_place(courier.user_id, location).await;
    app.dispatcher.driver_is_free(courier.user_id);
    Ok(Json(driver.into()))
}

/// Ends a shift. An open offer goes to the next driver; a delivery in progress has to be finished first.
#[utoipa::path(post, path = "/api/drivers/me/offline", tag = "drivers",
    responses((status = 200, body = DriverView), (status = 409, description = "a delivery is in progress")))]
pub(super) async fn offline(
    State(app): State<AppState>,
    courier: Courier,
) -> Result<Json<DriverView>, ApiError> {
    if !app
        .dispatcher
        .end_shift(courier.user_id, app.clock.now())
        .await?
    {
        return Err(ApiError::DeliveryInProgress);
    }
    let driver = app.store().driver(courier.user_id).await?;
    let offline = DriverView {
        driver_id: courier.user_id,
        online: false,
        vehicle: None,
        location: None,
    };
    Ok(Json(driver.map_or(offline, DriverView::from)))
}

/// A circle on the map.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub(super) struct Circle {
    /// Latitude of the middle.
    lat: f64,
    /// Longitude of the middle.
    lng: f64,
    /// Radius, 0 to 100 km; 5 without.
    radius_km: Option<f64>,
}

/// A driver near a point.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NearbyDriver {
    /// Who.
    driver_id: Uuid,
    /// Where.
    location: GeoPoint,
    /// How far from the point asked for, metres.
    distance_meters: i64,
}

/// Free drivers around a point, nearest first.
#[utoipa::path(get, path = "/api/drivers/nearby", tag = "drivers", params(Circle),
    responses((status = 200, body = Paged<NearbyDriver>)))]
pub(super) async fn nearby(
    State(app): State<AppState>,
    _admin: Admin,
    Query(circle): Query<Circle>,
) -> Result<Json<Paged<NearbyDriver>>, ApiError> {
    let center = GeoPoint::parse(circle.lat, circle.lng)
        .map_err(|error| Problem::field(error.field(), error.to_string()))?;
    let radius_km = circle.radius_km.unwrap_or(5.0);
    if !(0.0..=100.0).contains(&radius_km) {
        return Err(Problem::field("radiusKm", "must be between 0 and 100").into());
    }
    let radius_m = radius_km * 1000.0;
    let candidates = match app.dispatcher.index().near(center, radius_m, NEARBY).await {
        IndexAnswer::Near(ids) => app.store().free_among(&ids).await?,
        IndexAnswer::Unknown => {
            app.store()
                .free_within(GeoBox::around(center, radius_m), NEARBY as i64)
                .await?
        }
    };
    let mut items: Vec<NearbyDriver> = candidates
        .into_iter()
        .map(|candidate| NearbyDriver {
            driver_id: candidate.driver_id,
            location: candidate.location,
            distance_meters: candidate.location.distance_m(center).round() as i64,
        })
        .filter(|driver| driver.distance_meters as f64 <= radius_m)
        .collect();
    items.sort_by_key(|driver| (driver.distance_meters, driver.driver_id));
    Ok(Json(Paged {
        items,
        next_cursor: None,
    }))
}
