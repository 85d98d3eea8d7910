//! From what a customer picked to priced lines: prices come from the restaurant, never from the client.

use quickbite_events::payload::restaurant::RestaurantSnapshot;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a customer picked.
#[derive(Clone, Debug, PartialEq)]
pub struct Cart {
    /// From which restaurant.
    pub restaurant_id: Uuid,
    /// At least one.
    pub items: Vec<CartItem>,
}

/// One picked line.
#[derive(Clone, Debug, PartialEq)]
pub struct CartItem {
    /// The menu item.
    pub item_id: Uuid,
    /// 1–50.
    pub quantity: u32,
    /// Wishes.
    pub notes: Option<String>,
}

/// One line of an order, with its name and price at ordering time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The menu item.
    pub item_id: Uuid,
    /// Its name.
    pub name: String,
    /// Price of one.
    #[schema(value_type = String, example = "12.99")]
    pub unit_price: Decimal,
    /// How many.
    pub quantity: u32,
    /// Wishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl Line {
    /// Price of all of them.
    #[must_use]
    pub fn price(&self) -> Decimal {
        self.unit_price * Decimal::from(self.quantity)
    }
}

/// Why a cart cannot be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CartError {
    /// No such restaurant, or not known here yet.
    #[error("the restaurant is not known")]
    UnknownRestaurant,
    /// It takes no orders now.
    #[error("the restaurant is closed")]
    Closed,
    /// An item is not on the menu or is sold out.
    #[error("item {0} is not available")]
    ItemUnavailable(Uuid),
}

impl Cart {
    /// The lines with names and prices, when `restaurant` can serve them.
    ///
    /// # Errors
    /// [`CartError`]; a restaurant that was just opened may look closed until its fact arrives.
    pub fn price(&self, restaurant: Option<&RestaurantSnapshot>) -> Result<Vec<Line>, CartError> {
        let restaurant = restaurant.ok_or(CartError::UnknownRestaurant)?;
        if !restaurant.open {
            return Err(CartError::Closed);
        }
        self.items
            .iter()
            .map(|item| line(restaurant, item))
            .collect()
    }
}

fn line(restaurant: &RestaurantSnapshot, wanted: &CartItem) -> Result<Line, CartError> {
    let CartItem {
        item_id,
        quantity,
        notes,
    } = wanted;
    let offered = restaurant
        .menu
        .iter()
        .find(|item| item.item_id == *item_id && item.available)
        .ok_or(CartError::ItemUnavailable(*item_id))?;
    Ok(Line {
        item_id: *item_id,
        name: offered.name.clone(),
        unit_price: offered.price,
        quantity: *quantity,
        notes: notes.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{cart, restaurant};

    #[test]
    fn a_cart_is_priced_by_the_restaurants_menu() {
        let restaurant = restaurant();
        let lines = cart(&restaurant).price(Some(&restaurant)).unwrap();
        assert_eq!(
            lines.iter().map(Line::price).sum::<Decimal>(),
            "30.48".parse().unwrap()
        );
    }

    #[test]
    fn a_closed_or_unknown_restaurant_serves_nothing() {
        let open = restaurant();
        let closed = RestaurantSnapshot {
            open: false,
            ..open.clone()
        };
        assert_eq!(cart(&open).price(Some(&closed)), Err(CartError::Closed));
        assert_eq!(cart(&open).price(None), Err(CartError::UnknownRestaurant));
    }

    #[test]
    fn a_sold_out_item_is_named() {
        let mut restaurant = restaurant();
        restaurant.menu[1].available = false;
        let sold_out = restaurant.menu[1].item_id;
        assert_eq!(
            cart(&restaurant).price(Some(&restaurant)),
            Err(CartError::ItemUnavailable(sold_out))
        );
    }
}
