//! Sagas, for admins.

use axum::Json;
use axum::extract::State;
use quickbite_http::{Admin, Page, Paged, Path, ProblemBody, Query};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::single::conduct;
use super::views::SagaView;
use crate::domain::saga::Event;
use crate::error::ApiError;
use crate::state::AppState;

/// The saga of an order.
#[utoipa::path(
    get, path = "/api/orders/{id}/saga", tag = "sagas", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The saga", body = SagaView),
        (status = 404, description = "Unknown order", body = ProblemBody),
    )
)]
pub(super) async fn saga_of_order(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<Json<SagaView>, ApiError> {
    let order = app
        .orders
        .get(id)
        .await?
        .ok_or(ApiError::OrderNotFound(id))?;
    Ok(Json(order.into()))
}

/// How a saga is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum SagaState {
    /// Going forwards.
    Running,
    /// Undoing.
    Compensating,
    /// Undoing, past its limit.
    Stuck,
    /// Delivered.
    Completed,
    /// Undone.
    Compensated,
}

impl SagaState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
        }
    }
}

/// What a list of sagas is narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SagaQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<SagaState>,
}

/// Sagas, newest first.
#[utoipa::path(
    get, path = "/api/sagas", tag = "sagas", params(SagaQuery, Page),
    responses((status = 200, description = "One page", body = Paged<SagaView>))
)]
pub(super) async fn list_sagas(
    State(app): State<AppState>,
    _: Admin,
    Query(SagaQuery { state }): Query<SagaQuery>,
    page: Page,
) -> Result<Paged<SagaView>, ApiError> {
    let state = state.map(SagaState::as_str);
    let orders = app
        .orders
        .by_saga(state, page.after::<Uuid>()?, page.fetch())
        .await?;
    Ok(Paged::of(orders, &page, |order| order.saga_id).map(SagaView::from))
}

/// Try the current step again.
#[utoipa::path(
    post, path = "/api/sagas/{id}/retry", tag = "sagas", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Tried again", body = SagaView),
        (status = 404, description = "Unknown saga", body = ProblemBody),
        (status = 409, description = "Nothing to try again", body = ProblemBody),
    )
)]
pub(super) async fn retry_saga(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<Json<SagaView>, ApiError> {
    by_hand(&app, id, Event::Retry).await
}

/// Undo the order.
#[utoipa::path(
    post, path = "/api/sagas/{id}/compensate", tag = "sagas", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Being undone", body = SagaView),
        (status = 404, description = "Unknown saga", body = ProblemBody),
        (status = 409, description = "Ended", body = ProblemBody),
    )
)]
pub(super) async fn compensate_saga(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<Json<SagaView>, ApiError> {
    by_hand(
        &app,
        id,
        Event::Compensate {
            reason: "compensated_by_admin".into(),
        },
    )
    .await
}

async fn by_hand(app: &AppState, saga: Uuid, event: Event) -> Result<Json<SagaView>, ApiError> {
    let order_id = app
        .orders
        .order_of_saga(saga)
        .await?
        .ok_or(ApiError::SagaNotFound(saga))?;
    Ok(Json(conduct(app, order_id, event).await?.into()))
}
