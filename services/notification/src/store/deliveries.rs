//! The queue of deliveries: claimed, settled, dead-lettered, taken up again.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as Timestamptz, ToSqlx};
use quickbite_events::payload::notification::{Failed, NotificationSnapshot, Sent};
use quickbite_events::{Outgoing, outbox};
use quickbite_telemetry::CorrelationId;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use super::{Store, WORK_CHANNEL};
use crate::domain::notice::{ChannelKind, Notice};
use crate::domain::preferences::Webhook;

/// How long a worker may work on what it claimed; longer than any channel's time-out.
const CLAIM: Duration = Duration::from_secs(60);

/// One notification to be delivered over one channel.
#[derive(Clone, Debug)]
pub struct Job {
    /// The delivery's id, told to receivers so that they can drop a repetition.
    pub delivery_id: Uuid,
    /// Over which channel.
    pub channel: ChannelKind,
    /// Attempts that failed before.
    pub attempts: u32,
    /// What is told.
    pub notice: Notice,
    /// The user's e-mail address, once known.
    pub email: Option<String>,
    /// The user's name, once known.
    pub name: Option<String>,
    /// The user's webhook as it is now.
    pub webhook: Option<Webhook>,
    /// The correlation id of the fact.
    pub correlation: CorrelationId,
}

/// A delivery that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The delivery.
    pub delivery_id: Uuid,
    /// The notification.
    pub notification_id: Uuid,
    /// Who was to be told.
    pub user_id: Uuid,
    /// Over which channel.
    pub channel: String,
    /// What it was about.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed the last time.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was given up.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct JobRow {
    delivery_id: Uuid,
    channel: String,
    attempts: i32,
    correlation_id: String,
    notification_id: Uuid,
    user_id: Uuid,
    kind: String,
    title: String,
    body: String,
    data: serde_json::Value,
    order_id: Option<Uuid>,
    created_at: Timestamptz,
    email: Option<String>,
    name: Option<String>,
    webhook_url: Option<String>,
    webhook_secret: Option<String>,
}

impl JobRow {
    /// `None` for a channel that this binary does not know.
    fn job(self) -> Option<Job> {
        let webhook = self
            .webhook_url
            .zip(self.webhook_secret)
            .and_then(|(url, secret)| {
                Some(Webhook {
                    url: url.parse().ok()?,
                    secret,
                })
            });
        Some(Job {
            delivery_id: self.delivery_id,
            channel: ChannelKind::parse(&self.channel)?,
            attempts: u32::try_from(self.attempts).unwrap_or(0),
            notice: Notice {
                id: self.notification_id,
                user_id: self.user_id,
                kind: self.kind,
                title: self.title,
                body: self.body,
                data: self.data,
                order_id: self.order_id,
                seq: None,
                read_at: None,
                created_at: self.created_at.to_jiff(),
            },
            email: self.email,
            name: self.name,
            webhook,
            correlation: CorrelationId::parse_or_fresh(Some(&self.correlation_id)),
        })
    }
}

const DEAD: &str = "d.delivery_id, d.notification_id, d.user_id, d.channel, n.kind, d.attempts, d.last_error, \
     d.created_at, d.updated_at FROM deliveries d JOIN notifications n USING (notification_id)";

#[derive(FromRow)]
struct DeadRow {
    delivery_id: Uuid,
    notification_id: Uuid,
    user_id: Uuid,
    channel: String,
    kind: String,
    attempts: i32,
    last_error: Option<String>,
    created_at: Timestamptz,
    updated_at: Timestamptz,
}

impl From<DeadRow> for DeadLetter {
    fn from(row: DeadRow) -> Self {
        let DeadRow {
            delivery_id,
            notification_id,
            user_id,
            channel,
            kind,
            attempts,
            last_error,
            created_at,
            updated_at,
        } = row;
        Self {
            delivery_id,
            notification_id,
            user_id,
            channel,
            kind,
            attempts,
            last_error,
            created_at: created_at.to_jiff(),
            updated_at: updated_at.to_jiff(),
        }
    }
}

impl Store {
    /// Claims up to `limit` deliveries that are due: nobody else gets them for a minute.
    pub async fn claim(&self, limit: i64, now: Timestamp) -> Result<Vec<Job>, sqlx::Error> {
        let rows: Vec<JobRow> = sqlx::query_as(
            "WITH due AS (SELECT delivery_id FROM deliveries WHERE status = 'pending' AND next_attempt_at <= $1 \
                 AND (claimed_until IS NULL OR claimed_until <= $1) \
                 ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
             claimed AS (UPDATE deliveries SET claimed_until = $3 WHERE delivery_id IN (SELECT delivery_id FROM due) \
                 RETURNING delivery_id, notification_id, channel, attempts, correlation_id, next_attempt_at) \
             SELECT c.delivery_id, c.channel, c.attempts, c.correlation_id, n.notification_id, n.user_id, n.kind, \
                 n.title, n.body, n.data, n.order_id, n.created_at, r.email, r.name, p.webhook_url, p.webhook_secret \
             FROM claimed c JOIN notifications n USING (notification_id) \
                 LEFT JOIN recipients r ON r.user_id = n.user_id LEFT JOIN preferences p ON p.user_id = n.user_id \
             ORDER BY c.next_attempt_at, c.delivery_id",
        )
        .bind(now.to_sqlx())
        .bind(limit)
        .bind((now + CLAIM).to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(JobRow::job).collect())
    }

    /// It arrived.
    pub async fn settle_sent(&self, job: &Job, now: Timestamp) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let settled = sqlx::query(
            "UPDATE deliveries SET status = 'sent', attempts = attempts + 1, claimed_until = NULL, last_error = NULL, \
             updated_at = $2 WHERE delivery_id = $1 AND status = 'pending'",
        )
        .bind(job.delivery_id)
        .bind(now.to_sqlx())
        .execute(&mut *tx)
        .await?;
        if settled.rows_affected() == 1 {
            announce(&mut tx, job, None).await?;
        }
        tx.commit().await
    }

    /// It failed and is tried again after `pause`.
    pub async fn settle_retry(
        &self,
        job: &Job,
        error: &str,
        pause: Duration,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE deliveries SET attempts = attempts + 1, claimed_until = NULL, last_error = $2, \
             next_attempt_at = $3, updated_at = $4 WHERE delivery_id = $1 AND status = 'pending'",
        )
        .bind(job.delivery_id)
        .bind(error)
        .bind((now + pause).to_sqlx())
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// It failed for good: a dead letter.
    pub async fn settle_dead(
        &self,
        job: &Job,
        error: &str,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let settled = sqlx::query(
            "UPDATE deliveries SET status = 'dead', attempts = attempts + 1, claimed_until = NULL, last_error = $2, \
             updated_at = $3 WHERE delivery_id = $1 AND status = 'pending'",
        )
        .bind(job.delivery_id)
        .bind(error)
        .bind(now.to_sqlx())
        .execute(&mut *tx)
        .await?;
        if settled.rows_affected() == 1 {
            announce(&mut tx, job, Some(error)).await?;
        }
        tx.commit().await
    }

    /// Dead letters, newest first: `limit` of those before `before`.
    pub async fn dead_letters(
        &self,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, sqlx::Error> {
        let sql = format!(
            "SELECT {DEAD} WHERE d.status = 'dead' AND ($1::uuid IS NULL OR d.delivery_id < $1) \
             ORDER BY d.delivery_id DESC LIMIT $2"
        );
        let rows: Vec<DeadRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(before)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(DeadLetter::from).collect())
    }

    /// Takes a dead letter up again, its attempts counted anew; `Ok(None)` when there is no such delivery,
    /// `Ok(Some(None))` when it is not dead.
    pub async fn redeliver(
        &self,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<Option<DeadLetter>>, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let sql =
            format!("SELECT {DEAD} WHERE d.delivery_id = $1 AND d.status = 'dead' FOR UPDATE OF d");
        let row: Option<DeadRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else {
            let known = sqlx::query("SELECT 1 FROM deliveries WHERE delivery_id = $1")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?;
            return Ok(known.map(|_| None));
        };
        sqlx::query(
            "UPDATE deliveries SET status = 'pending', attempts = 0, next_attempt_at = $2, updated_at = $2 \
             WHERE delivery_id = $1",
        )
        .bind(id)
        .bind(now.to_sqlx())
        .execute(&mut *tx)
        .await?;
        sqlx::query("SELECT pg_notify($1, '')")
            .bind(WORK_CHANNEL)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(Some(row.into())))
    }

    /// How many dead letters there are.
    pub async fn count_dead(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE status = 'dead'")
            .fetch_one(&self.pool)
            .await
    }
}

/// `notification.sent` or `notification.failed`. Its sequence is the number of attempts: the aggregate is one
/// notification, and per channel attempts only grow until it is settled.
async fn announce(
    tx: &mut PgConnection,
    job: &Job,
    error: Option<&str>,
) -> Result<(), sqlx::Error> {
    let snapshot = NotificationSnapshot {
        notification_id: job.notice.id,
        user_id: job.notice.user_id,
        channel: job.channel.as_str().into(),
        reason: error.map(str::to_owned),
    };
    let sequence = i64::from(job.attempts) + 1;
    let fact = match error {
        None => Outgoing::event(job.notice.id, sequence, &Sent(snapshot)),
        Some(_) => Outgoing::event(job.notice.id, sequence, &Failed(snapshot)),
    };
    outbox::enqueue(tx, &[fact]).await
}
