//! A restaurant, a cart, an order.

use std::time::Duration;

use jiff::Timestamp;
use quickbite_events::payload::restaurant::{MenuItem, RestaurantSnapshot};
use quickbite_events::payload::{Address, Location};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::cart::{Cart, CartItem};
use super::order::{Change, NewOrder, Order};
use super::saga::Timeouts;

pub(crate) fn timeouts() -> Timeouts {
    Timeouts {
        answer: Duration::from_secs(5),
        acceptance: Duration::from_secs(300),
        delivery: Duration::from_secs(7200),
    }
}

pub(crate) fn address() -> Address {
    Address {
        label: None,
        street: "1 Test Street".into(),
        city: "Testville".into(),
        postal_code: "12345".into(),
        location: Location {
            lat: 48.0,
            lng: 11.0,
        },
    }
}

pub(crate) fn restaurant() -> RestaurantSnapshot {
    let item = |name: &str, price: &str| MenuItem {
        item_id: Uuid::now_v7(),
        name: name.into(),
        price: price.parse().unwrap(),
        available: true,
    };
    RestaurantSnapshot {
        restaurant_id: Uuid::now_v7(),
        owner_id: Uuid::now_v7(),
        name: "Trattoria".into(),
        currency: "EUR".into(),
        open: true,
        auto_accept: false,
        address: address(),
        menu: vec![item("Margherita", "12.99"), item("Lemonade", "4.50")],
        version: 1,
    }
}

pub(crate) fn cart(restaurant: &RestaurantSnapshot) -> Cart {
    let item = |at: usize, quantity| CartItem {
        item_id: restaurant.menu[at].item_id,
        quantity,
        notes: None,
    };
    Cart {
        restaurant_id: restaurant.restaurant_id,
        items: vec![item(0, 2), item(1, 1)],
    }
}

pub(crate) fn placed(now: Timestamp) -> (Order, Change) {
    let restaurant = restaurant();
    let new = NewOrder {
        id: Uuid::now_v7(),
        saga_id: Uuid::now_v7(),
        customer_id: Uuid::now_v7(),
        dropoff: address(),
        payment_token: "tok_ok".into(),
        tip: Decimal::ONE,
        delivery_fee: "2.99".parse().unwrap(),
        notes: None,
    };
    Order::place(new, &cart(&restaurant), Some(&restaurant), now, &timeouts()).unwrap()
}
