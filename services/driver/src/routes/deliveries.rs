//! One delivery: seen by its parties, moved by its driver.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use quickbite_auth::Role;
use quickbite_http::{AnyUser, Courier, Path, Valid};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::optional::Optional;
use super::views::DeliveryView;
use crate::dispatcher::count_offer;
use crate::domain::delivery::{Delivery, Fact, Refused};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::ChangeError;

/// A delivery, for its customer, its driver, its restaurant's owner and admins.
#[utoipa::path(get, path = "/api/deliveries/{id}", tag = "deliveries", params(("id" = Uuid, Path)),
    responses((status = 200, body = DeliveryView), (status = 404, description = "unknown or not yours")))]
pub(super) async fn get(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
    Path(id): Path<Uuid>,
) -> Result<Json<DeliveryView>, ApiError> {
    let delivery = app
        .store()
        .delivery(id)
        .await?
        .ok_or(ApiError::NoDelivery(id))?;
    let party = user.role == Role::Admin
        || delivery.customer_id == user.user_id
        || delivery.driver_id() == Some(user.user_id)
        || app
            .store()
            .owns_order(delivery.order_id, user.user_id)
            .await?;
    if party {
        Ok(Json(delivery.into()))
    } else {
        Err(ApiError::NoDelivery(id))
    }
}

/// Takes the offer. Exactly one driver can.
#[utoipa::path(post, path = "/api/deliveries/{id}/accept", tag = "deliveries", params(("id" = Uuid, Path)),
    responses((status = 200, body = DeliveryView), (status = 409, description = "expired or taken")))]
pub(super) async fn accept(
    State(app): State<AppState>,
    courier: Courier,
    Path(id): Path<Uuid>,
) -> Result<Json<DeliveryView>, ApiError> {
    let now = app.clock.now();
    let delivery = change(&app, &courier, id, |delivery| {
        delivery.accept(courier.user_id, now)
    })
    .await?;
    count_offer("accepted");
    Ok(Json(delivery.into()))
}

/// Refuses the offer; the next driver is asked.
#[utoipa::path(post, path = "/api/deliveries/{id}/decline", tag = "deliveries", params(("id" = Uuid, Path)),
    responses((status = 200, body = DeliveryView), (status = 409, description = "expired or taken")))]
pub(super) async fn decline(
    State(app): State<AppState>,
    courier: Courier,
    Path(id): Path<Uuid>,
) -> Result<Json<DeliveryView>, ApiError> {
    let now = app.clock.now();
    let delivery = change(&app, &courier, id, |delivery| {
        delivery.decline(courier.user_id, now)
    })
    .await?;
    count_offer("declined");
    app.dispatcher.delivery_waits(id);
    app.dispatcher.driver_is_free(courier.user_id);
    Ok(Json(delivery.into()))
}

/// The driver has the food.
#[utoipa::path(post, path = "/api/deliveries/{id}/picked-up", tag = "deliveries", params(("id" = Uuid, Path)),
    responses((status = 200, body = DeliveryView), (status = 409, description = "not assigned")))]
pub(super) async fn picked_up(
    State(app): State<AppState>,
    courier: Courier,
    Path(id): Path<Uuid>,
) -> Result<Json<DeliveryView>, ApiError> {
    let now = app.clock.now();
    let delivery = change(&app, &courier, id, |delivery| {
        delivery.pick_up(courier.user_id, now)
    })
    .await?;
    Ok(Json(delivery.into()))
}

/// How it was handed over.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Handover {
    /// A note or a picture's address, up to 500 characters.
    #[garde(inner(length(chars, max = 500)))]
    proof: Option<String>,
}

/// The customer has the food. The body may be left out.
#[utoipa::path(post, path = "/api/deliveries/{id}/delivered", tag = "deliveries", params(("id" = Uuid, Path)),
    request_body(content = Option<Handover>),
    responses((status = 200, body = DeliveryView), (status = 409, description = "not picked up")))]
pub(super) async fn delivered(
    State(app): State<AppState>,
    courier: Courier,
    Path(id): Path<Uuid>,
    Optional(Handover { proof }): Optional<Handover>,
) -> Result<Json<DeliveryView>, ApiError> {
    let now = app.clock.now();
    let delivery = change(&app, &courier, id, |delivery| {
        delivery.deliver(courier.user_id, proof, now)
    })
    .await?;
    app.dispatcher.driver_is_free(courier.user_id);
    Ok(Json(delivery.into()))
}

/// Why it will not arrive.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    /// Up to 500 characters.
    #[garde(length(chars, min = 1, max = 500))]
    reason: String,
}

/// The driver gives the delivery up.
#[utoipa::path(post, path = "/api/deliveries/{id}/failed", tag = "deliveries", params(("id" = Uuid, Path)),
    request_body = Failure,
    responses((status = 200, body = DeliveryView), (status = 409, description = "not assigned or picked up")))]
pub(super) async fn failed(
    State(app): State<AppState>,
    courier: Courier,
    Path(id): Path<Uuid>,
    Valid(Failure { reason }): Valid<Failure>,
) -> Result<Json<DeliveryView>, ApiError> {
    let now = app.clock.now();
    let delivery = change(&app, &courier, id, |delivery| {
        delivery.fail(courier.user_id, reason, now)
    })
    .await?;
    app.dispatcher.driver_is_free(courier.user_id);
    Ok(Json(delivery.into()))
}

async fn change(
    app: &AppState,
    courier: &Courier,
    id: Uuid,
    change: impl FnOnce(&mut Delivery) -> Result<Fact, Refused>,
) -> Result<Delivery, ApiError> {
    match app
        .store()
        .change(id, |delivery| change(delivery).map(Some))
        .await
    {
        Ok(Some(delivery)) => Ok(delivery),
        Ok(None) => Err(ApiError::NoDelivery(id)),
        // Who was asked once and answered too late learns that, and not that there is no such delivery.
        Err(ChangeError::Refused(Refused::NotYours)) => {
            let asked = app
                .store()
                .answers(id)
                .await?
                .contains_key(&courier.user_id);
            Err(if asked {
                ApiError::Refused(Refused::OfferExpired)
            } else {
                ApiError::NoDelivery(id)
            })
        }
        Err(ChangeError::Refused(refused)) => Err(refused.into()),
        Err(ChangeError::Store(error)) => Err(error.into()),
    }
}
