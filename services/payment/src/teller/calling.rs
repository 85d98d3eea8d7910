//! Calls to the provider, again and again under the same key, and what comes of them.

use std::time::Duration;

use jiff::Timestamp;
use quickbite_events::outbox;
use quickbite_telemetry::metrics;
use sqlx::PgConnection;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Call, LEASE, Teller, finish, in_scope_of};
use crate::domain::payment::{Operation, Outcome};
use crate::events;
use crate::provider::{Answer, Request};
use crate::store::operations::{self, Stored};
use crate::store::{lock_order, payments};

/// Attempts in one go; after them the operation rests for [`REST`].
const ATTEMPTS_IN_A_ROW: u32 = 5;
const REST: Duration = Duration::from_secs(15);
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Teller {
    pub(super) fn spawn(&self, call: Call) {
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
