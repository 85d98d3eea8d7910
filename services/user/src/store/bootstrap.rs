//! What the platform's Secret said about the first admin.

use uuid::Uuid;

use super::Store;

impl Store {
    /// The hash of the password that the Secret held for this account when it was last heard.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bootstrap_hash(&self, user_id: Uuid) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar("SELECT password_hash FROM bootstrap WHERE user_id = $1")
            .bind(user_id)
            .fetch_optional(&self.pool)
            .await
    }

    /// Remembers what the Secret says now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remember_bootstrap(&self, user_id: Uuid, hash: &str) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO bootstrap (user_id, password_hash) VALUES ($1, $2) \
             ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash",
        )
        .bind(user_id)
        .bind(hash)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
