//! What driver-service publishes and consumes.

use quickbite_events::command::driver::{CancelDelivery, CreateDelivery};
use quickbite_events::payload::delivery::{self, DeliverySnapshot};
use quickbite_events::payload::{Address, Location, driver, order, user};
use quickbite_events::{Envelope, Handler, HandlerError, Outgoing};
use quickbite_http::Clock;
use uuid::Uuid;

use crate::dispatcher::Dispatcher;
use crate::domain::delivery::{Delivery, Fact, Happened, NewDelivery, Place};
use crate::domain::driver::{Driver, ShiftFact};
use crate::domain::geo::{GeoPoint, NotAPoint};
use crate::store::Answered;

/// The fact of a delivery's change, numbered by its version.
pub fn delivery_fact(delivery: &Delivery, fact: &Fact) -> Outgoing {
    let Fact {
        happened,
        driver_id,
        reason,
    } = fact;
    let snapshot = DeliverySnapshot {
        delivery_id: delivery.id,
        order_id: delivery.order_id,
        restaurant_id: delivery.restaurant_id,
        customer_id: delivery.customer_id,
        driver_id: *driver_id,
        reason: reason.clone(),
        at: delivery.updated_at,
    };
    let (id, version) = (delivery.id, delivery.version);
    match happened {
        Happened::Created => Outgoing::event(id, version, &delivery::Created(snapshot)),
        Happened::Offered => Outgoing::event(id, version, &delivery::Offered(snapshot)),
        Happened::Assigned => Outgoing::event(id, version, &delivery::Assigned(snapshot)),
        Happened::Declined => Outgoing::event(id, version, &delivery::Declined(snapshot)),
        Happened::Expired => Outgoing::event(id, version, &delivery::Expired(snapshot)),
        Happened::PickedUp => Outgoing::event(id, version, &delivery::PickedUp(snapshot)),
        Happened::Delivered => Outgoing::event(id, version, &delivery::Delivered(snapshot)),
        Happened::Failed => Outgoing::event(id, version, &delivery::Failed(snapshot)),
        Happened::Cancelled => Outgoing::event(id, version, &delivery::Cancelled(snapshot)),
    }
}

/// The fact of a shift, numbered by the driver's version.
pub fn shift_fact(driver: &Driver, fact: ShiftFact) -> Outgoing {
    let location = driver.location.map(|point| Location {
        lat: point.lat(),
        lng: point.lng(),
    });
    let driver_id = driver.id;
    match fact {
        ShiftFact::Online => Outgoing::event(
            driver_id,
            driver.version,
            &driver::Online {
                driver_id,
                location,
            },
        ),
        ShiftFact::Offline => Outgoing::event(
            driver_id,
            driver.version,
            &driver::Offline {
                driver_id,
                location,
            },
        ),
    }
}

fn place(address: Address) -> Result<Place, NotAPoint> {
    let Address {
        label,
        street,
        city,
        postal_code,
        location,
    } = address;
    let location = GeoPoint::parse(location.lat, location.lng)?;
    Ok(Place {
        label,
        street,
        city,
        postal_code,
        location,
    })
}

/// Carries out `driver.*` commands.
#[derive(Clone)]
pub struct Commands {
    /// Stores and dispatches.
    pub dispatcher: Dispatcher,
    /// Tells the time.
    pub clock: Clock,
}

impl Handler for Commands {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        let (store, now) = (self.dispatcher.store(), self.clock.now());
        let answered = if message.is::<CreateDelivery>() {
            let CreateDelivery {
                order_id,
                restaurant_id,
                customer_id,
                pickup,
                dropoff,
            } = message.parse()?;
            let pickup = place(pickup).map_err(HandlerError::poison)?;
            let dropoff = place(dropoff).map_err(HandlerError::poison)?;
            let new = NewDelivery {
                order_id,
                restaurant_id,
                customer_id,
                pickup,
                dropoff,
            };
            store
                .create_delivery(&message, Uuid::now_v7(), new, now)
                .await?
        } else if message.is::<CancelDelivery>() {
            let CancelDelivery { order_id, reason } = message.parse()?;
            store
                .cancel_delivery(&message, order_id, reason, now)
                .await?
        } else {
            return Err(HandlerError::Poison(anyhow::anyhow!(
                "no such command: {}",
                message.kind
            )));
        };
        match answered {
            Answered::Nothing => {}
            Answered::Searching(delivery_id) => self.dispatcher.delivery_waits(delivery_id),
            Answered::Freed(driver_id) => self.dispatcher.driver_is_free(driver_id),
        }
        Ok(())
    }
}

/// Follows facts of others: who owns an order's restaurant, and whose account was disabled.
#[derive(Clone)]
pub struct Facts {
    /// Stores and dispatches.
    pub dispatcher: Dispatcher,
    /// Tells the time.
    pub clock: Clock,
}

impl Handler for Facts {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        if message.is::<order::Confirmed>() {
            let snapshot: order::OrderSnapshot = message.parse()?;
            let store = self.dispatcher.store();
            store
                .learn_owner(snapshot.order_id, snapshot.restaurant_owner_id)
                .await?;
        } else if message.is::<user::Disabled>() {
            let user::Disabled { user_id } = message.parse()?;
            self.dispatcher.end_shift(user_id, self.clock.now()).await?;
        }
        Ok(())
    }
}
