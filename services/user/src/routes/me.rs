//! One's own account.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use quickbite_http::{AnyUser, ProblemBody, Valid};
use serde::{Deserialize, Deserializer};

use super::checks::Checks;
use super::views::UserView;
use crate::domain::{Password, PersonName, Phone};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::ChangeError;

/// One's own account.
#[utoipa::path(
    get,
    path = "/api/users/me",
    tag = "users",
    responses((status = 200, body = UserView), (status = 401, body = ProblemBody))
)]
pub(super) async fn show(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
) -> Result<Json<UserView>, ApiError> {
    let known = app
        .store
        .user(identity.user_id)
        .await?
        .ok_or(ApiError::AccountGone)?;
    Ok(Json(known.user.into()))
}

/// What to change of it; what is absent stays, `"phone": null` removes the number.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[garde(allow_unvalidated)]
pub(super) struct ChangeMe {
    name: Option<String>,
    #[serde(default, deserialize_with = "even_null")]
    #[schema(value_type = Option<String>)]
    phone: Option<Option<String>>,
}

/// Tells `null` from absent.
fn even_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Change one's own account.
#[utoipa::path(
    patch,
    path = "/api/users/me",
    tag = "users",
    request_body = ChangeMe,
    responses(
        (status = 200, body = UserView),
        (status = 401, body = ProblemBody),
        (status = 422, body = ProblemBody)
    )
)]
pub(super) async fn change(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
    Valid(ChangeMe { name, phone }): Valid<ChangeMe>,
) -> Result<Json<UserView>, ApiError> {
    let mut checks = Checks::default();
    let name = name.map(|name| PersonName::parse(&name).ok_or("must be 1 to 100 characters"));
    let name = checks.take("name", name.transpose());
    let phone = phone.map(|phone| {
        phone
            .map(|phone| Phone::parse(&phone).ok_or("not a phone number"))
            .transpose()
    });
    let phone = checks.take("phone", phone.transpose());
    let (name, phone) = checks.finish(name.zip(phone))?;
    let now = app.clock.now();
    let changed = app
        .store
        .change_user(
            identity.user_id,
            |user| {
                let mut next = user.clone();
                next.name = name.unwrap_or(next.name);
                next.phone = phone.unwrap_or(next.phone);
                if next != *user {
                    next.updated_at = now;
                }
                Ok::<_, Infallible>(next)
            },
            |_, _| Vec::new(),
        )
        .await
        .map_err(|error| match error {
            ChangeError::Refused(never) => match never {},
            ChangeError::Database(error) => ApiError::from(error),
        })?;
    Ok(Json(changed.ok_or(ApiError::AccountGone)?.user.into()))
}

/// The old password and the new one.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(super) struct ChangePassword {
    current_password: String,
    #[schema(min_length = 8, max_length = 128)]
    new_password: String,
}

/// Change one's password. Every other session ends.
#[utoipa::path(
    post,
    path = "/api/users/me/password",
    tag = "users",
    request_body = ChangePassword,
    responses(
        (status = 204),
        (status = 403, description = "`wrong_password`", body = ProblemBody),
        (status = 422, body = ProblemBody)
    )
)]
pub(super) async fn change_password(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
    Valid(ChangePassword {
        current_password,
        new_password,
    }): Valid<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    let known = app
        .store
        .user(identity.user_id)
        .await?
        .ok_or(ApiError::AccountGone)?;
    let mut checks = Checks::default();
    let new = Password::choose(new_password.into(), &known.user.email);
    let new = checks.take("newPassword", new);
    let new = checks.finish(new)?;
    let old_hash = known.password_hash;
    let current = Password::attempt(current_password.into());
    if !app
        .passwords
        .is_right(current, Some(old_hash.clone()))
        .await?
    {
        return Err(ApiError::WrongPassword);
    }
    let new_hash = app.passwords.hash(new).await?;
    let (user, keep, now) = (identity.user_id, identity.session, app.clock.now());
    let revoked = app
        .store
        .change_password(user, &old_hash, &new_hash, keep, now)
        .await?
        .ok_or(ApiError::ChangedMeanwhile)?;
    app.announcer.announce(&revoked).await;
    Ok(StatusCode::NO_CONTENT)
}
