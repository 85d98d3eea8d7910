//! What payment-service reads from and says to the broker.

use quickbite_events::command::payment::{Authorize, Capture, PaymentAuthorized, Refund, Void};
use quickbite_events::payload::payment::{
    Authorized, Captured, Declined, Failed, PaymentSnapshot, Refunded, Voided,
};
use quickbite_events::{Envelope, Handler, HandlerError, Message as _, Outgoing, Reply};
use uuid::Uuid;

use crate::domain::payment::{Operation, Payment, Refusal, Status, Step};
use crate::teller::{Asked, Opening, Teller};

/// Reads the queue of commands.
#[derive(Clone)]
pub struct Commands {
    teller: Teller,
}

impl Commands {
    /// A reader that hands commands to this teller.
    #[must_use]
    pub fn new(teller: Teller) -> Self {
        Self { teller }
    }
}

impl Handler for Commands {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        let asked = read(message)?;
        self.teller.accept(asked).await?;
        Ok(())
    }
}

fn read(envelope: Envelope) -> Result<Asked, HandlerError> {
    let (order_id, kind, amount, opening) = match envelope.kind.as_str() {
        Authorize::TYPE => {
            let Authorize {
                order_id,
                customer_id,
                amount,
                currency,
                token,
            } = envelope.parse()?;
            let opening = Opening {
                customer_id,
                amount,
                currency,
                token,
            };
            (order_id, Operation::Authorize, None, Some(opening))
        }
        Capture::TYPE => {
            let Capture {
                order_id,
                amount,
                reason: _,
            } = envelope.parse()?;
            (order_id, Operation::Capture, amount, None)
        }
        Void::TYPE => {
            let Void {
                order_id,
                amount,
                reason: _,
            } = envelope.parse()?;
            (order_id, Operation::Void, amount, None)
        }
        Refund::TYPE => {
            let Refund {
                order_id,
                amount,
                reason: _,
            } = envelope.parse()?;
            (order_id, Operation::Refund, amount, None)
        }
        other => {
            return Err(HandlerError::poison(anyhow::anyhow!(
                "no command of ours: {other}"
            )));
        }
    };
    Ok(Asked {
        envelope,
        order_id,
        kind,
        amount,
        opening,
    })
}

/// The fact that a step of a payment is; the first, of which there is none, is the intent itself.
pub(crate) fn fact(payment: &Payment, step: &Step) -> Option<Outgoing> {
    let told = PaymentSnapshot {
        payment_id: payment.id,
        order_id: payment.order_id,
        customer_id: payment.customer_id,
        amount: match step.status {
            Status::Captured => payment.captured,
            Status::Refunded => payment.refunded,
            _ => payment.amount,
        },
        currency: payment.currency.clone(),
        reason: step.reason.clone(),
    };
    let (id, sequence) = (payment.id, payment.version);
    Some(match step.status {
        Status::Pending => return None,
        Status::Authorized => Outgoing::event(id, sequence, &Authorized(told)),
        Status::Declined => Outgoing::event(id, sequence, &Declined(told)),
        Status::Captured => Outgoing::event(id, sequence, &Captured(told)),
        Status::Voided => Outgoing::event(id, sequence, &Voided(told)),
        Status::Refunded => Outgoing::event(id, sequence, &Refunded(told)),
        Status::Failed => Outgoing::event(id, sequence, &Failed(told)),
    })
}

/// The answer to a command.
pub(crate) fn reply(
    command: &Envelope,
    order_id: Uuid,
    payment: Option<&Payment>,
    answer: &Result<(), Refusal>,
) -> Outgoing {
    let reply = match (answer, payment) {
        (Ok(()), Some(payment)) if command.is::<Authorize>() => Reply::ok(
            command,
            order_id,
            Some(&PaymentAuthorized {
                payment_id: payment.id,
            }),
        ),
        (Ok(()), _) => Reply::done(command, order_id),
        (Err(Refusal { code, message }), _) => Reply::rejected(command, order_id, code, message),
    };
    Outgoing::reply(command, &reply)
}
