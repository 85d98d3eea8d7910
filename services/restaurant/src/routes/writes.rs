//! A restaurant's life: created, changed, opened, closed, deleted by its owner or an admin.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use quickbite_http::{Created, IfMatch, Owner, Path, Problem, ProblemBody, Valid};
use uuid::Uuid;

use super::answer::with_etag;
use super::body::{CreateRestaurant, UpdateRestaurant};
use crate::catalogue::Guard;
use crate::catalogue::view::RestaurantView;
use crate::domain::money::Currency;
use crate::domain::restaurant::{Change, DetailsPatch, Restaurant};
use crate::error::{money, not_changed};
use crate::state::{AppState, now};

/// Opens a restaurant of one's own. It starts closed, with an empty menu.
#[utoipa::path(post, path = "/api/restaurants", tag = "restaurants", request_body = CreateRestaurant,
    params(("idempotency-key" = Option<String>, Header)),
    responses((status = 201, body = RestaurantView), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    State(app): State<AppState>,
    owner: Owner,
    Valid(body): Valid<CreateRestaurant>,
) -> Result<Response, Problem> {
    let currency = Currency::parse(&body.currency).map_err(|error| money("currency", &error))?;
    let (id, now) = (Uuid::now_v7(), now(&app.clock));
    let restaurant = Restaurant::create(id, owner.user_id, body.into(), currency, now);
    let restaurant = app.catalogue.create(restaurant).await?;
    let created = Created(
        format!("/api/restaurants/{id}"),
        RestaurantView::from(&restaurant),
    );
    Ok(with_etag(created.into_response(), restaurant.version))
}

/// Changes what the body names.
#[utoipa::path(patch, path = "/api/restaurants/{id}", tag = "restaurants", request_body = UpdateRestaurant,
    params(("id" = Uuid, Path), ("if-match" = Option<String>, Header)),
    responses((status = 200, body = RestaurantView), (status = 404, body = ProblemBody),
              (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn update(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Valid(body): Valid<UpdateRestaurant>,
) -> Result<Response, Problem> {
    let patch = DetailsPatch::from(body);
    let change = move |restaurant: &mut Restaurant, now| Ok(restaurant.revise(patch.clone(), now));
    let changed = app
        .catalogue
        .change(id, guard(owner, version), change)
        .await;
    changed
        .map(|restaurant| shown(&restaurant))
        .map_err(|error| not_changed(id, error))
}

/// Deletes a restaurant. Orders that it has already taken go on.
#[utoipa::path(delete, path = "/api/restaurants/{id}", tag = "restaurants",
    params(("id" = Uuid, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Problem> {
    let change = |restaurant: &mut Restaurant, now| Ok(Some(restaurant.delete(now)));
    let changed = app
        .catalogue
        .change(id, guard(owner, version), change)
        .await;
    changed
        .map(|_| StatusCode::NO_CONTENT)
        .map_err(|error| not_changed(id, error))
}

/// Takes orders from now on. Doing it twice is the same as once.
#[utoipa::path(post, path = "/api/restaurants/{id}/open", tag = "restaurants",
    params(("id" = Uuid, Path), ("if-match" = Option<String>, Header)),
    responses((status = 200, body = RestaurantView), (status = 404, body = ProblemBody)))]
pub(super) async fn open(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    switch(app, id, guard(owner, version), Restaurant::open).await
}

/// Takes no orders from now on. Doing it twice is the same as once.
#[utoipa::path(post, path = "/api/restaurants/{id}/close", tag = "restaurants",
    params(("id" = Uuid, Path), ("if-match" = Option<String>, Header)),
    responses((status = 200, body = RestaurantView), (status = 404, body = ProblemBody)))]
pub(super) async fn close(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    switch(app, id, guard(owner, version), Restaurant::close).await
}

async fn switch(
    app: AppState,
    id: Uuid,
    guard: Guard,
    to: fn(&mut Restaurant, jiff::Timestamp) -> Option<Change>,
) -> Result<Response, Problem> {
    let changed = app
        .catalogue
        .change(id, guard, move |restaurant, now| Ok(to(restaurant, now)))
        .await;
    changed
        .map(|restaurant| shown(&restaurant))
        .map_err(|error| not_changed(id, error))
}

/// Who may change, and what they saw.
pub(super) fn guard(owner: Owner, version: Option<i64>) -> Guard {
    let owner_id = (!owner.is_admin).then_some(owner.user_id);
    Guard { owner_id, version }
}

fn shown(restaurant: &Restaurant) -> Response {
    let view = Json(RestaurantView::from(restaurant));
    with_etag(view.into_response(), restaurant.version)
}
