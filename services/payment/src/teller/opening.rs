//! What a command becomes: an operation, a place beside the one that its order has, or its answer.

use quickbite_events::outbox;
use quickbite_telemetry::{correlation, traceparent};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Asked, Call, LEASE, Opening, Teller, finish};
use crate::domain::payment::{Operation, Payment, Plan, Refusal, Status};
use crate::events;
use crate::provider::Request;
use crate::store::operations::{self, Stored};
use crate::store::payments;

impl Teller {
    /// Makes an operation of a command, or attaches it to the one that the order has.
    pub(super) async fn open(
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
    pub(super) async fn begin(
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
}
