//! The order: what was bought, where it goes, and its saga.

use jiff::Timestamp;
use quickbite_events::Outgoing;
use quickbite_events::command::restaurant::TicketReserved;
use quickbite_events::payload::Address;
use quickbite_events::payload::restaurant::RestaurantSnapshot;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::cart::{Cart, CartError, Line};
use super::messages::{command, fact};
use super::saga::{self, Effect, Event, Moved, Refused, Saga, StepRecord, Timeouts};
use super::status::Status;

/// The one change that is not a fact of the order: driver-service announces it.
const DRIVER_ASSIGNED: &str = "order.driver_assigned";
/// Changes that leave the status as it was.
const SAME_STATUS: [&str; 3] = [DRIVER_ASSIGNED, "order.accepted", "order.cancel_requested"];

/// One order as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its id; a UUIDv7, so that ids sort by time.
    pub id: Uuid,
    /// Who ordered.
    pub customer_id: Uuid,
    /// From where.
    pub restaurant_id: Uuid,
    /// The user that owns the restaurant.
    pub owner_id: Uuid,
    /// What was ordered.
    pub items: Vec<Line>,
    /// Where it is fetched.
    pub pickup: Address,
    /// Where it goes.
    pub dropoff: Address,
    /// Wishes for the whole order.
    pub notes: Option<String>,
    /// Sum of the lines.
    pub subtotal: Decimal,
    /// For the delivery.
    pub delivery_fee: Decimal,
    /// For the driver.
    pub tip: Decimal,
    /// What is paid.
    pub total: Decimal,
    /// ISO 4217 code.
    pub currency: String,
    /// The customer's payment method.
    pub payment_token: String,
    /// Why it ended, where it did not end well.
    pub reason: Option<String>,
    /// Counts the changes; the newest one's number.
    pub sequence: i64,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The saga's own id.
    pub saga_id: Uuid,
    /// What is being done about it.
    pub saga: Saga,
    /// What was done.
    pub steps: Vec<StepRecord>,
    /// When the saga stops waiting.
    pub deadline: Option<Timestamp>,
    /// The newest command's message id.
    pub last_command_id: Option<Uuid>,
}

/// What placing an order needs beside the cart.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// The order's id.
    pub id: Uuid,
    /// The saga's id.
    pub saga_id: Uuid,
    /// Who orders.
    pub customer_id: Uuid,
    /// Where it goes.
    pub dropoff: Address,
    /// The payment method.
    pub payment_token: String,
    /// For the driver.
    pub tip: Decimal,
    /// For the delivery.
    pub delivery_fee: Decimal,
    /// Wishes.
    pub notes: Option<String>,
}

/// What is to be stored with a changed order, in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// New lines of the order's history.
    pub entries: Vec<Entry>,
    /// New messages.
    pub messages: Vec<Outgoing>,
}

/// One thing that happened to an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Numbers the order's changes from 1.
    pub sequence: i64,
    /// The announced fact's routing key, `order.<…>`.
    pub kind: String,
    /// The status from then on.
    pub status: Status,
    /// Why, on rejection and cancellation.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Entry {
    /// Whether the status changed: such entries are the order's history.
    #[must_use]
    pub fn is_status_change(&self) -> bool {
        !SAME_STATUS.contains(&self.kind.as_str())
    }
}

impl Order {
    /// Places an order at `restaurant`.
    ///
    /// # Errors
    /// [`CartError`], when the restaurant cannot serve the cart.
    pub fn place(
        new: NewOrder,
        cart: &Cart,
        restaurant: Option<&RestaurantSnapshot>,
        now: Timestamp,
        timeouts: &Timeouts,
    ) -> Result<(Self, Change), CartError> {
        let items = cart.price(restaurant)?;
        let restaurant = restaurant.ok_or(CartError::UnknownRestaurant)?;
        let NewOrder {
            id,
            saga_id,
            customer_id,
            dropoff,
            payment_token,
            tip,
            delivery_fee,
            notes,
        } = new;
        let subtotal: Decimal = items.iter().map(Line::price).sum();
        let (saga, effects) = Saga::begin();
        let mut order = Self {
            id,
            customer_id,
            restaurant_id: restaurant.restaurant_id,
            owner_id: restaurant.owner_id,
            items,
            pickup: restaurant.address.clone(),
            dropoff,
            notes,
            subtotal,
            delivery_fee,
            tip,
            total: subtotal + delivery_fee + tip,
            currency: restaurant.currency.clone(),
            payment_token,
            reason: None,
            sequence: 0,
            created_at: now,
            updated_at: now,
            saga_id,
            steps: vec![StepRecord::entered(&saga, now)],
            saga,
            deadline: None,
            last_command_id: None,
        };
        let change = order.carry_out(&effects, now, timeouts);
        Ok((order, change))
    }

    /// Lets `event` happen.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub fn apply(
        &mut self,
        event: Event,
        now: Timestamp,
        timeouts: &Timeouts,
    ) -> Result<Change, Refused> {
        let before = self.saga.clone();
        let moved = before.clone().on(event)?;
        saga::record(&mut self.steps, &before, &moved, now);
        let Moved {
            saga,
            effects,
            error: _,
        } = moved;
        self.saga = saga;
        self.reason = self
            .saga
            .ending
            .as_ref()
            .map(|ending| ending.reason.clone());
        let mut change = self.carry_out(&effects, now, timeouts);
        if change.entries.is_empty() && self.saga.driver_id != before.driver_id {
            change.entries.push(self.enter(DRIVER_ASSIGNED, now));
        }
        Ok(change)
    }

    /// What the kitchen said: the authority on where to fetch, and on whether the customer was told the right prices.
    pub fn reserved(&mut self, ticket: &TicketReserved) -> Event {
        self.pickup = ticket.address.clone();
        self.owner_id = ticket.owner_id;
        Event::Reserved {
            auto_accept: ticket.auto_accept,
            prices_agree: self.agrees_with(ticket),
        }
    }

    fn agrees_with(&self, ticket: &TicketReserved) -> bool {
        let total: Decimal = ticket
            .items
            .iter()
            .map(|item| item.unit_price * Decimal::from(item.quantity))
            .sum();
        total == self.subtotal && ticket.currency == self.currency
    }

    /// The customer-visible status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.saga.status
    }

    /// Who may read it, beside admins: its customer, its restaurant's owner, its driver.
    #[must_use]
    pub fn is_party(&self, user: Uuid) -> bool {
        self.customer_id == user || self.owner_id == user || self.saga.driver_id == Some(user)
    }

    fn carry_out(&mut self, effects: &[Effect], now: Timestamp, timeouts: &Timeouts) -> Change {
        let mut change = Change::default();
        self.updated_at = now;
        for effect in effects {
            match *effect {
                Effect::Send(wanted) => {
                    let message = command(self, wanted);
                    self.last_command_id = Some(message.envelope.id);
                    change.messages.push(message);
                }
                Effect::Announce(what) => {
                    let entry = self.enter(what.key(), now);
                    change.messages.push(fact(self, what, now));
                    change.entries.push(entry);
                }
                Effect::Wait(wait) => {
                    let span = timeouts.of(wait, &self.saga);
                    self.deadline = span.map(|span| now + span);
                }
            }
        }
        change
    }

    fn enter(&mut self, kind: &str, now: Timestamp) -> Entry {
        self.sequence += 1;
        Entry {
            sequence: self.sequence,
            kind: kind.to_owned(),
            status: self.saga.status,
            reason: self.reason.clone(),
            at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use quickbite_events::command::restaurant::PricedItem;

    use super::*;
    use crate::domain::fixtures::{placed, timeouts};
    use crate::domain::saga::{Command, Step};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ticket(order: &Order, price: &str) -> TicketReserved {
        TicketReserved {
            restaurant_name: "Trattoria".into(),
            owner_id: order.owner_id,
            auto_accept: true,
            currency: order.currency.clone(),
            address: order.pickup.clone(),
            items: vec![PricedItem {
                item_id: Uuid::now_v7(),
                name: "all of it".into(),
                unit_price: price.parse().unwrap(),
                quantity: 1,
            }],
        }
    }

    #[test]
    fn a_placed_order_announces_itself_and_asks_the_kitchen_within_five_seconds() {
        let (order, change) = placed(NOW);
        let keys: Vec<_> = change
            .messages
            .iter()
            .map(|message| message.routing_key.as_str())
            .collect();
        assert_eq!(keys, ["order.created", "restaurant.reserve_ticket"]);
        assert_eq!(order.total, "34.47".parse().unwrap());
        assert_eq!(order.deadline, Some(NOW + timeouts().answer));
        assert_eq!(change.entries.len(), 1);
    }

    #[test]
    fn other_prices_than_the_customer_was_told_reject_the_order() {
        let (mut order, _) = placed(NOW);
        let event = order.reserved(&ticket(&order.clone(), "99.00"));
        order.apply(event, NOW, &timeouts()).unwrap();
        assert_eq!(order.saga.step, Step::CancelTicket);
        let change = order
            .apply(Event::Done(Command::CancelTicket), NOW, &timeouts())
            .unwrap();
        assert_eq!(order.status(), Status::Rejected);
        assert_eq!(change.entries[0].reason.as_deref(), Some("price_changed"));
        assert_eq!(order.deadline, None);
    }

    #[test]
    fn the_steps_tell_what_was_done_and_what_failed() {
        let (mut order, _) = placed(NOW);
        let event = order.reserved(&ticket(&order.clone(), "30.48"));
        order.apply(event, NOW, &timeouts()).unwrap();
        let declined = Event::Refused {
            command: Command::Authorize,
            reason: "card_declined".into(),
        };
        order.apply(declined, NOW, &timeouts()).unwrap();
        let told: Vec<_> = order
            .steps
            .iter()
            .map(|step| (step.name, step.error.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (Step::ReserveTicket, None),
                (Step::AuthorizePayment, Some("card_declined")),
                (Step::CancelTicket, None),
            ]
        );
    }
}
