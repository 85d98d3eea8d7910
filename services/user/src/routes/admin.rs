//! Every account, for admins.

use axum::Json;
use axum::extract::State;
use quickbite_auth::Role;
use quickbite_http::{Admin, Page, Paged, Path, Problem, ProblemBody, Query, Valid};
use serde::Deserialize;
use uuid::Uuid;

use super::views::UserView;
use crate::domain::{AdminChange, Email};
use crate::error::ApiError;
use crate::events;
use crate::state::AppState;
use crate::store::{ChangeError, UserFilter};

/// Which accounts.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only of this role.
    #[param(value_type = Option<String>)]
    role: Option<Role>,
    /// Only with this e-mail address.
    email: Option<String>,
}

/// Accounts, newest first.
#[utoipa::path(
    get,
    path = "/api/users",
    tag = "users",
    params(Page, Filter),
    responses((status = 200, body = Paged<UserView>), (status = 403, body = ProblemBody))
)]
pub(super) async fn list(
    State(app): State<AppState>,
    _: Admin,
    page: Page,
    Query(Filter { role, email }): Query<Filter>,
) -> Result<Paged<UserView>, ApiError> {
    let email = email
        .map(|email| Email::parse(&email))
        .transpose()
        .map_err(|error| Problem::field("email", error.to_string()))?;
    let filter = UserFilter { role, email };
    let rows = app
        .store
        .users(&filter, page.after()?, page.fetch())
        .await?;
    Ok(Paged::of(rows, &page, |user| user.id).map(UserView::from))
}

/// An account.
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "users",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = UserView), (status = 404, body = ProblemBody))
)]
pub(super) async fn show(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<Json<UserView>, ApiError> {
    let known = app.store.user(id).await?.ok_or(ApiError::UserNotFound)?;
    Ok(Json(known.user.into()))
}

/// What to change; what is absent stays.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[garde(allow_unvalidated)]
pub(super) struct ChangeUser {
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    disabled: Option<bool>,
}

/// Change an account's role, disable or enable it. Another role or being disabled ends its sessions.
#[utoipa::path(
    patch,
    path = "/api/users/{id}",
    tag = "users",
    params(("id" = Uuid, Path)),
    request_body = ChangeUser,
    responses(
        (status = 200, body = UserView),
        (status = 404, body = ProblemBody),
        (status = 409, description = "`own_account`", body = ProblemBody)
    )
)]
pub(super) async fn change(
    State(app): State<AppState>,
    admin: Admin,
    Path(id): Path<Uuid>,
    Valid(ChangeUser { role, disabled }): Valid<ChangeUser>,
) -> Result<Json<UserView>, ApiError> {
    let now = app.clock.now();
    let changed = app
        .store
        .change_user(
            id,
            |user| user.changed(AdminChange { role, disabled }, admin.user_id, now),
            |before, after| {
                let newly_disabled = before.disabled_at.is_none() && after.disabled_at.is_some();
                newly_disabled
                    .then(|| events::disabled(after))
                    .into_iter()
                    .collect()
            },
        )
        .await
        .map_err(|error| match error {
            ChangeError::Refused(refused) => ApiError::from(refused),
            ChangeError::Database(error) => error.into(),
        })?
        .ok_or(ApiError::UserNotFound)?;
    app.announcer.announce(&changed.revoked).await;
    Ok(Json(changed.user.into()))
}
