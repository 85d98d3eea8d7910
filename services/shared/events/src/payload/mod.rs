//! What each service announces about itself: facts on the exchange `quickbite.events`.
//!
//! One struct per routing key, so that the type says the key. Keys that share a shape wrap one snapshot
//! (`order::Created(OrderSnapshot)`): consumers that do not care which, read the snapshot by its fields.

pub mod delivery;
pub mod driver;
pub mod notification;
pub mod order;
pub mod payment;
pub mod restaurant;
pub mod user;

use serde::{Deserialize, Serialize};

/// A point on the map, WGS 84 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Latitude, −90 to 90.
    pub lat: f64,
    /// Longitude, −180 to 180.
    pub lng: f64,
}

/// A postal address with its point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// What its owner calls it ("Home").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code.
    pub postal_code: String,
    /// Where it is.
    pub location: Location,
}

/// Declares payload structs as facts: `facts!("order" => Created: "order.created", …)`, the source service first.
macro_rules! facts {
    ($source:literal => $($name:ident: $key:literal),+ $(,)?) => {
        $(impl $crate::envelope::Message for $name {
            const TYPE: &'static str = $key;
            const EXCHANGE: $crate::topology::Exchange = $crate::topology::Exchange::Events;
            const SOURCE: &'static str = $source;
        })+
    };
}

/// Declares one newtype per routing key around a shared snapshot.
macro_rules! snapshots {
    ($source:literal, $snapshot:ident => $($(#[$doc:meta])* $name:ident: $key:literal),+ $(,)?) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $snapshot);)+
        $crate::payload::facts!($source => $($name: $key),+);
    };
}

pub(crate) use {facts, snapshots};
