//! Facts of restaurant-service: the whole restaurant each time, ordered by its version.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Address, facts, snapshots};

/// A restaurant with its menu as of one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantSnapshot {
    /// The restaurant.
    pub restaurant_id: Uuid,
    /// The user that owns it.
    pub owner_id: Uuid,
    /// Its name.
    pub name: String,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// Whether it takes orders now.
    pub open: bool,
    /// Whether an order counts as accepted at once.
    pub auto_accept: bool,
    /// Where couriers pick up.
    pub address: Address,
    /// All items, also those not available.
    pub menu: Vec<MenuItem>,
    /// Grows with every change; also the message's sequence.
    pub version: i64,
}

/// One line of a menu.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MenuItem {
    /// The item.
    pub item_id: Uuid,
    /// Its name.
    pub name: String,
    /// Price of one, in the restaurant's currency.
    pub price: Decimal,
    /// Whether it can be ordered now.
    pub available: bool,
}

/// `restaurant.deleted`: the restaurant is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The restaurant.
    pub restaurant_id: Uuid,
    /// The user that owned it.
    pub owner_id: Uuid,
}

snapshots!("restaurant", RestaurantSnapshot =>
    /// `restaurant.created`.
    Created: "restaurant.created",
    /// `restaurant.updated`: anything but the menu and opening changed.
    Updated: "restaurant.updated",
    /// `restaurant.menu_revised`: an item was added, changed or removed.
    MenuRevised: "restaurant.menu_revised",
    /// `restaurant.opened`: takes orders.
    Opened: "restaurant.opened",
    /// `restaurant.closed`: takes no orders.
    Closed: "restaurant.closed",
);
facts!("restaurant" => Deleted: "restaurant.deleted");
