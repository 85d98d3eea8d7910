//! What restaurant-service reads from and says to the broker.

use std::sync::Arc;

use quickbite_events::command::restaurant::{
    CancelTicket, ConfirmTicket, PricedItem, ReserveTicket, TicketReserved,
};
use quickbite_events::payload::restaurant::{
    Closed, Created, Deleted, MenuItem, MenuRevised, Opened, RestaurantSnapshot, Updated,
};
use quickbite_events::payload::{Address, Location};
use quickbite_events::{Envelope, Handler, HandlerError, Message as _, Outgoing, Reply};
use uuid::Uuid;

use crate::domain::place;
use crate::domain::restaurant::{Change, Restaurant};
use crate::domain::ticket::{Ask, Command, Refusal, Reservation};
use crate::store::StoreError;
use crate::store::tickets::{Asked, TicketStore};

/// The fact that tells of a change: the whole restaurant, so that a consumer needs the latest only.
#[must_use]
pub fn fact(restaurant: &Restaurant, change: Change) -> Outgoing {
    let (id, sequence) = (restaurant.id, restaurant.version);
    match change {
        Change::Created => Outgoing::event(id, sequence, &Created(snapshot(restaurant))),
        Change::Updated => Outgoing::event(id, sequence, &Updated(snapshot(restaurant))),
        Change::MenuRevised => Outgoing::event(id, sequence, &MenuRevised(snapshot(restaurant))),
        Change::Opened => Outgoing::event(id, sequence, &Opened(snapshot(restaurant))),
        Change::Closed => Outgoing::event(id, sequence, &Closed(snapshot(restaurant))),
        Change::Deleted => {
            let gone = Deleted {
                restaurant_id: id,
                owner_id: restaurant.owner_id,
            };
            Outgoing::event(id, sequence, &gone)
        }
    }
}

fn snapshot(restaurant: &Restaurant) -> RestaurantSnapshot {
    let item = |item: &crate::domain::menu::MenuItem| MenuItem {
        item_id: item.id,
        name: item.name.clone(),
        price: item.price.decimal(&restaurant.currency),
        available: item.available,
    };
    RestaurantSnapshot {
        restaurant_id: restaurant.id,
        owner_id: restaurant.owner_id,
        name: restaurant.details.name.clone(),
        currency: restaurant.currency.code().to_owned(),
        open: restaurant.open,
        auto_accept: restaurant.details.auto_accept,
        address: address(&restaurant.details.address),
        menu: restaurant.menu.iter().map(item).collect(),
        version: restaurant.version,
    }
}

fn address(address: &place::Address) -> Address {
    let place::Address {
        street,
        city,
        postal_code,
        location,
    } = address.clone();
    let place::Location { lat, lng } = location;
    Address {
        label: None,
        street,
        city,
        postal_code,
        location: Location { lat, lng },
    }
}

/// Reads the queue of commands.
#[derive(Clone)]
pub struct Commands {
    tickets: TicketStore,
}

impl Commands {
    /// A reader that keeps tickets in this store.
    #[must_use]
    pub fn new(tickets: TicketStore) -> Self {
        Self { tickets }
    }
}

impl Handler for Commands {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        let asked = read(&message)?;
        let order_id = asked.order_id;
        let answering = Arc::new(move |answer: Result<Option<&Reservation>, &Refusal>| {
            reply(&message, order_id, answer)
        });
        self.tickets.handle(asked, answering).await.map_err(failed)
    }
}

fn failed(error: StoreError) -> HandlerError {
    if error.is_outage() {
        HandlerError::Unavailable(error.into())
    } else {
        HandlerError::retry(error)
    }
}

fn read(message: &Envelope) -> Result<Asked, HandlerError> {
    let (order_id, restaurant_id, command) = match message.kind.as_str() {
        ReserveTicket::TYPE => {
            let ReserveTicket {
                order_id,
                restaurant_id,
                customer_id: _,
                items,
            } = message.parse()?;
            let asks = items.iter().map(|item| Ask {
                item_id: item.item_id,
                quantity: item.quantity,
            });
            (order_id, restaurant_id, Command::Reserve(asks.collect()))
        }
        ConfirmTicket::TYPE => {
            let ConfirmTicket {
                order_id,
                restaurant_id,
                reason: _,
            } = message.parse()?;
            (order_id, restaurant_id, Command::Confirm)
        }
        CancelTicket::TYPE => {
            let CancelTicket {
                order_id,
                restaurant_id,
                reason: _,
            } = message.parse()?;
            (order_id, restaurant_id, Command::Cancel)
        }
        other => {
            return Err(HandlerError::poison(anyhow::anyhow!(
                "no command of ours: {other}"
            )));
        }
    };
    Ok(Asked {
        message_id: message.id,
        order_id,
        restaurant_id,
        command,
    })
}

fn reply(
    command: &Envelope,
    order_id: Uuid,
    answer: Result<Option<&Reservation>, &Refusal>,
) -> Outgoing {
    let reply = match answer {
        Ok(Some(reservation)) => Reply::ok(command, order_id, Some(&reserved(reservation))),
        Ok(None) => Reply::done(command, order_id),
        Err(refusal) => Reply::rejected(command, order_id, refusal.code(), refusal.to_string()),
    };
    Outgoing::reply(command, &reply)
}

fn reserved(reservation: &Reservation) -> TicketReserved {
    let Reservation {
        restaurant_name,
        owner_id,
        auto_accept,
        currency,
        address: place,
        lines,
    } = reservation;
    let items = lines.iter().map(|line| PricedItem {
        item_id: line.item_id,
        name: line.name.clone(),
        unit_price: line.unit_price.decimal(currency),
        quantity: line.quantity,
    });
    TicketReserved {
        restaurant_name: restaurant_name.clone(),
        owner_id: *owner_id,
        auto_accept: *auto_accept,
        currency: currency.code().to_owned(),
        address: address(place),
        items: items.collect(),
    }
}
