//! What order-service consumes: replies move sagas on, facts of others fill the projections or move orders on.

use quickbite_events::command::restaurant::TicketReserved;
use quickbite_events::command::{Outcome as Answer, Reply};
use quickbite_events::payload::delivery::{self, DeliverySnapshot};
use quickbite_events::payload::restaurant::{self, RestaurantSnapshot};
use quickbite_events::payload::user;
use quickbite_events::{Envelope, Handler, HandlerError, Message, queue};

use crate::conductor::{Claim, Conductor, Outcome};
use crate::domain::order::Order;
use crate::domain::saga::{Command, Event};
use crate::store::Projections;

/// Reads `order.replies`.
#[derive(Clone, Debug)]
pub struct Replies {
    /// Moves the sagas.
    pub conductor: Conductor,
}

impl Handler for Replies {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        let reply: Reply = message.parse()?;
        let command = Command::from_key(&reply.command).ok_or_else(|| {
            HandlerError::poison(anyhow::anyhow!("a reply to {:?}", reply.command))
        })?;
        let ticket = match (command, reply.outcome) {
            (Command::ReserveTicket, Answer::Ok) => Some(serde_json::from_value::<TicketReserved>(
                reply.data.clone().unwrap_or_default(),
            )?),
            _ => None,
        };
        let claim = Claim {
            consumer: queue::ORDER_REPLIES,
            message_id: message.id,
        };
        let order_id = reply.order_id;
        let decide = |order: &mut Order| answer(order, command, ticket, reply);
        settle(
            self.conductor
                .conduct(order_id, Some(claim), decide)
                .await?,
            &message,
        )
    }
}

fn answer(
    order: &mut Order,
    command: Command,
    ticket: Option<TicketReserved>,
    reply: Reply,
) -> Event {
    match (reply.outcome, ticket) {
        (Answer::Ok, Some(ticket)) => order.reserved(&ticket),
        (Answer::Ok, None) => Event::Done(command),
        (Answer::Rejected, _) => {
            let reason = reply
                .code
                .or(reply.message)
                .unwrap_or_else(|| "refused".into());
            Event::Refused { command, reason }
        }
    }
}

/// Reads `order.facts`.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Moves the sagas.
    pub conductor: Conductor,
    /// Restaurants and addresses.
    pub projections: Projections,
}

impl Handler for Facts {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        match message.kind.as_str() {
            restaurant::Deleted::TYPE => {
                let deleted: restaurant::Deleted = message.parse()?;
                self.projections
                    .delete_restaurant(deleted.restaurant_id)
                    .await?;
            }
            kind if kind.starts_with("restaurant.") => {
                let snapshot: RestaurantSnapshot = message.parse()?;
                self.projections.put_restaurant(&snapshot).await?;
            }
            user::AddressSaved::TYPE => {
                let user::AddressSaved {
                    user_id,
                    address_id,
                    address,
                } = message.parse()?;
                self.projections
                    .put_address(user_id, address_id, version(&message), Some(&address))
                    .await?;
            }
            user::AddressDeleted::TYPE => {
                let user::AddressDeleted {
                    user_id,
                    address_id,
                } = message.parse()?;
                self.projections
                    .put_address(user_id, address_id, version(&message), None)
                    .await?;
            }
            kind if kind.starts_with("delivery.") => return self.delivery(&message).await,
            // Bound for what may come; nothing to do.
            _ => {}
        }
        Ok(())
    }
}

impl Facts {
    async fn delivery(&self, message: &Envelope) -> Result<(), HandlerError> {
        let snapshot: DeliverySnapshot = message.parse()?;
        let order_id = snapshot.order_id;
        let Some(event) = what_happened(&message.kind, snapshot) else {
            return Ok(());
        };
        let claim = Claim {
            consumer: queue::ORDER_FACTS,
            message_id: message.id,
        };
        settle(
            self.conductor
                .conduct(order_id, Some(claim), |_| event)
                .await?,
            message,
        )
    }
}

fn what_happened(kind: &str, snapshot: DeliverySnapshot) -> Option<Event> {
    let DeliverySnapshot {
        driver_id, reason, ..
    } = snapshot;
    match kind {
        delivery::Assigned::TYPE => driver_id.map(|driver_id| Event::Assigned { driver_id }),
        delivery::PickedUp::TYPE => Some(Event::PickedUp { driver_id }),
        delivery::Delivered::TYPE => Some(Event::Delivered),
        delivery::Failed::TYPE | delivery::Cancelled::TYPE => Some(Event::DeliveryFailed {
            reason: reason.unwrap_or_else(|| "delivery_failed".into()),
        }),
        _ => None,
    }
}

/// Where a fact has no sequence, its time orders it.
fn version(message: &Envelope) -> i64 {
    message
        .sequence
        .unwrap_or_else(|| message.time.as_microsecond())
}

fn settle(outcome: Outcome, message: &Envelope) -> Result<(), HandlerError> {
    match outcome {
        Outcome::Done(_) | Outcome::Repeated => Ok(()),
        // Machines are never refused by the saga; see `Saga::on`.
        Outcome::Refused(refused) => Err(HandlerError::poison(refused)),
        Outcome::Unknown => Err(HandlerError::poison(anyhow::anyhow!(
            "{} is about an order that is not here",
            message.kind
        ))),
    }
}
