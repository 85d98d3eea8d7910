//! Preferences; who never chose has the defaults.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use url::Url;
use uuid::Uuid;

use super::Store;
use crate::domain::preferences::{Preferences, Webhook};

type PreferencesRow = (bool, bool, Option<String>, Option<String>);

impl Store {
    /// The user's preferences.
    pub async fn preferences(&self, user_id: Uuid) -> Result<Preferences, sqlx::Error> {
        preferences_of(&mut *self.pool.acquire().await?, user_id).await
    }

    /// Replaces the user's preferences.
    pub async fn set_preferences(
        &self,
        user_id: Uuid,
        preferences: &Preferences,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let Preferences {
            in_app,
            email,
            webhook,
        } = preferences;
        sqlx::query(
            "INSERT INTO preferences (user_id, in_app, email, webhook_url, webhook_secret, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE SET in_app = excluded.in_app, \
             email = excluded.email, webhook_url = excluded.webhook_url, webhook_secret = excluded.webhook_secret, \
             updated_at = excluded.updated_at",
        )
        .bind(user_id)
        .bind(in_app)
        .bind(email)
        .bind(webhook.as_ref().map(|webhook| webhook.url.as_str()))
        .bind(webhook.as_ref().map(|webhook| webhook.secret.as_str()))
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

pub(super) async fn preferences_of(
    connection: &mut PgConnection,
    user_id: Uuid,
) -> Result<Preferences, sqlx::Error> {
    let row: Option<PreferencesRow> = sqlx::query_as(
        "SELECT in_app, email, webhook_url, webhook_secret FROM preferences WHERE user_id = $1",
    )
    .bind(user_id)
    .fetch_optional(connection)
    .await?;
    let Some((in_app, email, url, secret)) = row else {
        return Ok(Preferences::default());
    };
    let webhook = match url.zip(secret) {
        Some((url, secret)) => {
            let url = Url::parse(&url).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Some(Webhook { url, secret })
        }
        None => None,
    };
    Ok(Preferences {
        in_app,
        email,
        webhook,
    })
}
