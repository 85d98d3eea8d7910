//! The inbox: listed, and marked as read.

use axum::Json;
use axum::extract::State;
use quickbite_http::{AnyUser, Page, Paged, Path, Query};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::views::NotificationView;
use crate::error::ApiError;
use crate::state::AppState;

/// Which notifications.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Filter {
    /// Only those not read yet (`true`) or those read (`false`); all without.
    unread: Option<bool>,
}

/// The caller's notifications, newest first.
#[utoipa::path(get, path = "/api/notifications", tag = "notifications", params(Filter, Page),
    responses((status = 200, body = Paged<NotificationView>)))]
pub(super) async fn list(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
    Query(filter): Query<Filter>,
    page: Page,
) -> Result<Json<Paged<NotificationView>>, ApiError> {
    let before: Option<i64> = page.after()?;
    let rows = app
        .store
        .inbox(user.user_id, filter.unread, before, page.fetch())
        .await?;
    Ok(Json(
        Paged::of(rows, &page, |notice| notice.seq).map(NotificationView::from),
    ))
}

/// Marks one as read. Doing it again changes nothing.
#[utoipa::path(post, path = "/api/notifications/{id}/read", tag = "notifications", params(("id" = Uuid, Path)),
    responses((status = 200, body = NotificationView), (status = 404, description = "unknown or not yours")))]
pub(super) async fn read(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
    Path(id): Path<Uuid>,
) -> Result<Json<NotificationView>, ApiError> {
    let notice = app
        .store
        .mark_read(user.user_id, id, app.clock.now())
        .await?;
    notice
        .map(|notice| Json(notice.into()))
        .ok_or(ApiError::NoNotification(id))
}
