//! What a restaurant does with an order.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use garde::Validate;
use http::header;
use quickbite_http::{Owner, Path, ProblemBody, Valid};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::single::conduct;
use super::views::OrderView;
use crate::domain::order::Order;
use crate::domain::saga::Event;
use crate::domain::status::Status;
use crate::error::ApiError;
use crate::live::News;
use crate::state::AppState;

/// How long an acceptance waits for the money.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// A body that may be left out.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S, T> FromRequest<S> for OptionalBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate + Default,
    T::Context: Default,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let headers = request.headers();
        // Proxies turn "no body" into an empty chunked one, so its type tells whether one was meant.
        let empty = !headers.contains_key(header::CONTENT_TYPE)
            || headers
                .get(header::CONTENT_LENGTH)
                .is_some_and(|length| length == "0");
        if empty {
            return Ok(Self(T::default()));
        }
        Valid::from_request(request, state)
            .await
            .map(|Valid(body)| Self(body))
    }
}

/// How an owner accepts.
#[derive(Debug, Default, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcceptOrder {
    /// Minutes until it is ready, 1 to 240.
    #[garde(inner(range(min = 1, max = 240)))]
    ready_in_minutes: Option<u32>,
}

/// How an owner rejects.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
pub(super) struct RejectOrder {
    /// Told to the customer.
    #[garde(length(min = 1, max = 500))]
    reason: String,
}

/// Take an order.
#[utoipa::path(
    post, path = "/api/orders/{id}/accept", tag = "kitchen", params(("id" = Uuid, Path)),
    request_body = Option<AcceptOrder>,
    responses(
        (status = 200, description = "Taken", body = OrderView),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
        (status = 409, description = "Out of order", body = ProblemBody),
    )
)]
pub(super) async fn accept_order(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    OptionalBody(AcceptOrder { ready_in_minutes }): OptionalBody<AcceptOrder>,
) -> Result<Json<OrderView>, ApiError> {
    let news = app.live.subscribe();
    let order = owned_step(&app, &owner, id, Event::Accept { ready_in_minutes }).await?;
    Ok(Json(settled(&app, news, order).await?.into()))
}

/// The order once its money is taken, or as it is when that lasts: so an owner who is told "accepted" can begin to
/// prepare with the next call.
async fn settled(
    app: &AppState,
    mut news: Receiver<News>,
    mut order: Order,
) -> Result<Order, ApiError> {
    let (deadline, ours) = (Instant::now() + CONFIRMED_WITHIN, order.id);
    // A lagging or closed ear is a reason to look, too.
    let other = |heard: &Result<News, RecvError>| match heard {
        Ok(News::Order(id)) => *id != ours,
        Ok(News::Projection(_) | News::Position(..)) => true,
        Ok(News::Unknown) | Err(_) => false,
    };
    while order.saga.status == Status::Pending {
        let heard = async { while other(&news.recv().await) {} };
        if timeout_at(deadline, heard).await.is_err() {
            break;
        }
        order = app
            .orders
            .get(ours)
            .await?
            .ok_or(ApiError::OrderNotFound(ours))?;
    }
    Ok(order)
}

/// Do not take an order.
#[utoipa::path(
    post, path = "/api/orders/{id}/reject", tag = "kitchen", params(("id" = Uuid, Path)),
    request_body = RejectOrder,
    responses(
        (status = 200, description = "Being undone", body = OrderView),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
        (status = 409, description = "Out of order", body = ProblemBody),
    )
)]
pub(super) async fn reject_order(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
    Valid(RejectOrder { reason }): Valid<RejectOrder>,
) -> Result<Json<OrderView>, ApiError> {
    step(&app, &owner, id, Event::Reject { reason }).await
}

/// The kitchen begins.
#[utoipa::path(
    post, path = "/api/orders/{id}/preparing", tag = "kitchen", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Noted", body = OrderView),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
        (status = 409, description = "Out of order", body = ProblemBody),
    )
)]
pub(super) async fn prepare_order(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
) -> Result<Json<OrderView>, ApiError> {
    step(&app, &owner, id, Event::Prepare).await
}

/// The food is ready.
#[utoipa::path(
    post, path = "/api/orders/{id}/ready", tag = "kitchen", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Noted", body = OrderView),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
        (status = 409, description = "Out of order", body = ProblemBody),
    )
)]
pub(super) async fn finish_order(
    State(app): State<AppState>,
    owner: Owner,
    Path(id): Path<Uuid>,
) -> Result<Json<OrderView>, ApiError> {
    step(&app, &owner, id, Event::MarkReady).await
}

async fn step(
    app: &AppState,
    owner: &Owner,
    id: Uuid,
    event: Event,
) -> Result<Json<OrderView>, ApiError> {
    Ok(Json(owned_step(app, owner, id, event).await?.into()))
}

async fn owned_step(
    app: &AppState,
    owner: &Owner,
    id: Uuid,
    event: Event,
) -> Result<Order, ApiError> {
    let known = app.orders.get(id).await?;
    known
        .filter(|order| owner.is_admin || order.owner_id == owner.user_id)
        .ok_or(ApiError::OrderNotFound(id))?;
    conduct(app, id, event).await
}
