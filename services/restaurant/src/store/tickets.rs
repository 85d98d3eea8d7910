//! Tickets, one document per order, and the inbox: a command's claim, its effect and its reply are
//! one transaction.

use std::sync::Arc;

use futures::FutureExt as _;
use mongodb::bson::{DateTime, doc};
use mongodb::{ClientSession, Collection};
use quickbite_auth::Clock;
use quickbite_events::Outgoing;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::call::{MAX_TIME, bounded, transaction};
use super::document::{AddressDocument, RestaurantDocument, currency, date, uuid};
use super::outbox::Outbox;
use super::{Mongo, StoreError, collection};
use crate::domain::money::Price;
use crate::domain::restaurant::Restaurant;
use crate::domain::ticket::{self, Command, Decision, Line, Refusal, Reservation, State};

/// A command with what tells it from its repetitions.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The message's id: handled once.
    pub message_id: Uuid,
    /// The order, whose ticket it is about.
    pub order_id: Uuid,
    /// The restaurant.
    pub restaurant_id: Uuid,
    /// What is asked.
    pub command: Command,
}

/// Makes the reply out of the decision's answer.
pub type Answering = Arc<dyn Fn(Result<Option<&Reservation>, &Refusal>) -> Outgoing + Send + Sync>;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TicketDocument {
    #[serde(rename = "_id")]
    order_id: String,
    restaurant_id: String,
    state: StateName,
    reservation: Option<ReservationDocument>,
    refusal: Option<Refusal>,
    updated_at: DateTime,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Reserved,
    Refused,
    Confirmed,
    Cancelled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReservationDocument {
    restaurant_name: String,
    owner_id: String,
    auto_accept: bool,
    currency: String,
    address: AddressDocument,
    lines: Vec<LineDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineDocument {
    item_id: String,
    name: String,
    /// Minor units.
    unit_price: i64,
    quantity: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claimed {
    #[serde(rename = "_id")]
    message_id: String,
    claimed_at: DateTime,
}

/// Tickets and the commands that were handled.
#[derive(Debug, Clone)]
pub struct TicketStore {
    mongo: Mongo,
    collections: Collections,
    outbox: Outbox,
    clock: Clock,
}

#[derive(Debug, Clone)]
struct Collections {
    restaurants: Collection<RestaurantDocument>,
    tickets: Collection<TicketDocument>,
    inbox: Collection<Claimed>,
}

impl TicketStore {
    /// The tickets of this database.
    #[must_use]
    pub fn new(mongo: Mongo, outbox: Outbox, clock: Clock) -> Self {
        let collections = Collections {
            restaurants: mongo.collection(collection::RESTAURANTS),
            tickets: mongo.collection(collection::TICKETS),
            inbox: mongo.collection(collection::INBOX),
        };
        Self {
            mongo,
            collections,
            outbox,
            clock,
        }
    }

    /// Decides on a command and stores ticket, claim and reply together. A message that was handled
    /// before does nothing.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is stored then, or all of it is and a repetition does nothing.
    pub async fn handle(&self, asked: Asked, answering: Answering) -> Result<(), StoreError> {
        let (collections, outbox) = (self.collections.clone(), self.outbox.clone());
        let now = date(self.clock.now());
        transaction(&self.mongo, move |session| {
            let (collections, outbox) = (collections.clone(), outbox.clone());
            let (asked, answering) = (asked.clone(), Arc::clone(&answering));
            async move {
                if !collections.claim(session, asked.message_id, now).await? {
                    return Ok(());
                }
                let decision = collections.decide(session, &asked).await?;
                if let Some(next) = &decision.next {
                    collections.save(session, &asked, next, now).await?;
                }
                let reply = answering(decision.answer.as_ref().map(Option::as_ref));
                outbox.put(session, &[reply]).await
            }
            .boxed()
        })
        .await?;
        self.outbox.wake();
        Ok(())
    }

    /// Where an order's ticket is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, order_id: Uuid) -> Result<Option<State>, StoreError> {
        let tickets = self.collections.tickets.clone();
        bounded(async move {
            let found = tickets
                .find_one(doc! { "_id": order_id.to_string() })
                .max_time(MAX_TIME)
                .await?;
            found.map(State::try_from).transpose()
        })
        .await
    }
}

impl Collections {
    /// `false` if the message was handled before. Two handlers of one message write the same id and
    /// conflict, so that the later one runs again and finds it.
    async fn claim(
        &self,
        session: &mut ClientSession,
        message_id: Uuid,
        claimed_at: DateTime,
    ) -> Result<bool, StoreError> {
        let message_id = message_id.to_string();
        let known = self
            .inbox
            .find_one(doc! { "_id": &message_id })
            .session(&mut *session)
            .await?;
        if known.is_some() {
            return Ok(false);
        }
        self.inbox
            .insert_one(Claimed {
                message_id,
                claimed_at,
            })
            .session(session)
            .await?;
        Ok(true)
    }

    async fn decide(
        &self,
        session: &mut ClientSession,
        asked: &Asked,
    ) -> Result<Decision, StoreError> {
        let by_order = doc! { "_id": asked.order_id.to_string() };
        let known = self
            .tickets
            .find_one(by_order)
            .session(&mut *session)
            .await?;
        let known = known.map(State::try_from).transpose()?;
        let restaurant = match (&asked.command, &known) {
            (Command::Reserve(_), None) => {
                let by_id = doc! { "_id": asked.restaurant_id.to_string() };
                let found = self
                    .restaurants
                    .find_one(by_id)
                    .session(&mut *session)
                    .await?;
                found.map(Restaurant::try_from).transpose()?
            }
            _ => None,
        };
        Ok(ticket::decide(
            known.as_ref(),
            &asked.command,
            restaurant.as_ref(),
        ))
    }

    async fn save(
        &self,
        session: &mut ClientSession,
        asked: &Asked,
        next: &State,
        updated_at: DateTime,
    ) -> Result<(), StoreError> {
        let (state, reservation, refusal) = match next {
            State::Reserved(held) => (StateName::Reserved, Some(held), None),
            State::Confirmed(held) => (StateName::Confirmed, Some(held), None),
            State::Cancelled(held) => (StateName::Cancelled, held.as_ref(), None),
            State::Refused(refusal) => (StateName::Refused, None, Some(refusal.clone())),
        };
        let ticket = TicketDocument {
            order_id: asked.order_id.to_string(),
            restaurant_id: asked.restaurant_id.to_string(),
            state,
            reservation: reservation.map(ReservationDocument::from),
            refusal,
            updated_at,
        };
        let by_order = doc! { "_id": &ticket.order_id };
        self.tickets
            .replace_one(by_order, ticket)
            .upsert(true)
            .session(session)
            .await?;
        Ok(())
    }
}

impl TryFrom<TicketDocument> for State {
    type Error = StoreError;

    fn try_from(ticket: TicketDocument) -> Result<Self, StoreError> {
        let held = ticket.reservation.map(Reservation::try_from).transpose()?;
        let incomplete =
            || StoreError::Corrupt(format!("ticket {} is incomplete", ticket.order_id));
        Ok(match ticket.state {
            StateName::Reserved => Self::Reserved(held.ok_or_else(incomplete)?),
            StateName::Confirmed => Self::Confirmed(held.ok_or_else(incomplete)?),
            StateName::Refused => Self::Refused(ticket.refusal.ok_or_else(incomplete)?),
            StateName::Cancelled => Self::Cancelled(held),
        })
    }
}

impl From<&Reservation> for ReservationDocument {
    fn from(held: &Reservation) -> Self {
        let Reservation {
            restaurant_name,
            owner_id,
            auto_accept,
            currency,
            address,
            lines,
        } = held;
        let line = |Line {
                        item_id,
                        name,
                        unit_price,
                        quantity,
                    }: Line| LineDocument {
            item_id: item_id.to_string(),
            name,
            unit_price: unit_price.minor(),
            quantity,
        };
        Self {
            restaurant_name: restaurant_name.clone(),
            owner_id: owner_id.to_string(),
            auto_accept: *auto_accept,
            currency: currency.code().to_owned(),
            address: address.into(),
            lines: lines.iter().cloned().map(line).collect(),
        }
    }
}

impl TryFrom<ReservationDocument> for Reservation {
    type Error = StoreError;

    fn try_from(document: ReservationDocument) -> Result<Self, StoreError> {
        let ReservationDocument {
            restaurant_name,
            owner_id,
            auto_accept,
            currency: code,
            address,
            lines,
        } = document;
        let line = |LineDocument {
                        item_id,
                        name,
                        unit_price,
                        quantity,
                    }| {
            let (item_id, unit_price) = (uuid(&item_id)?, Price::from_minor(unit_price));
            Ok(Line {
                item_id,
                name,
                unit_price,
                quantity,
            })
        };
        Ok(Self {
            restaurant_name,
            owner_id: uuid(&owner_id)?,
            auto_accept,
            currency: currency(&code)?,
            address: address.into(),
            lines: lines
                .into_iter()
                .map(line)
                .collect::<Result<_, StoreError>>()?,
        })
    }
}
