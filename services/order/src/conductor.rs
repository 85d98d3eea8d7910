//! Lets one event happen to one order: lock, decide, store state and messages together.

use quickbite_http::Clock;
use uuid::Uuid;

use crate::domain::order::Order;
use crate::domain::saga::{Event, Refused, Timeouts};
use crate::figures::count;
use crate::store::Orders;

/// What an event did.
#[derive(Debug)]
pub enum Outcome {
    /// The order after it.
    Done(Box<Order>),
    /// There is no such order.
    Unknown,
    /// The order does not allow it now.
    Refused(Refused),
    /// The message was applied before.
    Repeated,
}

/// Applies events to orders.
#[derive(Clone, Debug)]
pub struct Conductor {
    orders: Orders,
    clock: Clock,
    timeouts: Timeouts,
}

/// A message whose effect must happen once.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who applies it.
    pub consumer: &'a str,
    /// Its id.
    pub message_id: Uuid,
}

impl Conductor {
    /// A conductor of the orders in `orders`.
    #[must_use]
    pub fn new(orders: Orders, clock: Clock, timeouts: Timeouts) -> Self {
        Self {
            orders,
            clock,
            timeouts,
        }
    }

    /// Lets what `decide` makes of the order happen to it. With a `claim`, at most once.
    ///
    /// # Errors
    /// When the database fails; nothing has happened then.
    pub async fn conduct(
        &self,
        order_id: Uuid,
        claim: Option<Claim<'_>>,
        decide: impl FnOnce(&mut Order) -> Event,
    ) -> Result<Outcome, sqlx::Error> {
        let Some((mut transaction, mut order)) = self.orders.lock(order_id).await? else {
            return Ok(Outcome::Unknown);
        };
        if let Some(Claim {
            consumer,
            message_id,
        }) = claim
            && !self
                .orders
                .claim(&mut transaction, consumer, message_id)
                .await?
        {
            return Ok(Outcome::Repeated);
        }
        let event = decide(&mut order);
        match order.apply(event, self.clock.now(), &self.timeouts) {
            Ok(change) => {
                self.orders.save(transaction, &order, &change).await?;
                count(&change);
            }
            Err(refused) => return Ok(Outcome::Refused(refused)),
        }
        Ok(Outcome::Done(Box::new(order)))
    }

    /// Moves one saga on whose time is up; `false` when there is none.
    ///
    /// # Errors
    /// When the database fails; nothing has happened then.
    pub async fn conduct_due(&self) -> Result<bool, sqlx::Error> {
        let now = self.clock.now();
        let Some((transaction, mut order)) = self.orders.lock_due(now).await? else {
            return Ok(false);
        };
        let step = order.saga.step;
        match order.apply(Event::DeadlinePassed, now, &self.timeouts) {
            Ok(change) => {
                tracing::warn!(
                    order_id = %order.id, step = step.as_str(), now = order.saga.step.as_str(),
                    attempts = order.saga.attempts, "a step of the saga ran out of time"
                );
                self.orders.save(transaction, &order, &change).await?;
                count(&change);
                Ok(true)
            }
            // Time is never refused; were it, this sweep must not go round for ever.
            Err(refused) => {
                tracing::error!(order_id = %order.id, %refused, "a deadline was refused");
                Ok(false)
            }
        }
    }
}
