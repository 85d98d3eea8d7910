//! Commands to restaurant-service: the ticket of an order in the kitchen.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::commands;
use crate::payload::Address;

/// `restaurant.reserve_ticket`: is it open, are the items there, what do they cost?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReserveTicket {
    /// The order.
    pub order_id: Uuid,
    /// The restaurant asked.
    pub restaurant_id: Uuid,
    /// Who ordered.
    pub customer_id: Uuid,
    /// What is ordered.
    pub items: Vec<TicketItem>,
}

/// One ordered line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketItem {
    /// The menu item.
    pub item_id: Uuid,
    /// How many, 1–50.
    pub quantity: u32,
    /// Wishes of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// `restaurant.confirm_ticket`: paid, cook it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmTicket {
    /// The order.
    pub order_id: Uuid,
    /// The restaurant.
    pub restaurant_id: Uuid,
    /// Why, when it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `restaurant.cancel_ticket`: forget it (also when the reservation has not arrived yet).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelTicket {
    /// The order.
    pub order_id: Uuid,
    /// The restaurant.
    pub restaurant_id: Uuid,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

commands!(
    ReserveTicket: "restaurant.reserve_ticket",
    ConfirmTicket: "restaurant.confirm_ticket",
    CancelTicket: "restaurant.cancel_ticket",
);

/// What an accepted [`ReserveTicket`] gives: the authority on names and prices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketReserved {
    /// The restaurant's name.
    pub restaurant_name: String,
    /// The user that owns it.
    pub owner_id: Uuid,
    /// Whether the order counts as accepted at once.
    pub auto_accept: bool,
    /// ISO 4217 code of the prices.
    pub currency: String,
    /// Where couriers pick up.
    pub address: Address,
    /// The lines with names and prices.
    pub items: Vec<PricedItem>,
}

/// One reserved line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PricedItem {
    /// The menu item.
    pub item_id: Uuid,
    /// Its name.
    pub name: String,
    /// Price of one.
    pub unit_price: Decimal,
    /// How many.
    pub quantity: u32,
}
