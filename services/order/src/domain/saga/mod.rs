//! The order saga: a pure machine from `(state, event)` to `(state, effects)`.
//!
//! It tolerates loss (every awaited answer has a deadline), duplication and reordering (an answer that is not awaited
//! changes nothing). Before the pivot, the capture, a failure compensates backwards to `rejected`; after it only a
//! cancellation or a delivery that fails does, with a refund, to `cancelled`. Forward steps are tried a bounded number
//! of times; compensations are never given up: past their limit the saga counts as stuck, and goes on slowly.

mod log;
mod step;
#[cfg(test)]
mod tests;
mod transition;
mod wait;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::status::Status;

pub(crate) use log::record;
pub use log::{Direction, StepRecord, StepStatus};
pub use step::{Command, Step};
pub use transition::{Moved, Refused};
pub use wait::{Timeouts, Wait};

/// What the machine remembers of one order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saga {
    /// What the customer sees.
    pub status: Status,
    /// What is being done.
    pub step: Step,
    /// How often the step's command was sent.
    pub attempts: u32,
    /// Whether the owner accepted, or accepts everything.
    pub accepted: bool,
    /// When the owner expects it to be ready, minutes from acceptance.
    #[serde(default)]
    pub ready_in_minutes: Option<u32>,
    /// Set while compensating: how the order will end.
    pub ending: Option<Ending>,
    /// Whether a ticket may be in the kitchen.
    pub ticket: bool,
    /// What may have happened to the money.
    pub money: Money,
    /// Whether a delivery may be under way.
    pub delivery: bool,
    /// Whether calling the delivery off was refused once.
    pub delivery_kept: bool,
    /// Who delivers.
    pub driver_id: Option<Uuid>,
    /// Whether a compensation ran past its limit: someone should look.
    pub stuck: bool,
}

/// How a compensated order ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// `rejected` or `cancelled`.
    pub status: Status,
    /// Why.
    pub reason: String,
}

/// The most that may have happened to the money, as far as the saga can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Money {
    /// Nothing was asked for, or all of it is given back.
    Untouched,
    /// An authorisation was sent.
    MaybeHeld,
    /// A capture was sent.
    MaybeTaken,
}

/// What happens to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A participant did what it was told.
    Done(Command),
    /// The kitchen holds the ticket.
    Reserved {
        /// Whether it accepts at once.
        auto_accept: bool,
        /// Whether its prices are those that the customer was told.
        prices_agree: bool,
    },
    /// A participant refused for good.
    Refused {
        /// What it was told.
        command: Command,
        /// Why.
        reason: String,
    },
    /// The owner takes the order.
    Accept {
        /// Minutes until it is ready.
        ready_in_minutes: Option<u32>,
    },
    /// The owner does not take it.
    Reject {
        /// Why.
        reason: String,
    },
    /// The kitchen began.
    Prepare,
    /// The food is ready.
    MarkReady,
    /// The customer (or an admin) wants out.
    Cancel {
        /// Why.
        reason: String,
    },
    /// A driver took the delivery.
    Assigned {
        /// Who.
        driver_id: Uuid,
    },
    /// A driver has the food.
    PickedUp {
        /// Who.
        driver_id: Option<Uuid>,
    },
    /// The customer has the food.
    Delivered,
    /// The delivery will not happen.
    DeliveryFailed {
        /// Why.
        reason: String,
    },
    /// The step's time is up.
    DeadlinePassed,
    /// An admin wants the step tried again.
    Retry,
    /// An admin wants the order undone.
    Compensate {
        /// Why.
        reason: String,
    },
}

/// What a transition asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell a participant.
    Send(Command),
    /// Tell everyone.
    Announce(Fact),
    /// From now on wait so long.
    Wait(Wait),
}

/// What is announced, `order.<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Placed.
    Created,
    /// The restaurant took it.
    Accepted,
    /// Accepted and paid.
    Confirmed,
    /// The kitchen works.
    Preparing,
    /// Waits for the courier.
    Ready,
    /// On its way.
    PickedUp,
    /// Ended well.
    Delivered,
    /// Being undone.
    CancelRequested,
    /// Ended before the pivot.
    Rejected,
    /// Ended, undone.
    Cancelled,
}

impl Saga {
    /// The first state of a placed order and what it asks for.
    #[must_use]
    pub fn begin() -> (Self, Vec<Effect>) {
        let saga = Self {
            status: Status::Pending,
            step: Step::ReserveTicket,
            attempts: 1,
            accepted: false,
            ready_in_minutes: None,
            ending: None,
            ticket: true,
            money: Money::Untouched,
            delivery: false,
            delivery_kept: false,
            driver_id: None,
            stuck: false,
        };
        let effects = vec![
            Effect::Announce(Fact::Created),
            Effect::Send(Command::ReserveTicket),
            Effect::Wait(Wait::Answer),
        ];
        (saga, effects)
    }

    /// Forwards, or undoing.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        if self.ending.is_some() {
            Direction::Backward
        } else {
            Direction::Forward
        }
    }

    /// `running`, `compensating`, `stuck`, `completed` (delivered) or `compensated` (rejected, cancelled).
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match (self.status, self.stuck, &self.ending) {
            (Status::Delivered, ..) => "completed",
            (Status::Rejected | Status::Cancelled, ..) => "compensated",
            (_, true, _) => "stuck",
            (_, _, Some(_)) => "compensating",
            _ => "running",
        }
    }
}
