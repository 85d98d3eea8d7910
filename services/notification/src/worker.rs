//! Takes due deliveries and brings them out: woken by commits, and by a tick for retries.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use quickbite_http::Clock;
use quickbite_telemetry::{correlation, metrics};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::channels::{Channel, Undelivered};
use crate::domain::backoff::{Next, RetryRules};
use crate::domain::notice::ChannelKind;
use crate::store::{Job, Store};

const TICK: Duration = Duration::from_secs(1);
const BATCH: i64 = 50;
/// Shorter than a claim, longer than any channel's own time-outs.
const DELIVER_WITHIN: Duration = Duration::from_secs(30);

/// The delivering part of one replica.
#[derive(Clone)]
pub struct Worker {
    store: Store,
    channels: Arc<[Box<dyn Channel>]>,
    rules: RetryRules,
    clock: Clock,
    wake: Arc<Notify>,
}

impl Worker {
    /// A worker over these channels.
    pub fn new(
        store: Store,
        channels: Vec<Box<dyn Channel>>,
        rules: RetryRules,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            channels: channels.into(),
            rules,
            clock,
            wake: Arc::new(Notify::new()),
        }
    }

    /// The channels that the platform has.
    pub fn active(&self) -> Vec<ChannelKind> {
        self.channels.iter().map(|channel| channel.kind()).collect()
    }

    /// Looks for work soon.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Works until cancelled; what was begun is finished.
    pub async fn run(self, cancel: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = 0_u32;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.wake.notified() => {}
                _ = tick.tick() => {
                    reported = reported.wrapping_add(1);
                    if reported % 10 == 1 {
                        self.report().await;
                    }
                }
            }
            while !cancel.is_cancelled() {
                match self.work_once().await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "deliveries cannot be read"
                        );
                        break;
                    }
                }
            }
        }
    }

    /// Claims one batch and brings it out; how many there were. A user's notifications arrive in the order they were
    /// made as far as they are claimed together: in-app ones go one after another, calls over the network at once.
    pub async fn work_once(&self) -> Result<usize, sqlx::Error> {
        let jobs = self.store.claim(BATCH, self.clock.now()).await?;
        let count = jobs.len();
        let (in_app, remote): (Vec<Job>, Vec<Job>) = jobs
            .into_iter()
            .partition(|job| job.channel == ChannelKind::InApp);
        let remote: FuturesUnordered<_> = remote.iter().map(|job| self.carry(job)).collect();
        let in_app = async {
            for job in &in_app {
                self.carry(job).await;
            }
        };
        tokio::join!(in_app, remote.collect::<Vec<()>>());
        Ok(count)
    }

    async fn carry(&self, job: &Job) {
        let id = job.correlation.clone();
        let span =
            tracing::info_span!("delivery", channel = job.channel.as_str(), correlationId = %id);
        let work = async {
            let outcome = self.deliver(job).await;
            if let Err(error) = self.settle(job, outcome).await {
                // The claim runs out and somebody delivers again; receivers know the id.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a delivery could not be settled"
                );
            }
        };
        correlation::scope(id, work).instrument(span).await;
    }

    async fn deliver(&self, job: &Job) -> Result<(), Undelivered> {
        let Some(channel) = self
            .channels
            .iter()
            .find(|channel| channel.kind() == job.channel)
        else {
            return Err(Undelivered::Never("this channel is switched off".into()));
        };
        timeout(DELIVER_WITHIN, channel.deliver(job))
            .await
            .unwrap_or_else(|_| Err(Undelivered::Later("no answer in time".into())))
    }

    async fn settle(&self, job: &Job, outcome: Result<(), Undelivered>) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let (outcome, error, next) = match outcome {
            Ok(()) => {
                count(job.channel, "sent");
                return self.store.settle_sent(job, now).await;
            }
            Err(Undelivered::Never(error)) => ("dead", error, Next::Dead),
            Err(Undelivered::Later(error)) => {
                match self.rules.after(job.attempts + 1, rand::random()) {
                    Next::Dead => ("dead", error, Next::Dead),
                    retry @ Next::Retry(_) => ("retry", error, retry),
                }
            }
        };
        count(job.channel, outcome);
        match next {
            Next::Retry(pause) => {
                tracing::info!(delivery_id = %job.delivery_id, error, ?pause, "not delivered, trying again");
                self.store.settle_retry(job, &error, pause, now).await
            }
            Next::Dead => {
                tracing::warn!(delivery_id = %job.delivery_id, error, "not delivered, given up");
                self.store.settle_dead(job, &error, now).await
            }
        }
    }

    async fn report(&self) {
        if let Ok(dead) = self.store.count_dead().await {
            metrics::gauge(
                "quickbite_notification_dead_letters",
                "Deliveries that were given up.",
            )
            .set(dead as f64);
        }
    }
}

fn count(channel: ChannelKind, outcome: &'static str) {
    metrics::counter_vec(
        "quickbite_notification_deliveries_total",
        "Attempts to deliver by channel and what became of them.",
        &["channel", "outcome"],
    )
    .with_label_values(&[channel.as_str(), outcome])
    .inc();
}
