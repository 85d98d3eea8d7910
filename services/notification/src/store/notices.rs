//! The inbox: what the in-app channel delivered.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as Timestamptz, ToSqlx};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{INBOX_CHANNEL, Store};
use crate::domain::notice::Notice;

/// `notifications`, column by column.
#[derive(FromRow)]
pub(super) struct NoticeRow {
    notification_id: Uuid,
    user_id: Uuid,
    kind: String,
    title: String,
    body: String,
    data: serde_json::Value,
    order_id: Option<Uuid>,
    seq: Option<i64>,
    read_at: Option<Timestamptz>,
    created_at: Timestamptz,
}

/// The columns of [`NoticeRow`].
const NOTICE: &str =
    "notification_id, user_id, kind, title, body, data, order_id, seq, read_at, created_at";

impl From<NoticeRow> for Notice {
    fn from(row: NoticeRow) -> Self {
        Self {
            id: row.notification_id,
            user_id: row.user_id,
            kind: row.kind,
            title: row.title,
            body: row.body,
            data: row.data,
            order_id: row.order_id,
            seq: row.seq,
            read_at: row.read_at.map(Timestamptz::to_jiff),
            created_at: row.created_at.to_jiff(),
        }
    }
}

impl Store {
    /// The user's inbox, newest first: `limit` of those before `before`; `unread` filters.
    pub async fn inbox(
        &self,
        user_id: Uuid,
        unread: Option<bool>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Notice>, sqlx::Error> {
        let sql = format!(
            "SELECT {NOTICE} FROM notifications WHERE user_id = $1 AND seq IS NOT NULL \
             AND ($2::bigint IS NULL OR seq < $2) AND ($3::boolean IS NULL OR (read_at IS NULL) = $3) \
             ORDER BY seq DESC LIMIT $4"
        );
        let rows: Vec<NoticeRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(user_id)
            .bind(before)
            .bind(unread)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Notice::from).collect())
    }

    /// What came after `seq`, oldest first.
    pub async fn inbox_after(
        &self,
        user_id: Uuid,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<Notice>, sqlx::Error> {
        let sql = format!(
            "SELECT {NOTICE} FROM notifications WHERE user_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        );
        let rows: Vec<NoticeRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(user_id)
            .bind(seq)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Notice::from).collect())
    }

    /// The newest seq of the user's inbox; 0 when it is empty.
    pub async fn last_seq(&self, user_id: Uuid) -> Result<i64, sqlx::Error> {
        let seq: Option<i64> =
            sqlx::query_scalar("SELECT last_seq FROM inboxes WHERE user_id = $1")
                .bind(user_id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(seq.unwrap_or(0))
    }

    /// Marks as read, the first time only; `Ok(None)` when the user has no such notification.
    pub async fn mark_read(
        &self,
        user_id: Uuid,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<Notice>, sqlx::Error> {
        let sql = format!(
            "UPDATE notifications SET read_at = coalesce(read_at, $3) \
             WHERE notification_id = $1 AND user_id = $2 AND seq IS NOT NULL RETURNING {NOTICE}"
        );
        let row: Option<NoticeRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(id)
            .bind(user_id)
            .bind(now.to_sqlx())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(Notice::from))
    }

    /// Puts a notification into its user's inbox and wakes the user's streams. Doing it twice is doing it once.
    pub async fn put_into_inbox(&self, user_id: Uuid, id: Uuid) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        // The inbox row first: its lock makes seq grow in commit order.
        let next: i64 = sqlx::query_scalar(
            "INSERT INTO inboxes (user_id, last_seq) VALUES ($1, 1) \
             ON CONFLICT (user_id) DO UPDATE SET last_seq = inboxes.last_seq + 1 RETURNING last_seq",
        )
        .bind(user_id)
        .fetch_one(&mut *tx)
        .await?;
        let put = sqlx::query(
            "UPDATE notifications SET seq = $2 WHERE notification_id = $1 AND seq IS NULL",
        )
        .bind(id)
        .bind(next)
        .execute(&mut *tx)
        .await?;
        if put.rows_affected() == 0 {
            return tx.rollback().await;
        }
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(INBOX_CHANNEL)
            .bind(user_id.to_string())
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}
