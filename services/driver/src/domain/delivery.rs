//! The life of a delivery: searching → offered → assigned → picked up → delivered, with its ways out.
//!
//! The open offer is part of the delivery's own state, not a row beside it: whoever changes the state under the
//! delivery's lock decides alone, and so exactly one driver can win. Each change is exactly one fact and one version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::geo::GeoPoint;

/// Where something is fetched or brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code.
    pub postal_code: String,
    /// The point.
    pub location: GeoPoint,
}

/// One driver is asked, for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Who is asked.
    pub driver_id: Uuid,
    /// From him to the pick-up, metres.
    pub distance_m: i64,
    /// From then on the offer is void.
    pub expires_at: Timestamp,
}

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Waits for a free driver.
    Searching,
    /// One driver is asked.
    Offered(Offer),
    /// A driver took it and is on the way to the restaurant.
    Assigned {
        /// Who.
        driver_id: Uuid,
    },
    /// The driver has the food.
    PickedUp {
        /// Who.
        driver_id: Uuid,
    },
    /// The customer has the food.
    Delivered {
        /// Who brought it.
        driver_id: Uuid,
        /// What the driver left as proof.
        proof: Option<String>,
    },
    /// It will not arrive.
    Failed {
        /// Who gave it up.
        driver_id: Uuid,
        /// Why.
        reason: String,
    },
    /// Called off before pick-up.
    Cancelled {
        /// Who had been asked or assigned.
        driver_id: Option<Uuid>,
        /// Why.
        reason: Option<String>,
    },
}

/// A state's name, as stored and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a free driver.
    Searching,
    /// One driver is asked.
    Offered,
    /// A driver took it.
    Assigned,
    /// The driver has the food.
    PickedUp,
    /// The customer has the food.
    Delivered,
    /// It will not arrive.
    Failed,
    /// Called off before pick-up.
    Cancelled,
}

impl Status {
    /// The name, snake_case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Searching => "searching",
            Self::Offered => "offered",
            Self::Assigned => "assigned",
            Self::PickedUp => "picked_up",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What happened to a delivery: the routing keys `delivery.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Exists.
    Created,
    /// One driver is asked.
    Offered,
    /// The driver asked took it.
    Assigned,
    /// The driver asked said no.
    Declined,
    /// The driver asked did not answer.
    Expired,
    /// The driver has the food.
    PickedUp,
    /// The customer has the food.
    Delivered,
    /// It will not arrive.
    Failed,
    /// Called off.
    Cancelled,
}

/// One change, as the others hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What.
    pub happened: Happened,
    /// The driver it is about: who declined, not who is asked next.
    pub driver_id: Option<Uuid>,
    /// Why.
    pub reason: Option<String>,
}

/// Why a delivery does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else has it, or never had it: to this driver it does not exist.
    #[error("there is no such delivery for this driver")]
    NotYours,
    /// The offer ran out before the answer.
    #[error("the offer has expired")]
    OfferExpired,
    /// Not from this state.
    #[error("the delivery is {}", .0.as_str())]
    WrongState(Status),
}

/// A delivery of one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// The order.
    pub order_id: Uuid,
    /// From where.
    pub restaurant_id: Uuid,
    /// To whom.
    pub customer_id: Uuid,
    /// Where it is fetched.
    pub pickup: Place,
    /// Where it goes.
    pub dropoff: Place,
    /// Where it stands.
    pub state: State,
    /// Grows by one with each fact.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a new delivery is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// The order.
    pub order_id: Uuid,
    /// From where.
    pub restaurant_id: Uuid,
    /// To whom.
    pub customer_id: Uuid,
    /// Where it is fetched.
    pub pickup: Place,
    /// Where it goes.
    pub dropoff: Place,
}

impl Delivery {
    /// A delivery that looks for its driver.
    pub fn create(id: Uuid, new: NewDelivery, now: Timestamp) -> (Self, Fact) {
        let NewDelivery {
            order_id,
            restaurant_id,
            customer_id,
            pickup,
            dropoff,
        } = new;
        let delivery = Self {
            id,
            order_id,
            restaurant_id,
            customer_id,
            pickup,
            dropoff,
            state: State::Searching,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        (
            delivery,
            Fact {
                happened: Happened::Created,
                driver_id: None,
                reason: None,
            },
        )
    }

    /// The state's name.
    pub fn status(&self) -> Status {
        match self.state {
            State::Searching => Status::Searching,
            State::Offered(_) => Status::Offered,
            State::Assigned { .. } => Status::Assigned,
            State::PickedUp { .. } => Status::PickedUp,
            State::Delivered { .. } => Status::Delivered,
            State::Failed { .. } => Status::Failed,
            State::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// The driver asked, assigned, or who ended it.
    pub fn driver_id(&self) -> Option<Uuid> {
        match self.state {
            State::Searching => None,
            State::Offered(Offer { driver_id, .. })
            | State::Assigned { driver_id }
            | State::PickedUp { driver_id }
            | State::Delivered { driver_id, .. }
            | State::Failed { driver_id, .. } => Some(driver_id),
            State::Cancelled { driver_id, .. } => driver_id,
        }
    }

    /// Asks `offer.driver_id`.
    pub fn offer(&mut self, offer: Offer, now: Timestamp) -> Result<Fact, Refused> {
        match self.state {
            State::Searching => {
                let driver_id = offer.driver_id;
                Ok(self.turn_into(
                    State::Offered(offer),
                    Happened::Offered,
                    Some(driver_id),
                    None,
                    now,
                ))
            }
            _ => Err(self.wrong()),
        }
    }

    /// The driver asked takes it.
    pub fn accept(&mut self, driver_id: Uuid, now: Timestamp) -> Result<Fact, Refused> {
        self.answerable(driver_id, now)?;
        Ok(self.turn_into(
            State::Assigned { driver_id },
            Happened::Assigned,
            Some(driver_id),
            None,
            now,
        ))
    }

    /// The driver asked says no, or goes home.
    pub fn decline(&mut self, driver_id: Uuid, now: Timestamp) -> Result<Fact, Refused> {
        self.answerable(driver_id, now)?;
        Ok(self.turn_into(
            State::Searching,
            Happened::Declined,
            Some(driver_id),
            None,
            now,
        ))
    }

    /// The offer ran out; `None` when there is none that did.
    pub fn expire(&mut self, now: Timestamp) -> Option<Fact> {
        match &self.state {
            State::Offered(offer) if offer.expires_at <= now => {
                let driver_id = offer.driver_id;
                Some(self.turn_into(
                    State::Searching,
                    Happened::Expired,
                    Some(driver_id),
                    None,
                    now,
                ))
            }
            _ => None,
        }
    }

    /// The assigned driver has the food.
    pub fn pick_up(&mut self, driver_id: Uuid, now: Timestamp) -> Result<Fact, Refused> {
        self.mine(driver_id)?;
        match self.state {
            State::Assigned { .. } => {
                let state = State::PickedUp { driver_id };
                Ok(self.turn_into(state, Happened::PickedUp, Some(driver_id), None, now))
            }
            _ => Err(self.wrong()),
        }
    }

    /// The customer has the food.
    pub fn deliver(
        &mut self,
        driver_id: Uuid,
        proof: Option<String>,
        now: Timestamp,
    ) -> Result<Fact, Refused> {
        self.mine(driver_id)?;
        match self.state {
            State::PickedUp { .. } => {
                let state = State::Delivered { driver_id, proof };
                Ok(self.turn_into(state, Happened::Delivered, Some(driver_id), None, now))
            }
            _ => Err(self.wrong()),
        }
    }

    /// The driver gives up, before or after pick-up.
    pub fn fail(
        &mut self,
        driver_id: Uuid,
        reason: String,
        now: Timestamp,
    ) -> Result<Fact, Refused> {
        self.mine(driver_id)?;
        match self.state {
            State::Assigned { .. } | State::PickedUp { .. } => {
                let state = State::Failed {
                    driver_id,
                    reason: reason.clone(),
                };
                Ok(self.turn_into(state, Happened::Failed, Some(driver_id), Some(reason), now))
            }
            _ => Err(self.wrong()),
        }
    }

    /// Called off by the order; `Ok(None)` when it had ended without arriving already.
    pub fn cancel(
        &mut self,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Option<Fact>, Refused> {
        match self.state {
            State::Searching | State::Offered(_) | State::Assigned { .. } => {
                let driver_id = self.driver_id();
                let state = State::Cancelled {
                    driver_id,
                    reason: reason.clone(),
                };
                Ok(Some(self.turn_into(
                    state,
                    Happened::Cancelled,
                    driver_id,
                    reason,
                    now,
                )))
            }
            State::Failed { .. } | State::Cancelled { .. } => Ok(None),
            State::PickedUp { .. } | State::Delivered { .. } => Err(self.wrong()),
        }
    }

    /// The one place where a state changes: with a version, a time and a fact.
    fn turn_into(
        &mut self,
        state: State,
        happened: Happened,
        driver_id: Option<Uuid>,
        reason: Option<String>,
        now: Timestamp,
    ) -> Fact {
        self.state = state;
        self.version += 1;
        self.updated_at = now;
        Fact {
            happened,
            driver_id,
            reason,
        }
    }

    fn answerable(&self, driver_id: Uuid, now: Timestamp) -> Result<(), Refused> {
        self.mine(driver_id)?;
        match &self.state {
            State::Offered(offer) if offer.expires_at <= now => Err(Refused::OfferExpired),
            State::Offered(_) => Ok(()),
            _ => Err(self.wrong()),
        }
    }

    fn mine(&self, driver_id: Uuid) -> Result<(), Refused> {
        if self.driver_id() == Some(driver_id) {
            Ok(())
        } else {
            Err(Refused::NotYours)
        }
    }

    fn wrong(&self) -> Refused {
        Refused::WrongState(self.status())
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
