//! Messages wait in the collection `outbox`, written in the transaction that changed the state, until
//! the broker has confirmed them.
//!
//! Replicas share the work by leases: a relay writes its token and an end time on a batch and
//! publishes what bears its token. MongoDB has no row locks to skip; a lease that ends early publishes
//! a message twice, and the consumers' inboxes make that harmless. Messages of one subject go out in
//! the order of their ids, messages of different subjects side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::WriteConcern;
use mongodb::{ClientSession, Collection};
use quickbite_auth::Clock;
use quickbite_events::{Broker, Outgoing};
use quickbite_telemetry::metrics;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::call::{MAX_TIME, bounded};
use super::document::date;
use super::{Mongo, StoreError, collection};

const BATCH: i64 = 200;
const PARALLEL: usize = 64;
const TICK: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A message that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    /// The message's own id, time-ordered.
    #[serde(rename = "_id")]
    id: String,
    subject: String,
    /// `Outgoing` as JSON text: what goes out is byte for byte what the transaction decided.
    message: String,
    sent: bool,
    attempts: i32,
    next_attempt_at: DateTime,
    created_at: DateTime,
}

/// The waiting messages.
#[derive(Debug, Clone)]
pub struct Outbox {
    waiting: Collection<Waiting>,
    woken: Arc<Notify>,
}

impl Outbox {
    /// The outbox of this database.
    #[must_use]
    pub fn new(mongo: &Mongo) -> Self {
        Self {
            waiting: mongo.collection(collection::OUTBOX),
            woken: Arc::default(),
        }
    }

    /// Stores messages in the caller's transaction.
    pub(crate) async fn put(
        &self,
        session: &mut ClientSession,
        messages: &[Outgoing],
    ) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        let waiting = messages.iter().map(|message| {
            let text = serde_json::to_string(message).map_err(corrupt)?;
            let made = date(message.envelope.time);
            Ok(Waiting {
                id: message.envelope.id.to_string(),
                subject: message.envelope.subject.to_string(),
                message: text,
                sent: false,
                attempts: 0,
                next_attempt_at: made,
                created_at: made,
            })
        });
        let waiting = waiting.collect::<Result<Vec<_>, StoreError>>()?;
        self.waiting.insert_many(waiting).session(session).await?;
        Ok(())
    }

    /// Tells the relay that there is something, after the commit.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Sends until cancelled, and then what is there: woken by commits of this process, and by a tick for what others left.
    pub async fn relay(self, broker: Broker, clock: Clock, cancel: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = self.woken.notified() => {}
                _ = tick.tick() => self.report_age(&clock).await,
            }
            // Asked before the last look: what was committed until then is sent.
            let ending = cancel.is_cancelled();
            while broker.is_connected() {
                match self.send_batch(&broker, &clock).await {
                    Ok(BATCH..) => {}
                    Ok(_) => break,
                    Err(error) => {
                        let error = anyhow::Error::new(error);
                        tracing::warn!(error = format!("{error:#}"), "the outbox cannot be read");
                        sleep(TICK).await;
                        break;
                    }
                }
            }
            if ending {
                return;
            }
        }
    }

    /// Claims and sends one batch; how many there were.
    async fn send_batch(&self, broker: &Broker, clock: &Clock) -> Result<i64, StoreError> {
        let batch = self.claim(clock).await?;
        let mut subjects: BTreeMap<&str, Vec<&Waiting>> = BTreeMap::new();
        for waiting in &batch {
            subjects.entry(&waiting.subject).or_default().push(waiting);
        }
        let mut sent = Vec::new();
        let mut kept = Vec::new();
        let groups = subjects
            .into_values()
            .map(|group| publish_in_order(broker, group));
        let mut outcomes = stream::iter(groups.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        while let Some((confirmed, unconfirmed)) = outcomes.next().await {
            sent.extend(confirmed);
            kept.extend(unconfirmed);
        }
        self.settle(sent, kept, clock).await?;
        Ok(i64::try_from(batch.len()).unwrap_or(BATCH))
    }

    async fn claim(&self, clock: &Clock) -> Result<Vec<Waiting>, StoreError> {
        let waiting = self.waiting.clone();
        let now = clock.now();
        bounded(async move {
            let free = doc! { "sent": false, "nextAttemptAt": { "$lte": date(now) } };
            let ids: Vec<Document> = waiting
                .clone_with_type::<Document>()
                .find(free.clone())
                .projection(doc! { "_id": 1 })
                .sort(doc! { "_id": 1 })
                .limit(BATCH)
                .max_time(MAX_TIME)
                .await?
                .try_collect()
                .await?;
            let ids: Vec<_> = ids
                .iter()
                .filter_map(|found| found.get("_id").cloned())
                .collect();
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let token = Uuid::now_v7().to_string();
            let mut mine = free;
            mine.insert("_id", doc! { "$in": ids });
            let until = date(now + LEASE);
            let lease = doc! { "$set": { "claim": &token, "nextAttemptAt": until } };
            waiting.update_many(mine, lease).await?;
            Ok(waiting
                .find(doc! { "sent": false, "nextAttemptAt": until, "claim": token })
                .sort(doc! { "_id": 1 })
                .max_time(MAX_TIME)
                .await?
                .try_collect()
                .await?)
        })
        .await
    }

    async fn settle(
        &self,
        sent: Vec<String>,
        kept: Vec<Waiting>,
        clock: &Clock,
    ) -> Result<(), StoreError> {
        let waiting = self.waiting.clone();
        let now = clock.now();
        bounded(async move {
            if !sent.is_empty() {
                let done = doc! { "$set": { "sent": true, "sentAt": date(now) }, "$unset": { "claim": "" } };
                waiting
                    .update_many(doc! { "_id": { "$in": sent } }, done)
                    .write_concern(WriteConcern::majority())
                    .await?;
            }
            for message in kept {
                let exponent = u32::try_from(message.attempts).unwrap_or(0).min(10);
                let pause = (Duration::from_millis(500) * 2_u32.pow(exponent)).min(LONGEST_PAUSE);
                let again = doc! {
                    "$set": { "nextAttemptAt": date(now + pause) },
                    "$unset": { "claim": "" },
                    "$inc": { "attempts": 1 },
                };
                waiting.update_one(doc! { "_id": message.id }, again).await?;
            }
            Ok(())
        })
        .await
    }

    async fn report_age(&self, clock: &Clock) {
        let waiting = self.waiting.clone();
        let oldest = bounded(async move {
            let first = waiting
                .find_one(doc! { "sent": false })
                .sort(doc! { "_id": 1 });
            Ok(first.max_time(MAX_TIME).await?)
        });
        if let Ok(oldest) = oldest.await {
            let since =
                |first: Waiting| clock.now().as_millisecond() - first.created_at.timestamp_millis();
            let age = oldest.map_or(0, since).max(0);
            metrics::gauge(
                "quickbite_outbox_oldest_unsent_seconds",
                "Age of the oldest message that the broker has not confirmed",
            )
            .set(age as f64 / 1000.0);
        }
    }
}

/// Publishes the messages of one subject one after the other; the first that fails keeps the rest.
async fn publish_in_order(broker: &Broker, group: Vec<&Waiting>) -> (Vec<String>, Vec<Waiting>) {
    let mut confirmed = Vec::new();
    for (at, waiting) in group.iter().enumerate() {
        let outcome = match serde_json::from_str::<Outgoing>(&waiting.message) {
            Ok(message) => broker.publish(&message).await.map_err(anyhow::Error::new),
            Err(error) => Err(anyhow::Error::new(error)),
        };
        if let Err(error) = outcome {
            let error = format!("{error:#}");
            tracing::warn!(id = waiting.id, error, "not sent, will be sent again");
            return (
                confirmed,
                group[at..].iter().map(|kept| (*kept).clone()).collect(),
            );
        }
        confirmed.push(waiting.id.clone());
    }
    (confirmed, Vec::new())
}

fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
