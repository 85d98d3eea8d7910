//! What notification-service consumes: facts of all others.

use quickbite_events::payload::{delivery, order, payment, restaurant, user};
use quickbite_events::{Envelope, Handler, HandlerError, Message};
use quickbite_http::Clock;

use crate::domain::rules::Fact;
use crate::store::Store;
use crate::worker::Worker;

/// The routing keys of facts that people may be told about.
const ORDER: [&str; 10] = [
    order::Created::TYPE,
    order::Accepted::TYPE,
    order::Confirmed::TYPE,
    order::Rejected::TYPE,
    order::Preparing::TYPE,
    order::Ready::TYPE,
    order::PickedUp::TYPE,
    order::Delivered::TYPE,
    order::CancelRequested::TYPE,
    order::Cancelled::TYPE,
];
const PAYMENT: [&str; 6] = [
    payment::Authorized::TYPE,
    payment::Declined::TYPE,
    payment::Captured::TYPE,
    payment::Voided::TYPE,
    payment::Refunded::TYPE,
    payment::Failed::TYPE,
];
const DELIVERY: [&str; 9] = [
    delivery::Created::TYPE,
    delivery::Offered::TYPE,
    delivery::Assigned::TYPE,
    delivery::Declined::TYPE,
    delivery::Expired::TYPE,
    delivery::PickedUp::TYPE,
    delivery::Delivered::TYPE,
    delivery::Failed::TYPE,
    delivery::Cancelled::TYPE,
];
const RESTAURANT: [&str; 5] = [
    restaurant::Created::TYPE,
    restaurant::Updated::TYPE,
    restaurant::MenuRevised::TYPE,
    restaurant::Opened::TYPE,
    restaurant::Closed::TYPE,
];

/// Reads the fact that people may be told about; `None` when it is another one.
fn fact(message: &Envelope) -> Result<Option<Fact>, serde_json::Error> {
    let known = |keys: &[&'static str]| keys.iter().copied().find(|key| *key == message.kind);
    Ok(Some(if message.is::<user::Registered>() {
        Fact::Registered(message.parse()?)
    } else if let Some(key) = known(&ORDER) {
        Fact::Order(key, message.parse()?)
    } else if let Some(key) = known(&PAYMENT) {
        Fact::Payment(key, message.parse()?)
    } else if let Some(key) = known(&DELIVERY) {
        Fact::Delivery(key, message.parse()?)
    } else {
        return Ok(None);
    }))
}

/// Turns facts into notifications.
#[derive(Clone)]
pub struct Facts {
    /// Remembers them.
    pub store: Store,
    /// Knows which channels there are.
    pub worker: Worker,
    /// Tells the time.
    pub clock: Clock,
}

impl Handler for Facts {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        if let Some(fact) = fact(&message)? {
            let active = self.worker.active();
            let made = self
                .store
                .notify(message.id, &fact, &active, self.clock.now())
                .await?;
            tracing::debug!(
                kind = message.kind,
                made,
                "turned a fact into notifications"
            );
        } else if message.is::<user::Disabled>() {
            let user::Disabled { user_id } = message.parse()?;
            self.store.disable_recipient(user_id).await?;
        } else if RESTAURANT.contains(&message.kind.as_str()) {
            let snapshot: restaurant::RestaurantSnapshot = message.parse()?;
            self.store
                .learn_restaurant(snapshot.restaurant_id, &snapshot.name, snapshot.version)
                .await?;
        }
        // Other facts (addresses, deleted restaurants, kinds of a later version) tell nobody anything.
        Ok(())
    }
}
