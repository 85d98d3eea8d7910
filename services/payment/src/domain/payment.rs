//! The state machine of a payment.
//!
//! A command is first planned (`plan`): it is answered at once, or it needs one call to the provider.
//! What the call came to is then applied (`apply`). Between the two the caller writes its intent down
//! and leaves the transaction, so that a call whose answer is lost is made again under the same key.
//!
//! Two doubtful decisions. First, `void` and `refund` both mean "undo": a void of captured money gives
//! it back and a refund of a mere hold releases it. The saga decides on what it knows, and when its
//! capture's answer was lost it knows less than this service does; refusing would keep a customer's
//! money. Second, an undo that comes before its authorisation is remembered by the caller, who then
//! never plans that authorisation.

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

/// What is asked of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Hold the money.
    Authorize,
    /// Take the held money.
    Capture,
    /// Release the hold.
    Void,
    /// Give the money back.
    Refund,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Authorize, Self::Capture, Self::Void, Self::Refund];

    /// The stable name, as in the command's routing key.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }

    /// From the stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// Whether it takes money back rather than forward.
    #[must_use]
    pub fn undoes(self) -> bool {
        matches!(self, Self::Void | Self::Refund)
    }
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The provider has not answered yet; not shown to anyone.
    Pending,
    /// Money is held.
    Authorized,
    /// The provider refused to hold it.
    Declined,
    /// Money is taken.
    Captured,
    /// The hold is released.
    Voided,
    /// The money is given back.
    Refunded,
    /// An authorisation without an answer, or a capture that the provider refused.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Authorized,
        Self::Declined,
        Self::Captured,
        Self::Voided,
        Self::Refunded,
        Self::Failed,
    ];

    /// The stable name, as clients see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::Declined => "declined",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
        }
    }

    /// From the stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A refusal that the saga reads: a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// snake_case.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// What to do about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing to do: answer.
    Answer(Result<(), Refusal>),
    /// Make this call; the operation may differ from the asked one (void against refund).
    Call(Operation, Decimal),
}

/// What a call to the provider came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done, under the provider's reference.
    Done {
        /// The provider's name for the authorisation.
        reference: String,
    },
    /// The provider said no; nothing moved.
    Refused(Refusal),
    /// Tried as often as is worth it, never answered; money may or may not be held.
    Unanswered,
}

/// One entry of a payment's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it became.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// The code of a refusal.
    pub reason: Option<String>,
}

/// What applying an outcome comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the command.
    pub answer: Result<(), Refusal>,
    /// The history entry and fact, where the status changed.
    pub step: Option<Step>,
    /// Money may be held without our knowing: release it.
    pub release: bool,
}

/// A payment of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// UUIDv7.
    pub id: Uuid,
    /// The order it pays, one payment each.
    pub order_id: Uuid,
    /// Who pays.
    pub customer_id: Uuid,
    /// What is to be held.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// What stands for the customer's means of payment at the provider.
    pub token: String,
    /// Where it is.
    pub status: Status,
    /// The provider's name for the authorisation, once there is one.
    pub reference: Option<String>,
    /// What was taken.
    pub captured: Decimal,
    /// What was given back of it.
    pub refunded: Decimal,
    /// One more with each change of status; the facts' sequence.
    pub version: i64,
    /// When the authorisation was first asked for.
    pub created_at: Timestamp,
}

impl Payment {
    /// What `operation` needs. `amount` is the command's, where it has one: how much to capture or
    /// give back; all of it otherwise.
    #[must_use]
    pub fn plan(&self, operation: Operation, amount: Option<Decimal>) -> Plan {
        use Operation::{Authorize, Capture, Refund, Void};
        use Status::{Authorized, Captured, Declined, Failed, Pending, Refunded, Voided};
        let held = self.reference.is_some();
        match (operation, self.status) {
            (Authorize, Pending) => Plan::Call(Authorize, self.amount),
            (Authorize, Authorized | Captured) | (Capture, Captured) => Plan::Answer(Ok(())),
            (Capture, Authorized) => match amount {
                Some(part) if !(part > Decimal::ZERO && part <= self.amount) => refuse(
                    "capture_amount_invalid",
                    "a capture takes at most what is held",
                ),
                part => Plan::Call(Capture, part.unwrap_or(self.amount)),
            },
            (Authorize | Capture, Voided) => refuse("payment_voided", "the payment is voided"),
            (Authorize | Capture, Refunded) => {
                refuse("payment_refunded", "the payment is refunded")
            }
            (Authorize | Capture, Declined) => {
                refuse("payment_declined", "the payment was declined")
            }
            (Authorize | Capture, Failed) => refuse("payment_failed", "the payment has failed"),
            (Capture, Pending) => refuse("payment_not_authorized", "nothing is held yet"),

            (Void | Refund, Captured) => match amount.filter(|_| operation == Refund) {
                Some(part) if !(part > Decimal::ZERO && part <= self.captured) => refuse(
                    "refund_amount_invalid",
                    "a refund gives back at most what was taken",
                ),
                part => Plan::Call(Refund, part.unwrap_or(self.captured)),
            },
            // A failed payment may still hold money: refused at capture, or never answered.
            (Void | Refund, Authorized | Failed) => Plan::Call(Void, self.amount),
            (Void | Refund, Declined | Voided | Refunded) => Plan::Answer(Ok(())),
            // Its authorisation is settled before an undo is planned.
            (Void | Refund, Pending) => {
                debug_assert!(!held, "a pending payment has no reference");
                Plan::Answer(Ok(()))
            }
        }
    }

    /// Applies what a planned call came to.
    pub fn apply(
        &mut self,
        call: Operation,
        amount: Decimal,
        outcome: Outcome,
        now: Timestamp,
    ) -> Applied {
        match (call, outcome) {
            (Operation::Authorize, Outcome::Done { reference }) => {
                self.reference = Some(reference);
                self.became(Status::Authorized, now)
            }
            (Operation::Capture, Outcome::Done { .. }) => {
                self.captured = amount;
                self.became(Status::Captured, now)
            }
            (Operation::Void, Outcome::Done { .. }) if self.reference.is_some() => {
                self.became(Status::Voided, now)
            }
            // Whatever an unanswered authorisation held is released; it stays a failed payment.
            (Operation::Void, Outcome::Done { .. }) => Applied {
                answer: Ok(()),
                step: None,
                release: false,
            },
            (Operation::Refund, Outcome::Done { .. }) => {
                self.refunded = amount;
                self.became(Status::Refunded, now)
            }
            (Operation::Authorize, Outcome::Refused(refusal)) => {
                self.refused(Some(Status::Declined), refusal, now)
            }
            (Operation::Authorize, Outcome::Unanswered) => {
                let refusal =
                    Refusal::new("payment_timeout", "the payment provider did not answer");
                Applied {
                    release: true,
                    ..self.refused(Some(Status::Failed), refusal, now)
                }
            }
            (Operation::Capture, Outcome::Refused(refusal)) => {
                self.refused(Some(Status::Failed), refusal, now)
            }
            // The money is where it was: somebody has to look.
            (Operation::Void | Operation::Refund, Outcome::Refused(refusal)) => {
                self.refused(None, refusal, now)
            }
            (Operation::Capture | Operation::Void | Operation::Refund, Outcome::Unanswered) => {
                let refusal =
                    Refusal::new("payment_timeout", "the payment provider did not answer");
                self.refused(None, refusal, now)
            }
        }
    }

    fn became(&mut self, status: Status, now: Timestamp) -> Applied {
        self.status = status;
        self.version += 1;
        let step = Some(Step {
            status,
            at: now,
            reason: None,
        });
        Applied {
            answer: Ok(()),
            step,
            release: false,
        }
    }

    fn refused(&mut self, status: Option<Status>, refusal: Refusal, now: Timestamp) -> Applied {
        let step = status.map(|status| {
            self.status = status;
            self.version += 1;
            Step {
                status,
                at: now,
                reason: Some(refusal.code.clone()),
            }
        });
        Applied {
            answer: Err(refusal),
            step,
            release: false,
        }
    }
}

fn refuse(code: &str, message: &str) -> Plan {
    Plan::Answer(Err(Refusal::new(code, message)))
}

#[cfg(test)]
mod tests;
