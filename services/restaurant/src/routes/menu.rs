//! The items of a menu, each change atomic on the one restaurant.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use quickbite_http::{Created, IfMatch, Owner, Path, Problem, ProblemBody, Valid};
use uuid::Uuid;

use super::answer::with_etag;
use super::body::{CreateItem, UpdateItem, trimmed};
use super::writes::guard;
use crate::catalogue::view::MenuItemView;
use crate::domain::menu::{ItemPatch, MenuItem};
use crate::domain::money::Price;
use crate::domain::restaurant::{Restaurant, RestaurantError};
use crate::error::not_changed;
use crate::state::AppState;

/// Puts an item on the menu. The `ETag` is the restaurant's new version.
#[utoipa::path(post, path = "/api/restaurants/{id}/menu", tag = "menu", request_body = CreateItem,
    params(("id" = Uuid, Path), ("if-match" = Option<String>, Header), ("idempotency-key" = Option<String>, Header)),
    responses((status = 201, body = MenuItemView), (status = 404, body = ProblemBody),
              (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn add(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Valid(body): Valid<CreateItem>,
) -> Result<Response, Problem> {
    let item_id = Uuid::now_v7();
    let CreateItem {
        name,
        description,
        price,
        available,
    } = body;
    let (name, description) = (trimmed(name), description.map(trimmed));
    let available = available.unwrap_or(true);
    let change = move |restaurant: &mut Restaurant, now| {
        let price = Price::parse(price, &restaurant.currency)?;
        let (name, description) = (name.clone(), description.clone());
        let item = MenuItem {
            id: item_id,
            name,
            description,
            price,
            available,
        };
        restaurant.add_item(item, now).map(Some)
    };
    let changed = app
        .catalogue
        .change(id, guard(owner, version), change)
        .await;
    let restaurant = changed.map_err(|error| not_changed(id, error))?;
    let location = format!("/api/restaurants/{id}/menu/{item_id}");
    let created = Created(location, shown(&restaurant, item_id)?);
    Ok(with_etag(created.into_response(), restaurant.version))
}

/// Changes an item where it stands.
#[utoipa::path(patch, path = "/api/restaurants/{id}/menu/{itemId}", tag = "menu", request_body = UpdateItem,
    params(("id" = Uuid, Path), ("itemId" = Uuid, Path), ("if-match" = Option<String>, Header)),
    responses((status = 200, body = MenuItemView), (status = 404, body = ProblemBody),
              (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn update(
    State(app): State<AppState>,
    owner: Owner,
    Path((id, item_id)): Path<(Uuid, Uuid)>,
    IfMatch(version): IfMatch,
    Valid(body): Valid<UpdateItem>,
) -> Result<Response, Problem> {
    let UpdateItem {
        name,
        description,
        price,
        available,
    } = body;
    let name = name.map(trimmed);
    let description = description.map(|description| description.map(trimmed));
    let change = move |restaurant: &mut Restaurant, now| {
        let price = price
            .map(|price| Price::parse(price, &restaurant.currency))
            .transpose()?;
        let (name, description) = (name.clone(), description.clone());
        restaurant.revise_item(
            item_id,
            ItemPatch {
                name,
                description,
                price,
                available,
            },
            now,
        )
    };
    let changed = app
        .catalogue
        .change(id, guard(owner, version), change)
        .await;
    let restaurant = changed.map_err(|error| not_changed(id, error))?;
    let view = Json(shown(&restaurant, item_id)?);
    Ok(with_etag(view.into_response(), restaurant.version))
}

/// Takes an item off the menu.
#[utoipa::path(delete, path = "/api/restaurants/{id}/menu/{itemId}", tag = "menu",
    params(("id" = Uuid, Path), ("itemId" = Uuid, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn remove(
    State(app): State<AppState>,
    owner: Owner,
    Path((id, item_id)): Path<(Uuid, Uuid)>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let change =
        move |restaurant: &mut Restaurant, now| restaurant.remove_item(item_id, now).map(Some);
    let changed = app
        .catalogue
        .change(id, guard(owner, version), change)
        .await;
    let restaurant = changed.map_err(|error| not_changed(id, error))?;
    Ok(with_etag(
        StatusCode::NO_CONTENT.into_response(),
        restaurant.version,
    ))
}

fn shown(restaurant: &Restaurant, item_id: Uuid) -> Result<MenuItemView, Problem> {
    let item = restaurant
        .item(item_id)
        .ok_or(RestaurantError::ItemNotFound(item_id));
    let item = item.map_err(|error| not_changed(restaurant.id, error.into()))?;
    Ok(MenuItemView::of(item, &restaurant.currency))
}
