//! Carries commands from intent to answer, exactly once in effect.
//!
//! A command becomes an operation row (and, with it, its claim in the inbox) and is acknowledged; the
//! call to the provider comes after the commit, under a key that never changes; its outcome, the fact
//! and the replies are one more transaction. Whatever dies in between leaves an open row, whose lease
//! runs out, and the worker makes the same call again under the same key. So the broker never waits
//! for the provider, no transaction does either, and a repeated command finds the answer, or waits
//! for it with the first.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quickbite_auth::Clock;
use quickbite_events::{Envelope, inbox, outbox};
use quickbite_telemetry::{CorrelationId, correlation, metrics, traceparent};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::domain::payment::{Operation, Outcome, Payment, Plan, Refusal, Status};
use crate::events;
use crate::provider::{Answer, Provider, Request};
use crate::store::operations::{self, Stored};
use crate::store::{lock_order, payments};

const CONSUMER: &str = "payment.commands";
/// Longer than a call, its pauses and the transaction after it.
const LEASE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_secs(1);
const BATCH: i64 = 50;
/// Calls to the provider at the same time.
const PARALLEL: usize = 128;
/// Attempts in one go; after them the operation rests for [`REST`].
const ATTEMPTS_IN_A_ROW: u32 = 5;
const REST: Duration = Duration::from_secs(15);
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

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

    /// Makes an operation of a command, or attaches it to the one that the order has.
    async fn open(
        &self,
        connection: &mut PgConnection,
        asked: &Asked,
    ) -> Result<Option<Call>, sqlx::Error> {
        let Asked {
            envelope,
            order_id,
            kind,
            ..
        } = asked;
        let known = operations::of_order(connection, *order_id).await?;
        let payment = payments::of_order(connection, *order_id).await?;
        if let Some(same) = known.iter().find(|operation| operation.kind == *kind) {
            match &same.answer {
                Some(answer) => {
                    let reply = events::reply(envelope, *order_id, payment.as_ref(), answer);
                    outbox::enqueue(connection, &[reply]).await?;
                }
                None => operations::wait(connection, same.id, envelope).await?,
            }
            return Ok(None);
        }
        let undone = known.iter().any(|operation| operation.kind.undoes());
        let (payment, answer) = match payment {
            Some(payment) => (Some(payment), None),
            None => self.without_payment(connection, asked, undone).await?,
        };
        let forgettable = answer.is_some() && *kind == Operation::Capture;
        let first = known.iter().all(|operation| operation.answer.is_some());
        let now = self.inner.clock.now();
        let operation = Stored {
            id: Uuid::now_v7(),
            order_id: *order_id,
            kind: *kind,
            amount: asked.amount,
            attempts: 0,
            answer,
            correlation_id: correlation::current().to_string(),
            traceparent: traceparent::current(),
        };
        if !forgettable {
            let next = if first { now + LEASE } else { now };
            operations::insert(connection, &operation, next).await?;
        }
        match (&operation.answer, payment) {
            (Some(answer), payment) => {
                let reply = events::reply(envelope, *order_id, payment.as_ref(), answer);
                outbox::enqueue(connection, &[reply]).await?;
                Ok(None)
            }
            (None, payment) => {
                operations::wait(connection, operation.id, envelope).await?;
                match payment.filter(|_| first) {
                    Some(payment) => self.begin(connection, operation, payment).await,
                    None => Ok(None),
                }
            }
        }
    }

    /// What a command comes to when its order has no payment yet: an authorisation opens one, unless
    /// an undo came first; an undo has nothing to do and is remembered; a capture has lost its way
    /// and is refused without being remembered.
    async fn without_payment(
        &self,
        connection: &mut PgConnection,
        asked: &Asked,
        undone: bool,
    ) -> Result<(Option<Payment>, Option<Result<(), Refusal>>), sqlx::Error> {
        let opening = match (asked.kind, &asked.opening) {
            (Operation::Authorize, Some(opening)) => opening.clone(),
            (Operation::Void | Operation::Refund, _) => return Ok((None, Some(Ok(())))),
            (Operation::Authorize | Operation::Capture, _) => {
                let refusal = Refusal::new("payment_not_found", "the order has no payment");
                return Ok((None, Some(Err(refusal))));
            }
        };
        if undone {
            let refusal = Refusal::new("payment_voided", "the payment is voided");
            return Ok((None, Some(Err(refusal))));
        }
        let Opening {
            customer_id,
            amount,
            currency,
            token,
        } = opening;
        if amount < Decimal::ZERO {
            let refusal = Refusal::new("amount_invalid", "an amount is not negative");
            return Ok((None, Some(Err(refusal))));
        }
        let payment = Payment {
            id: Uuid::now_v7(),
            order_id: asked.order_id,
            customer_id,
            amount,
            currency,
            token,
            status: Status::Pending,
            reference: None,
            captured: Decimal::ZERO,
            refunded: Decimal::ZERO,
            version: 0,
            created_at: self.inner.clock.now(),
        };
        payments::insert(connection, &payment).await?;
        Ok((Some(payment), None))
    }

    /// Answers an operation that needs no call, or writes the intended call down.
    async fn begin(
        &self,
        connection: &mut PgConnection,
        operation: Stored,
        payment: Payment,
    ) -> Result<Option<Call>, sqlx::Error> {
        match payment.plan(operation.kind, operation.amount) {
            Plan::Answer(answer) => {
                finish(connection, &operation, &payment, &answer).await?;
                Ok(None)
            }
            Plan::Call(call, amount) => {
                let lease = self.inner.clock.now() + LEASE;
                let attempts =
                    operations::intend(connection, operation.id, call, amount, lease).await?;
                let request = Request {
                    key: format!("{}:{}", payment.id, call.name()),
                    payment_id: payment.id,
                    operation: call,
                    amount,
                    currency: payment.currency,
                    token: payment.token,
                };
                Ok(Some(Call {
                    operation,
                    request,
                    attempts,
                }))
            }
        }
    }

    fn spawn(&self, call: Call) {
        let teller = self.clone();
        let operation = call.operation.clone();
        self.inner.running.spawn(in_scope_of(operation, async move {
            if let Err(error) = teller.carry(call).await {
                // The row is open and its lease runs out: the worker goes on from there.
                tracing::warn!(%error, "an operation is left to the worker");
            }
        }));
    }

    /// Calls until there is an outcome, and settles it.
    async fn carry(&self, mut call: Call) -> Result<(), sqlx::Error> {
        let _slot = self.inner.slots.acquire().await;
        let mut pause = PAUSE.0;
        for _ in 0..ATTEMPTS_IN_A_ROW {
            if let Some(outcome) = self.attempt(&call).await {
                return self.settle(call, outcome).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
            let Stored { id, .. } = call.operation;
            let Request {
                operation, amount, ..
            } = call.request;
            let lease = self.inner.clock.now() + LEASE;
            let mut connection = self.inner.pool.acquire().await?;
            call.attempts =
                operations::intend(&mut connection, id, operation, amount, lease).await?;
        }
        let again = self.inner.clock.now() + REST;
        operations::postpone(&self.inner.pool, call.operation.id, again).await
    }

    /// One call; `None` when it is to be made again.
    async fn attempt(&self, call: &Call) -> Option<Outcome> {
        let patience = self.inner.patience;
        let answered = timeout(patience.timeout, self.inner.provider.call(&call.request)).await;
        let (outcome, label) = match answered {
            Ok(Ok(Answer::Done { reference })) => (Some(Outcome::Done { reference }), "done"),
            Ok(Ok(Answer::Refused(refusal))) => (Some(Outcome::Refused(refusal)), "refused"),
            Ok(Err(error)) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(error, attempt = call.attempts, "the provider failed");
                (None, "failed")
            }
            Err(_) => {
                tracing::warn!(attempt = call.attempts, "the provider did not answer");
                (None, "timeout")
            }
        };
        metrics::counter_vec(
            "quickbite_payment_provider_calls_total",
            "Calls to the payment provider by what came of them",
            &["call", "outcome"],
        )
        .with_label_values(&[call.request.operation.name(), label])
        .inc();
        let gives_up = call.request.operation == Operation::Authorize
            && call.attempts >= patience.authorize_attempts;
        outcome.or_else(|| gives_up.then_some(Outcome::Unanswered))
    }

    /// Stores what a call came to, with the fact and the replies.
    async fn settle(&self, call: Call, outcome: Outcome) -> Result<(), sqlx::Error> {
        let Call {
            operation, request, ..
        } = call;
        let now = self.inner.clock.now();
        let mut transaction = self.inner.pool.begin().await?;
        lock_order(&mut transaction, operation.order_id).await?;
        let known = operations::of_order(&mut transaction, operation.order_id).await?;
        // Settled by another who took over the lease.
        if known
            .iter()
            .any(|known| known.id == operation.id && known.answer.is_some())
        {
            return Ok(());
        }
        let Some(mut payment) = payments::of_order(&mut transaction, operation.order_id).await?
        else {
            return Ok(());
        };
        let applied = payment.apply(request.operation, request.amount, outcome, now);
        if let Some(step) = &applied.step {
            payments::save(&mut transaction, &payment, step).await?;
            let fact = events::fact(&payment, step);
            outbox::enqueue(&mut transaction, fact.as_slice()).await?;
        }
        finish(&mut transaction, &operation, &payment, &applied.answer).await?;
        if applied.release {
            self.release(&mut transaction, &operation, now).await?;
        }
        transaction.commit().await?;
        self.inner.woken.notify_one();
        Ok(())
    }

    /// Sets a void going that nobody asked for: the provider may hold money without our knowing.
    async fn release(
        &self,
        connection: &mut PgConnection,
        because: &Stored,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let void = Stored {
            id: Uuid::now_v7(),
            kind: Operation::Void,
            amount: None,
            attempts: 0,
            answer: None,
            ..because.clone()
        };
        operations::insert(connection, &void, now).await.map(drop)
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
