//! Refresh families and their tokens.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTime, ToSqlx};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::Store;

/// A session to open.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, the `sid` of its access tokens.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The digest of its first refresh token.
    pub refresh_digest: [u8; 32],
    /// When that token ends.
    pub expires_at: Timestamp,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// A session that has ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Its id.
    pub id: Uuid,
    /// When it ended.
    pub revoked_at: Timestamp,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedBecause {
    /// Its user said so.
    Logout,
    /// A refresh token came twice.
    Reuse,
    /// The password was changed elsewhere.
    Password,
    /// An admin changed the account.
    Admin,
}

impl RevokedBecause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Password => "password",
            Self::Admin => "admin",
        }
    }
}

/// What came of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was good and is used now; the new one is stored.
    Rotated {
        /// The session.
        session: Uuid,
        /// Whose it is.
        user_id: Uuid,
    },
    /// It had been used before; the session, unless it had ended already, ends with this.
    Reused(Option<Revoked>),
    /// Never issued, expired, or of a session that has ended.
    Invalid,
}

#[derive(FromRow)]
struct TokenRow {
    session_id: Uuid,
    user_id: Uuid,
    expires_at: SqlTime,
    used: bool,
    revoked: bool,
}

#[derive(FromRow)]
struct RevokedRow {
    id: Uuid,
    revoked_at: SqlTime,
}

impl From<RevokedRow> for Revoked {
    fn from(RevokedRow { id, revoked_at }: RevokedRow) -> Self {
        Self {
            id,
            revoked_at: revoked_at.to_jiff(),
        }
    }
}

impl Store {
    /// Opens a session.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_session(&self, session: &NewSession) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        open(&mut transaction, session).await?;
        transaction.commit().await
    }

    /// Uses the refresh token `old` up and stores `new` in its place. Of two at once one wins; the
    /// other one finds it used.
    ///
    /// # Errors
    /// The database's.
    pub async fn rotate(
        &self,
        old: &[u8; 32],
        new: &[u8; 32],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Rotation, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query_as::<_, TokenRow>(
            "SELECT t.session_id, s.user_id, t.expires_at, t.used_at IS NOT NULL AS used, \
             s.revoked_at IS NOT NULL AS revoked \
             FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id \
             WHERE t.digest = $1 FOR UPDATE",
        )
        .bind(&old[..])
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(TokenRow {
            session_id,
            user_id,
            expires_at: ends,
            used,
            revoked,
        }) = row
        else {
            return Ok(Rotation::Invalid);
        };
        if used {
            let because = RevokedBecause::Reuse;
            let revoked = revoke(&mut transaction, session_id, user_id, because, now).await?;
            transaction.commit().await?;
            return Ok(Rotation::Reused(revoked));
        }
        if revoked || ends.to_jiff() <= now {
            return Ok(Rotation::Invalid);
        }
        sqlx::query("UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1")
            .bind(&old[..])
            .bind(now.to_sqlx())
            .execute(&mut *transaction)
            .await?;
        add_token(&mut transaction, session_id, new, expires_at).await?;
        sqlx::query("UPDATE sessions SET expires_at = $2 WHERE id = $1")
            .bind(session_id)
            .bind(expires_at.to_sqlx())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Rotation::Rotated {
            session: session_id,
            user_id,
        })
    }

    /// Ends a session of this user. `None`: no such session, or it has ended before.
    ///
    /// # Errors
    /// The database's.
    pub async fn revoke_session(
        &self,
        id: Uuid,
        user_id: Uuid,
        because: RevokedBecause,
        now: Timestamp,
    ) -> Result<Option<Revoked>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        revoke(&mut connection, id, user_id, because, now).await
    }

    /// Sessions that have ended and that gateways have not been told of.
    ///
    /// # Errors
    /// The database's.
    pub async fn unannounced(&self) -> Result<Vec<Revoked>, sqlx::Error> {
        let rows: Vec<RevokedRow> = sqlx::query_as(
            "SELECT id, revoked_at FROM sessions \
             WHERE revoked_at IS NOT NULL AND announced_at IS NULL LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Revoked::from).collect())
    }

    /// Sessions that have ended since then.
    ///
    /// # Errors
    /// The database's.
    pub async fn revoked_since(&self, since: Timestamp) -> Result<Vec<Revoked>, sqlx::Error> {
        let rows: Vec<RevokedRow> =
            sqlx::query_as("SELECT id, revoked_at FROM sessions WHERE revoked_at >= $1")
                .bind(since.to_sqlx())
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(Revoked::from).collect())
    }

    /// Gateways know of these.
    ///
    /// # Errors
    /// The database's.
    pub async fn announced(&self, sessions: &[Uuid], now: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE sessions SET announced_at = $2 WHERE id = ANY ($1) AND announced_at IS NULL",
        )
        .bind(sessions)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Deletes sessions whose every token ended before `before`, and tells how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_sessions(&self, before: Timestamp) -> Result<u64, sqlx::Error> {
        let done = sqlx::query(
            "DELETE FROM sessions WHERE expires_at < $1 AND (revoked_at IS NULL OR revoked_at < $1)",
        )
        .bind(before.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

pub(super) async fn open(
    connection: &mut PgConnection,
    session: &NewSession,
) -> Result<(), sqlx::Error> {
    let NewSession {
        id,
        user_id,
        refresh_digest,
        expires_at,
        created_at,
    } = session;
    sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(id)
    .bind(user_id)
    .bind(created_at.to_sqlx())
    .bind(expires_at.to_sqlx())
    .execute(&mut *connection)
    .await?;
    add_token(connection, *id, refresh_digest, *expires_at).await
}

async fn add_token(
    connection: &mut PgConnection,
    session: Uuid,
    digest: &[u8; 32],
    expires_at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO refresh_tokens (digest, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(&digest[..])
        .bind(session)
        .bind(expires_at.to_sqlx())
        .execute(connection)
        .await
        .map(drop)
}

async fn revoke(
    connection: &mut PgConnection,
    id: Uuid,
    user_id: Uuid,
    because: RevokedBecause,
    now: Timestamp,
) -> Result<Option<Revoked>, sqlx::Error> {
    let row: Option<RevokedRow> = sqlx::query_as(
        "UPDATE sessions SET revoked_at = $3, revoked_because = $4 \
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING id, revoked_at",
    )
    .bind(id)
    .bind(user_id)
    .bind(now.to_sqlx())
    .bind(because.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Revoked::from))
}

/// Ends every living session of a user but `keep`.
pub(super) async fn revoke_all(
    connection: &mut PgConnection,
    user_id: Uuid,
    keep: Option<Uuid>,
    because: RevokedBecause,
    now: Timestamp,
) -> Result<Vec<Revoked>, sqlx::Error> {
    let rows: Vec<RevokedRow> = sqlx::query_as(
        "UPDATE sessions SET revoked_at = $3, revoked_because = $4 \
         WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND revoked_at IS NULL RETURNING id, revoked_at",
    )
    .bind(user_id)
    .bind(keep)
    .bind(now.to_sqlx())
    .bind(because.as_str())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Revoked::from).collect())
}
