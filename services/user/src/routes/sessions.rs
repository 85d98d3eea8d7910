//! Register, log in, refresh, log out.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use quickbite_auth::Role;
use quickbite_http::{AnyUser, Created, Problem, ProblemBody, Valid};
use quickbite_telemetry::metrics::counter_vec;
use serde::Deserialize;
use uuid::Uuid;

use super::checks::Checks;
use super::views::SignedIn;
use crate::domain::{Email, Password, PersonName, Phone, RefreshToken, SelfRole, User};
use crate::error::ApiError;
use crate::events;
use crate::state::AppState;
use crate::store::{InsertError, NewSession, RevokedBecause, Rotation};

/// A new account.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[garde(allow_unvalidated)]
pub(super) struct Register {
    #[schema(format = "email")]
    email: String,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    phone: Option<String>,
    #[serde(default)]
    role: SelfRole,
}

struct Registration {
    email: Email,
    password: Password,
    name: PersonName,
    phone: Option<Phone>,
    role: Role,
}

impl Register {
    fn parse(self) -> Result<Registration, Problem> {
        let Self {
            email,
            password,
            name,
            phone,
            role,
        } = self;
        let mut checks = Checks::default();
        let email = checks.take("email", Email::parse(&email));
        let password = email
            .as_ref()
            .and_then(|email| checks.take("password", Password::choose(password.into(), email)));
        let name = PersonName::parse(&name).ok_or("must be 1 to 100 characters");
        let name = checks.take("name", name);
        let phone = phone.map(|phone| Phone::parse(&phone).ok_or("not a phone number"));
        let phone = checks.take("phone", phone.transpose());
        let made = (|| {
            Some(Registration {
                email: email?,
                password: password?,
                name: name?,
                phone: phone?,
                role: role.into(),
            })
        })();
        checks.finish(made)
    }
}

/// Make an account and sign in.
#[utoipa::path(
    post,
    path = "/api/users/register",
    tag = "users",
    security(()),
    request_body = Register,
    responses(
        (status = 201, body = SignedIn),
        (status = 409, description = "`email_taken`", body = ProblemBody),
        (status = 422, body = ProblemBody)
    )
)]
pub(super) async fn register(
    State(app): State<AppState>,
    Valid(body): Valid<Register>,
) -> Result<Created<SignedIn>, ApiError> {
    let Registration {
        email,
        password,
        name,
        phone,
        role,
    } = body.parse()?;
    let hash = app.passwords.hash(password).await?;
    let now = app.clock.now();
    let user = User {
        id: Uuid::now_v7(),
        email,
        name,
        phone,
        role,
        disabled_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let (session, refresh) = new_session(&app, user.id, now);
    let facts = [events::registered(&user)];
    app.store
        .insert_user(&user, &hash, Some(&session), &facts)
        .await
        .map_err(|error| match error {
            InsertError::EmailTaken => ApiError::EmailTaken,
            InsertError::Database(error) => error.into(),
        })?;
    let location = format!("/api/users/{}", user.id);
    Ok(Created(
        location,
        signed_in(&app, user, session.id, &refresh)?,
    ))
}

/// Who one is.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[garde(allow_unvalidated)]
pub(super) struct Login {
    email: String,
    password: String,
}

/// Sign in.
#[utoipa::path(
    post,
    path = "/api/users/login",
    tag = "users",
    security(()),
    request_body = Login,
    responses(
        (status = 200, body = SignedIn),
        (status = 401, description = "`invalid_credentials`", body = ProblemBody)
    )
)]
pub(super) async fn login(
    State(app): State<AppState>,
    Valid(Login { email, password }): Valid<Login>,
) -> Result<Json<SignedIn>, ApiError> {
    let outcome = try_login(&app, &email, password).await;
    let label = match &outcome {
        Ok(_) => "ok",
        Err(ApiError::InvalidCredentials | ApiError::AccountDisabled) => "refused",
        Err(_) => "failed",
    };
    counter_vec(
        "quickbite_logins_total",
        "Attempts to log in.",
        &["outcome"],
    )
    .with_label_values(&[label])
    .inc();
    outcome.map(Json)
}

/// An unknown address costs the same work as a wrong password.
async fn try_login(app: &AppState, email: &str, password: String) -> Result<SignedIn, ApiError> {
    let known = match Email::parse(email) {
        Ok(email) => app.store.credentials(&email).await?,
        Err(_) => None,
    };
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let right = app
        .passwords
        .is_right(Password::attempt(password.into()), hash)
        .await?;
    let user = known
        .filter(|_| right)
        .ok_or(ApiError::InvalidCredentials)?
        .user;
    if user.disabled_at.is_some() {
        return Err(ApiError::AccountDisabled);
    }
    let (session, refresh) = new_session(app, user.id, app.clock.now());
    app.store.open_session(&session).await?;
    signed_in(app, user, session.id, &refresh)
}

/// A token of this session.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(super) struct Refresh {
    refresh_token: String,
}

/// Exchange a refresh token for a new pair. A token that was used before ends its session.
#[utoipa::path(
    post,
    path = "/api/users/refresh",
    tag = "users",
    security(()),
    request_body = Refresh,
    responses(
        (status = 200, body = SignedIn),
        (status = 401, description = "`invalid_refresh_token`, `refresh_reused`", body = ProblemBody)
    )
)]
pub(super) async fn refresh(
    State(app): State<AppState>,
    Valid(Refresh { refresh_token }): Valid<Refresh>,
) -> Result<Json<SignedIn>, ApiError> {
    let old = RefreshToken::parse(&refresh_token).ok_or(ApiError::InvalidRefreshToken)?;
    let new = RefreshToken::generate(&mut rand::rng());
    let now = app.clock.now();
    let ends = refresh_ends(&app, now);
    match app
        .store
        .rotate(&old.digest(), &new.digest(), ends, now)
        .await?
    {
        Rotation::Rotated { session, user_id } => {
            let user = app
                .store
                .user(user_id)
                .await?
                .ok_or(ApiError::InvalidRefreshToken)?
                .user;
            Ok(Json(signed_in(&app, user, session, &new)?))
        }
        Rotation::Reused(revoked) => {
            tracing::warn!(?revoked, "a refresh token came twice");
            app.announcer.announce(revoked.as_slice()).await;
            Err(ApiError::RefreshReused)
        }
        Rotation::Invalid => Err(ApiError::InvalidRefreshToken),
    }
}

/// End this session: its access tokens and its refresh token.
#[utoipa::path(
    post,
    path = "/api/users/logout",
    tag = "users",
    responses((status = 204), (status = 401, body = ProblemBody))
)]
pub(super) async fn logout(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
) -> Result<StatusCode, ApiError> {
    if let Some(session) = identity.session {
        let because = RevokedBecause::Logout;
        let now = app.clock.now();
        let revoked = app
            .store
            .revoke_session(session, identity.user_id, because, now)
            .await?;
        app.announcer.announce(revoked.as_slice()).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn refresh_ends(app: &AppState, now: Timestamp) -> Timestamp {
    let ttl = SignedDuration::try_from(app.refresh_ttl).unwrap_or(SignedDuration::MAX);
    now.saturating_add(ttl).unwrap_or(Timestamp::MAX)
}

fn new_session(app: &AppState, user_id: Uuid, now: Timestamp) -> (NewSession, RefreshToken) {
    let refresh = RefreshToken::generate(&mut rand::rng());
    let session = NewSession {
        id: Uuid::now_v7(),
        user_id,
        refresh_digest: refresh.digest(),
        expires_at: refresh_ends(app, now),
        created_at: now,
    };
    (session, refresh)
}

fn signed_in(
    app: &AppState,
    user: User,
    session: Uuid,
    refresh: &RefreshToken,
) -> Result<SignedIn, ApiError> {
    let access_token = app
        .tokens
        .issue(user.id, user.role, session, app.access_ttl)?;
    Ok(SignedIn {
        user: user.into(),
        access_token,
        refresh_token: refresh.to_text(),
        expires_in: app.access_ttl.as_secs(),
    })
}
