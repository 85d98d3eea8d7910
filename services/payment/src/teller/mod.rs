//! Carries commands from intent to answer, exactly once in effect.
//!
//! A command becomes an operation row (and, with it, its claim in the inbox) and is acknowledged; the
//! call to the provider comes after the commit, under a key that never changes; its outcome, the fact
//! and the replies are one more transaction. Whatever dies in between leaves an open row, whose lease
//! runs out, and the worker makes the same call again under the same key. So the broker never waits
//! for the provider, no transaction does either, and a repeated command finds the answer, or waits
//! for it with the first.
//!
//! `opening` decides what a command becomes, `calling` makes the calls; here they are set going.

mod calling;
mod opening;

use std::sync::Arc;
use std::time::Duration;

use quickbite_auth::Clock;
use quickbite_events::{Envelope, inbox, outbox};
use quickbite_telemetry::{CorrelationId, correlation, traceparent};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::domain::payment::{Operation, Payment, Refusal};
use crate::events;
use crate::provider::{Provider, Request};
use crate::store::operations::{self, Stored};
use crate::store::{lock_order, payments};

const CONSUMER: &str = "payment.commands";
/// Longer than a call, its pauses and the transaction after it.
const LEASE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_secs(1);
const BATCH: i64 = 50;
/// Calls to the provider at the same time.
const PARALLEL: usize = 128;

/// How patient the service is with the provider.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long one call may take.
    pub timeout: Duration,
    /// How often an authorisation is tried before the payment fails; everything else is tried until
    /// the provider answers, since money hangs on it.
    pub authorize_attempts: u32,
}

/// A command as read.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The message, for its reply.
    pub envelope: Envelope,
    /// The order.
    pub order_id: Uuid,
    /// What is asked.
    pub kind: Operation,
    /// How much, where the command says.
    pub amount: Option<Decimal>,
    /// What an authorisation opens the payment with.
    pub opening: Option<Opening>,
}

/// What a payment begins with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Who pays.
    pub customer_id: Uuid,
    /// How much.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// Means of payment.
    pub token: String,
}

/// Takes commands and works off operations; clones share everything.
#[derive(Clone)]
pub struct Teller {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    provider: Arc<dyn Provider>,
    clock: Clock,
    patience: Patience,
    woken: Notify,
    running: TaskTracker,
    slots: Semaphore,
}

/// A call that is intended and not yet settled.
struct Call {
    operation: Stored,
    request: Request,
    attempts: u32,
}

impl Teller {
    /// A teller for this database and this provider.
    #[must_use]
    pub fn new(
        pool: PgPool,
        provider: Arc<dyn Provider>,
        clock: Clock,
        patience: Patience,
    ) -> Self {
        let (woken, running) = (Notify::new(), TaskTracker::new());
        let slots = Semaphore::new(PARALLEL);
        Self {
            inner: Arc::new(Inner {
                pool,
                provider,
                clock,
                patience,
                woken,
                running,
                slots,
            }),
        }
    }

    /// Writes a command down; what it sets going goes on in the background.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    pub async fn accept(&self, asked: Asked) -> Result<(), sqlx::Error> {
        let mut transaction = self.inner.pool.begin().await?;
        if !inbox::claim(&mut transaction, CONSUMER, asked.envelope.id).await? {
            return Ok(());
        }
        lock_order(&mut transaction, asked.order_id).await?;
        let call = self.open(&mut transaction, &asked).await?;
        transaction.commit().await?;
        if let Some(call) = call {
            self.spawn(call);
        }
        Ok(())
    }

    /// Resumes what is open until cancelled, then waits for the calls that run.
    pub async fn run(self, cancel: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !cancel.is_cancelled() {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.inner.woken.notified() => {}
                _ = tick.tick() => {}
            }
            if let Err(error) = self.resume_due().await {
                tracing::warn!(%error, "open operations cannot be read");
                sleep(TICK).await;
            }
        }
        self.inner.running.close();
        self.inner.running.wait().await;
    }

    async fn resume_due(&self) -> Result<(), sqlx::Error> {
        loop {
            let due = operations::due(&self.inner.pool, self.inner.clock.now(), BATCH).await?;
            let last = (due.len() as i64) < BATCH;
            for operation in due {
                in_scope_of(operation.clone(), self.resume(operation)).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    async fn resume(&self, operation: Stored) -> Result<(), sqlx::Error> {
        let now = self.inner.clock.now();
        let mut transaction = self.inner.pool.begin().await?;
        lock_order(&mut transaction, operation.order_id).await?;
        if !operations::lease(&mut transaction, operation.id, now, now + LEASE).await? {
            return Ok(());
        }
        let payment = payments::of_order(&mut transaction, operation.order_id).await?;
        let call = match payment {
            Some(payment) => self.begin(&mut transaction, operation, payment).await?,
            None => None,
        };
        transaction.commit().await?;
        match call {
            Some(call) => self.spawn(call),
            // It had its answer without a call: the next one of its order may go.
            None => self.inner.woken.notify_one(),
        }
        Ok(())
    }
}

/// Stores an answer and tells it to every command that waits for it.
async fn finish(
    connection: &mut PgConnection,
    operation: &Stored,
    payment: &Payment,
    answer: &Result<(), Refusal>,
) -> Result<(), sqlx::Error> {
    operations::finish(connection, operation.id, answer).await?;
    let waiting = operations::release(connection, operation.id).await?;
    let reply =
        |command: &Envelope| events::reply(command, operation.order_id, Some(payment), answer);
    let replies: Vec<_> = waiting.iter().map(reply).collect();
    outbox::enqueue(connection, &replies).await
}

/// Runs `work` under the correlation id and trace of the command that set the operation going.
async fn in_scope_of<T>(operation: Stored, work: impl Future<Output = T>) -> T {
    let id: CorrelationId = operation
        .correlation_id
        .parse()
        .unwrap_or_else(|_| CorrelationId::fresh());
    let span = tracing::info_span!(
        "operation",
        kind = operation.kind.name(),
        order_id = %operation.order_id,
        correlationId = %id,
    );
    if let Some(parent) = &operation.traceparent {
        traceparent::set_parent(&span, parent);
    }
    correlation::scope(id, work).instrument(span).await
}
