//! How the caller wants to be told.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use garde::Validate;
use quickbite_http::{AnyUser, Valid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::preferences::{Preferences, Webhook, webhook_url};
use crate::error::ApiError;
use crate::state::AppState;

/// The preferences to hold from now on; what is left out gets its default.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreferencesBody {
    /// In the app; `true` without.
    #[garde(skip)]
    #[serde(default = "yes")]
    in_app: bool,
    /// By e-mail; `true` without.
    #[garde(skip)]
    #[serde(default = "yes")]
    email: bool,
    /// To a URL of the caller's; none without.
    #[garde(dive)]
    #[serde(default)]
    webhook: Option<WebhookBody>,
}

fn yes() -> bool {
    true
}

/// A URL to be told at.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookBody {
    /// `https` or `http`, at a public address.
    #[garde(length(chars, min = 8, max = 2000))]
    url: String,
    /// Key of the signatures, 16 to 200 characters. Without: the one of the same URL stays, else one is made.
    #[garde(inner(length(chars, min = 16, max = 200)))]
    secret: Option<String>,
}

/// The preferences as they are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreferencesView {
    /// In the app.
    in_app: bool,
    /// By e-mail.
    email: bool,
    /// To a URL.
    webhook: Option<WebhookView>,
}

/// A webhook; its secret is shown once, in the answer that made it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookView {
    /// Where.
    url: String,
    /// The key that was made for it just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl PreferencesView {
    fn of(preferences: Preferences, made: Option<String>) -> Self {
        let Preferences {
            in_app,
            email,
            webhook,
        } = preferences;
        let webhook = webhook.map(|webhook| WebhookView {
            url: webhook.url.into(),
            secret: made,
        });
        Self {
            in_app,
            email,
            webhook,
        }
    }
}

/// The caller's preferences.
#[utoipa::path(get, path = "/api/notifications/preferences", tag = "notifications",
    responses((status = 200, body = PreferencesView)))]
pub(super) async fn get(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
) -> Result<Json<PreferencesView>, ApiError> {
    let preferences = app.store.preferences(user.user_id).await?;
    Ok(Json(PreferencesView::of(preferences, None)))
}

/// Replaces the caller's preferences.
#[utoipa::path(put, path = "/api/notifications/preferences", tag = "notifications", request_body = PreferencesBody,
    responses((status = 200, body = PreferencesView), (status = 422, description = "no such webhook")))]
pub(super) async fn put(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
    Valid(body): Valid<PreferencesBody>,
) -> Result<Json<PreferencesView>, ApiError> {
    let PreferencesBody {
        in_app,
        email,
        webhook,
    } = body;
    let mut made = None;
    let webhook = match webhook {
        None => None,
        Some(WebhookBody { url, secret }) => {
            let url = webhook_url(&url)?;
            if !app.reach.allows_host(&url) {
                return Err(ApiError::WebhookReach);
            }
            let known = app.store.preferences(user.user_id).await?.webhook;
            let kept = known
                .filter(|known| known.url == url)
                .map(|known| known.secret);
            let secret = secret.or(kept).unwrap_or_else(|| {
                let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
                made.insert(secret).clone()
            });
            Some(Webhook { url, secret })
        }
    };
    let preferences = Preferences {
        in_app,
        email,
        webhook,
    };
    app.store
        .set_preferences(user.user_id, &preferences, app.clock.now())
        .await?;
    Ok(Json(PreferencesView::of(preferences, made)))
}
