//! One order: read it, call it off.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use quickbite_auth::{Identity, Role};
use quickbite_http::{AnyUser, Path, Problem, ProblemBody};
use serde::Deserialize;
use uuid::Uuid;

use super::kitchen::OptionalBody;
use super::views::{OrderDetail, OrderView, history};
use crate::conductor::Outcome;
use crate::domain::order::Order;
use crate::domain::saga::Event;
use crate::error::ApiError;
use crate::state::AppState;

/// The order, when the caller is a party of it or an admin: to all others it does not exist.
pub(super) async fn visible(
    app: &AppState,
    caller: &Identity,
    id: Uuid,
) -> Result<Order, ApiError> {
    app.orders
        .get(id)
        .await?
        .filter(|order| caller.role == Role::Admin || order.is_party(caller.user_id))
        .ok_or(ApiError::OrderNotFound(id))
}

/// The order after `event`.
pub(super) async fn conduct(app: &AppState, id: Uuid, event: Event) -> Result<Order, ApiError> {
    match app.conductor.conduct(id, None, |_| event).await? {
        Outcome::Done(order) => Ok(*order),
        Outcome::Refused(refused) => Err(refused.into()),
        Outcome::Unknown | Outcome::Repeated => Err(ApiError::OrderNotFound(id)),
    }
}

/// An order with its history.
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "orders", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The order", body = OrderDetail),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
    )
)]
pub(super) async fn get_order(
    State(app): State<AppState>,
    AnyUser(caller): AnyUser,
    Path(id): Path<Uuid>,
) -> Result<Json<OrderDetail>, ApiError> {
    let order = visible(&app, &caller, id).await?;
    let history = history(app.orders.changes(id, 0).await?);
    Ok(Json(OrderDetail {
        order: order.into(),
        history,
    }))
}

/// Why an order is called off.
#[derive(Debug, Default, Deserialize, Validate, utoipa::ToSchema)]
pub(super) struct CancelOrder {
    /// For people.
    #[garde(inner(length(max = 500)))]
    reason: Option<String>,
}

/// Call an order off: until it is picked up.
#[utoipa::path(
    post, path = "/api/orders/{id}/cancel", tag = "orders", params(("id" = Uuid, Path)),
    request_body = Option<CancelOrder>,
    responses(
        (status = 202, description = "Being undone", body = OrderView),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
        (status = 409, description = "On its way, or ended", body = ProblemBody),
    )
)]
pub(super) async fn cancel_order(
    State(app): State<AppState>,
    AnyUser(caller): AnyUser,
    Path(id): Path<Uuid>,
    OptionalBody(CancelOrder { reason }): OptionalBody<CancelOrder>,
) -> Result<(StatusCode, Json<OrderView>), ApiError> {
    if !matches!(caller.role, Role::Customer | Role::Admin) {
        return Err(Problem::forbidden("Only the customer or an admin may cancel an order").into());
    }
    visible(&app, &caller, id).await?;
    let reason = reason.unwrap_or_else(|| format!("cancelled_by_{}", caller.role));
    let order = conduct(&app, id, Event::Cancel { reason }).await?;
    Ok((StatusCode::ACCEPTED, Json(order.into())))
}
