//! Deliveries that were given up: seen and taken up again by admins.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use quickbite_http::{Admin, Page, Paged, Path};
use uuid::Uuid;

use super::views::DeadLetterView;
use crate::error::ApiError;
use crate::state::AppState;

/// Dead letters, newest first.
#[utoipa::path(get, path = "/api/notifications/dead-letters", tag = "notifications", params(Page),
    responses((status = 200, body = Paged<DeadLetterView>)))]
pub(super) async fn list(
    State(app): State<AppState>,
    _admin: Admin,
    page: Page,
) -> Result<Json<Paged<DeadLetterView>>, ApiError> {
    let before: Option<Uuid> = page.after()?;
    let rows = app.store.dead_letters(before, page.fetch()).await?;
    Ok(Json(
        Paged::of(rows, &page, |letter| letter.delivery_id).map(DeadLetterView::from),
    ))
}

/// Tries a dead letter again, its attempts counted anew.
#[utoipa::path(post, path = "/api/notifications/dead-letters/{id}/redeliver", tag = "notifications",
    params(("id" = Uuid, Path)),
    responses((status = 202, body = DeadLetterView), (status = 409, description = "not dead-lettered")))]
pub(super) async fn redeliver(
    State(app): State<AppState>,
    _admin: Admin,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<DeadLetterView>), ApiError> {
    match app.store.redeliver(id, app.clock.now()).await? {
        Some(Some(letter)) => Ok((StatusCode::ACCEPTED, Json(letter.into()))),
        Some(None) => Err(ApiError::NotDead),
        None => Err(ApiError::NoDelivery(id)),
    }
}
