//! Answers to keyed POSTs, remembered for a day in the service's own database.
//!
//! A claim whose process died lapses after a minute. Its effect may have been committed all the same: a handler that
//! creates must put the scope ([`scope_key`]) into a unique column and answer with what is there.

use async_trait::async_trait;
use quickbite_http::Problem;
use quickbite_http::idempotency::{Begin, IdempotencyStore, Scope, StoredResponse};
use sqlx::types::Json;
use sqlx::{PgPool, Row};

use crate::error::problem;

/// The [`IdempotencyStore`] of a service with PostgreSQL.
#[derive(Clone, Debug)]
pub struct PgIdempotency {
    pool: PgPool,
}

/// One text per scope.
#[must_use]
pub fn scope_key(scope: &Scope) -> String {
    let Scope {
        caller,
        operation,
        key,
    } = scope;
    format!("{caller} {operation} {key}")
}

impl PgIdempotency {
    /// Keeps answers in the table `idempotency_keys` of `pool`'s database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn claim(&self, key: &str, fingerprint: &[u8; 32]) -> Result<bool, sqlx::Error> {
        let claimed = sqlx::query(
            "INSERT INTO idempotency_keys AS known (scope, fingerprint) VALUES ($1, $2) \
             ON CONFLICT (scope) DO UPDATE SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, \
             body = NULL, locked_at = now(), created_at = now() \
             WHERE known.created_at < now() - interval '24 hours' \
             OR (known.status IS NULL AND known.locked_at < now() - interval '1 minute')",
        )
        .bind(key)
        .bind(&fingerprint[..])
        .execute(&self.pool)
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    async fn known(&self, key: &str, fingerprint: &[u8; 32]) -> Result<Begin, sqlx::Error> {
        let row = sqlx::query(
            "SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE scope = $1",
        )
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        // Abandoned between the two statements: the client may try again at once.
        let Some(row) = row else {
            return Ok(Begin::InProgress);
        };
        if row.try_get::<&[u8], _>("fingerprint")? != fingerprint {
            return Ok(Begin::Mismatch);
        }
        let Some(status) = row.try_get::<Option<i16>, _>("status")? else {
            return Ok(Begin::InProgress);
        };
        Ok(Begin::Replay(StoredResponse {
            status: status.unsigned_abs(),
            headers: row.try_get::<Json<_>, _>("headers")?.0,
            body: row.try_get("body")?,
        }))
    }
}

#[async_trait]
impl IdempotencyStore for PgIdempotency {
    async fn begin(&self, scope: &Scope, fingerprint: &[u8; 32]) -> Result<Begin, Problem> {
        let key = scope_key(scope);
        if self.claim(&key, fingerprint).await.map_err(problem)? {
            return Ok(Begin::Started);
        }
        self.known(&key, fingerprint).await.map_err(problem)
    }

    async fn complete(&self, scope: &Scope, response: &StoredResponse) -> Result<(), Problem> {
        sqlx::query(
            "UPDATE idempotency_keys SET status = $2, headers = $3, body = $4 WHERE scope = $1",
        )
        .bind(scope_key(scope))
        .bind(i16::try_from(response.status).unwrap_or(i16::MAX))
        .bind(Json(&response.headers))
        .bind(&response.body)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(problem)
    }

    async fn abandon(&self, scope: &Scope) -> Result<(), Problem> {
        sqlx::query("DELETE FROM idempotency_keys WHERE scope = $1 AND status IS NULL")
            .bind(scope_key(scope))
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(problem)
    }
}
