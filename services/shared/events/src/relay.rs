//! From the outbox to the broker: claimed by row locks, so that replicas share the work, and marked sent only on a
//! confirm.
//!
//! The claim's transaction stays open while the broker confirms (at most a few seconds): that is the claim. A relay
//! that dies gives its rows back by losing its connection, with no lease to expire.

use std::time::Duration;

use futures::future::join_all;
use quickbite_telemetry::metrics;
use sqlx::postgres::PgListener;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::broker::{Broker, PublishError};
use crate::envelope::Outgoing;
use crate::outbox::CHANNEL;

const BATCH: i64 = 200;
const TICK: Duration = Duration::from_secs(1);
const HOUSEKEEPING: Duration = Duration::from_secs(300);

/// Sends what the outbox holds.
pub struct Relay {
    pool: PgPool,
    broker: Broker,
    service: String,
}

impl Relay {
    /// A relay of `service`'s outbox.
    pub fn new(pool: PgPool, broker: Broker, service: impl Into<String>) -> Self {
        Self {
            pool,
            broker,
            service: service.into(),
        }
    }

    /// Sends until cancelled, and then what is there: woken by commits, and by a tick for what an outage left.
    pub async fn run(self, cancel: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut housekeeping = interval(HOUSEKEEPING);
        let mut listener = None;
        loop {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = woken(&mut listener, &self.pool) => {}
                _ = tick.tick() => self.report_age().await,
                _ = housekeeping.tick() => self.forget_old().await,
            }
            // Asked before the last look: what was committed until then is sent.
            let ending = cancel.is_cancelled();
            if let Err(error) = self.drain().await {
                tracing::warn!(service = self.service, %error, "the outbox cannot be read");
                sleep(TICK).await;
            }
            if ending {
                return;
            }
        }
    }

    async fn drain(&self) -> Result<(), sqlx::Error> {
        while self.broker.is_connected() && self.send_batch().await? == BATCH {}
        Ok(())
    }

    /// Sends one batch; the number of rows claimed.
    async fn send_batch(&self) -> Result<i64, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query(
            "SELECT id, message FROM outbox WHERE sent_at IS NULL AND next_attempt_at <= now() \
             ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED",
        )
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut batch = Vec::with_capacity(rows.len());
        for row in &rows {
            batch.push((
                row.try_get::<Uuid, _>("id")?,
                row.try_get::<Json<Outgoing>, _>("message")?.0,
            ));
        }
        let outcomes = join_all(
            batch
                .iter()
                .map(|(_, message)| self.broker.publish(message)),
        )
        .await;
        let (mut sent, mut kept) = (Vec::new(), Vec::new());
        for ((id, message), outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(()) => sent.push(*id),
                Err(error) => {
                    log_unsent(message, &error);
                    kept.push(*id);
                }
            }
        }
        sqlx::query("UPDATE outbox SET sent_at = now() WHERE id = ANY($1)")
            .bind(sent)
            .execute(&mut *transaction)
            .await?;
        if !kept.is_empty() {
            // Exponential, at most a minute, so that one message without a queue does not hold up the others.
            sqlx::query(
                "UPDATE outbox SET attempts = attempts + 1, \
                 next_attempt_at = now() + least(60, 0.5 * 2 ^ least(attempts, 10)) * interval '1 second' \
                 WHERE id = ANY($1)",
            )
            .bind(&kept)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(rows.len() as i64)
    }

    async fn report_age(&self) {
        let age: Result<f64, _> = sqlx::query_scalar(
            "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM outbox WHERE sent_at IS NULL",
        )
        .fetch_one(&self.pool)
        .await;
        if let Ok(age) = age {
            metrics::gauge(
                "quickbite_outbox_oldest_unsent_seconds",
                "Age of the oldest message that the broker has not confirmed",
            )
            .set(age);
        }
    }

    /// Sent rows and idempotent answers stay a day and claimed ids a week, longer than any redelivery.
    async fn forget_old(&self) {
        for statement in [
            "DELETE FROM outbox WHERE sent_at < now() - interval '1 day'",
            "DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day'",
            "DELETE FROM inbox WHERE claimed_at < now() - interval '7 days'",
        ] {
            if let Err(error) = sqlx::query(statement).execute(&self.pool).await {
                tracing::warn!(service = self.service, %error, "old messages stay for now");
            }
        }
    }
}

fn log_unsent(message: &Outgoing, error: &PublishError) {
    let (id, key) = (message.envelope.id, &message.routing_key);
    match error {
        PublishError::Unroutable(_) => tracing::error!(%id, key, "no queue takes this message"),
        error => tracing::warn!(%id, key, %error, "not sent, will be sent again"),
    }
}

/// Waits for a commit that enqueued something; without a listening connection, forever (the tick goes on).
async fn woken(listener: &mut Option<PgListener>, pool: &PgPool) {
    if listener.is_none() {
        *listener = listen(pool).await;
    }
    match listener {
        Some(living) => {
            match living.recv().await {
                // Many commits, one look: what was announced meanwhile is read together.
                Ok(_) => while living.next_buffered().is_some() {},
                Err(_) => *listener = None,
            }
        }
        None => std::future::pending().await,
    }
}

async fn listen(pool: &PgPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(pool).await.ok()?;
    listener.listen(CHANNEL).await.ok()?;
    Some(listener)
}
