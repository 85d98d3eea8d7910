//! Brings waiting deliveries and free drivers together.
//!
//! Everything here is a proposal that PostgreSQL decides ([`Store::try_offer`]), so it may run in any number of
//! replicas at once, be cut off anywhere, and be woken too often. What a crash between a commit and its wake-up left
//! waiting is found by the sweep, every second.

use std::time::Duration;

use jiff::Timestamp;
use quickbite_http::Clock;
use quickbite_telemetry::{correlation, metrics};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::domain::delivery::{Offer, Refused};
use crate::domain::dispatch::{Candidate, DispatchRules, rank};
use crate::domain::driver::DeliveryInProgress;
use crate::domain::geo::{GeoBox, GeoPoint};
use crate::store::{ChangeError, DriverIndex, IndexAnswer, Store, Tried, Waiting};

const SWEEP_EVERY: Duration = Duration::from_secs(1);
const REBUILD_EVERY: Duration = Duration::from_secs(60);
/// Drivers that are looked at for one delivery.
const NEAREST: usize = 50;
/// Deliveries that one sweep looks at.
const SWEEP_BATCH: i64 = 200;
const REBUILD_PAGE: i64 = 1000;

/// The dispatcher of one replica; clones share everything.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    store: Store,
    index: DriverIndex,
    rules: DispatchRules,
    clock: Clock,
}

impl Dispatcher {
    /// A dispatcher by `rules`.
    pub fn new(store: Store, index: DriverIndex, rules: DispatchRules, clock: Clock) -> Self {
        Self {
            store,
            index,
            rules,
            clock,
        }
    }

    /// The store that it decides in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The index that it asks first.
    pub fn index(&self) -> &DriverIndex {
        &self.index
    }

    /// Looks for a driver in the background.
    pub fn delivery_waits(&self, delivery_id: Uuid) {
        let this = self.clone();
        self.background(async move { this.find_driver_for(delivery_id).await.map(drop) });
    }

    /// Looks for a delivery in the background.
    pub fn driver_is_free(&self, driver_id: Uuid) {
        let this = self.clone();
        self.background(async move { this.find_delivery_for(driver_id).await.map(drop) });
    }

    /// A task, so that a client that hangs up does not stop it; in the caller's correlation scope and span.
    fn background(&self, work: impl Future<Output = Result<(), sqlx::Error>> + Send + 'static) {
        let work = async move {
            if let Err(error) = work.await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "dispatching failed, the sweep tries again"
                );
            }
        };
        tokio::spawn(correlation::scope(correlation::current(), work).in_current_span());
    }

    /// Asks the best free driver for a waiting delivery; whether one was asked.
    pub async fn find_driver_for(&self, delivery_id: Uuid) -> Result<bool, sqlx::Error> {
        match self.store.waiting(delivery_id).await? {
            Some(waiting) => self.find_driver(&waiting).await,
            None => Ok(false),
        }
    }

    async fn find_driver(&self, waiting: &Waiting) -> Result<bool, sqlx::Error> {
        let near = self
            .index
            .near(waiting.pickup, self.rules.radius_m, NEAREST)
            .await;
        if let IndexAnswer::Near(ids) = near {
            let candidates = self.store.free_among(&ids).await?;
            if self.offer_to_best(waiting, &candidates).await? {
                return Ok(true);
            }
        }
        // The index may lag behind a commit by one lost write: PostgreSQL has the last word on "nobody".
        let around = GeoBox::around(waiting.pickup, self.rules.radius_m);
        let candidates = self.store.free_within(around, SWEEP_BATCH).await?;
        self.offer_to_best(waiting, &candidates).await
    }

    async fn offer_to_best(
        &self,
        waiting: &Waiting,
        candidates: &[Candidate],
    ) -> Result<bool, sqlx::Error> {
        if candidates.is_empty() {
            return Ok(false);
        }
        let now = self.clock.now();
        let answers = self.store.answers(waiting.delivery_id).await?;
        for (driver_id, distance_m) in rank(waiting.pickup, candidates, &answers, self.rules, now) {
            match self.offer(waiting, driver_id, distance_m, now).await? {
                Tried::Offered => return Ok(true),
                Tried::NotSearching => return Ok(false),
                Tried::DriverBusy => {}
            }
        }
        Ok(false)
    }

    /// Looks for drivers for what waits near a driver who became free, oldest first, until he is asked; whether he was.
    /// Each delivery still goes to its nearest free driver: he may not be the only one who became free.
    pub async fn find_delivery_for(&self, driver_id: Uuid) -> Result<bool, sqlx::Error> {
        let Some(candidate) = self.store.free_among(&[driver_id]).await?.pop() else {
            return Ok(false);
        };
        let around = GeoBox::around(candidate.location, self.rules.radius_m);
        for waiting in self.store.all_waiting(Some(around), SWEEP_BATCH).await? {
            let asked = self.find_driver(&waiting).await?;
            if asked && self.store.free_among(&[driver_id]).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn offer(
        &self,
        waiting: &Waiting,
        driver_id: Uuid,
        distance_m: i64,
        now: Timestamp,
    ) -> Result<Tried, sqlx::Error> {
        let offer = Offer {
            driver_id,
            distance_m,
            expires_at: now + self.rules.offer_ttl,
        };
        let attempt = self.store.try_offer(waiting, offer, now);
        let tried = correlation::scope(waiting.correlation.clone(), attempt).await?;
        if tried == Tried::Offered {
            count_offer("made");
            tracing::info!(
                delivery_id = %waiting.delivery_id, %driver_id, distance_m,
                correlationId = %waiting.correlation, "offered"
            );
        }
        Ok(tried)
    }

    /// Ends a driver's shift, in the index too; his open offer goes to the next.
    pub async fn end_shift(&self, driver_id: Uuid, now: Timestamp) -> Result<bool, sqlx::Error> {
        match self.store.go_offline(driver_id, now).await {
            Ok(Ok((_, freed))) => {
                if let Err(error) = self.index.remove(driver_id).await {
                    tracing::debug!(%error, "the index keeps an offline driver for now");
                }
                if let Some(delivery_id) = freed {
                    self.delivery_waits(delivery_id);
                }
                Ok(true)
            }
            Ok(Err(DeliveryInProgress)) => Ok(false),
            Err(ChangeError::Store(error)) => Err(error),
            Err(ChangeError::Refused(_)) => Ok(false),
        }
    }

    /// Sweeps expired offers and waiting deliveries, and keeps the index whole, until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rebuild = interval(REBUILD_EVERY);
        rebuild.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut redis_up = self.index.redis().is_up();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = sweep.tick() => self.logged("sweep", self.sweep().await),
                _ = rebuild.tick() => self.logged("index", self.rebuild_index().await),
                up = self.index.redis().changed(redis_up) => {
                    redis_up = up;
                    if up {
                        self.logged("index", self.rebuild_index().await);
                    }
                }
            }
        }
    }

    fn logged(&self, what: &'static str, outcome: Result<(), sqlx::Error>) {
        if let Err(error) = outcome {
            tracing::warn!(
                what,
                error = &error as &dyn std::error::Error,
                "could not be done, trying again"
            );
        }
    }

    /// One sweep: expired offers go back, then whatever waits is offered.
    pub async fn sweep(&self) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        for delivery_id in self.store.expired(now, SWEEP_BATCH).await? {
            match self
                .store
                .change(delivery_id, |delivery| {
                    Ok::<_, Refused>(delivery.expire(now))
                })
                .await
            {
                Ok(_) => count_offer("expired"),
                Err(ChangeError::Refused(_)) => {}
                Err(ChangeError::Store(error)) => return Err(error),
            }
        }
        for waiting in self.store.all_waiting(None, SWEEP_BATCH).await? {
            self.find_driver(&waiting).await?;
        }
        metrics::gauge(
            "quickbite_deliveries_waiting",
            "Deliveries that no driver is asked for yet.",
        )
        .set(self.store.count_waiting().await? as f64);
        Ok(())
    }

    /// Adds every online driver to the index and marks it complete. Drivers who went offline meanwhile may stay in
    /// it: they are filtered when asked.
    pub async fn rebuild_index(&self) -> Result<(), sqlx::Error> {
        let mut after = None;
        loop {
            let page = self.store.online_after(after, REBUILD_PAGE).await?;
            if let Err(error) = self.index.put_all(&page).await {
                tracing::debug!(%error, "the driver index is not rebuilt now");
                return Ok(());
            }
            match page.last() {
                Some(last) if page.len() as i64 == REBUILD_PAGE => after = Some(last.driver_id),
                _ => break,
            }
        }
        if let Err(error) = self.index.mark_built().await {
            tracing::debug!(%error, "the driver index is not marked as built");
        }
        Ok(())
    }

    /// Notes in the index where a driver is. A write that is lost makes the index incomplete, and says so.
    pub async fn note_place(&self, driver_id: Uuid, location: GeoPoint) {
        if let Err(error) = self
            .index
            .put(Candidate {
                driver_id,
                location,
            })
            .await
        {
            tracing::debug!(%error, "a position is missing from the index");
            let _ = self.index.mark_stale().await;
        }
    }
}

/// Counts an offer's step in its life.
pub fn count_offer(outcome: &'static str) {
    metrics::counter_vec(
        "quickbite_offers_total",
        "Offers to drivers by what became of them.",
        &["outcome"],
    )
    .with_label_values(&[outcome])
    .inc();
}
