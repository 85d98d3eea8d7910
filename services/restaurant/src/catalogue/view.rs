//! Read models: what clients see of a restaurant, and what the cache keeps of it.
//!
//! Ids and prices are text here, so that a cached value is the answer itself.

use jiff::Timestamp;
use quickbite_http::Paged;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::menu::MenuItem;
use crate::domain::money::Currency;
use crate::domain::place::{Address, Day, OpeningHours};
use crate::domain::restaurant::{Details, Restaurant};

/// A point on the earth, WGS 84 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LocationView {
    /// −90 to 90.
    pub lat: f64,
    /// −180 to 180.
    pub lng: f64,
}

/// A postal address with its point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressView {
    /// Street and number.
    pub street: String,
    /// Town.
    pub city: String,
    /// Postal code.
    pub postal_code: String,
    /// Where it is.
    pub location: LocationView,
}

/// One span of a day, local wall-clock; one that closes before it opens runs past midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoursView {
    /// Which day it begins.
    pub day: Day,
    /// `HH:MM`.
    #[schema(example = "18:00")]
    pub opens: String,
    /// `HH:MM`.
    #[schema(example = "02:00")]
    pub closes: String,
}

/// An item of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MenuItemView {
    /// The item's id.
    pub id: Uuid,
    /// What guests read.
    pub name: String,
    /// More about it.
    pub description: Option<String>,
    /// Decimal string, in the restaurant's currency.
    #[schema(example = "12.99")]
    pub price: Decimal,
    /// Whether it can be ordered now.
    pub available: bool,
}

/// A restaurant without its menu, as lists have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantSummary {
    /// The restaurant's id.
    pub id: Uuid,
    /// The user who owns it.
    pub owner_id: Uuid,
    /// What guests read.
    pub name: String,
    /// More about it.
    pub description: String,
    /// Kinds of kitchen.
    pub cuisine: Vec<String>,
    /// Where it is.
    pub address: AddressView,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// When it says it is open; whether it takes orders is `open`.
    pub opening_hours: Vec<HoursView>,
    /// Whether orders are accepted without the owner.
    pub auto_accept: bool,
    /// Whether it takes orders now.
    pub open: bool,
    /// One more with each change; also the `ETag`.
    pub version: i64,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// How far it is, in metres; only in `nearby`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_meters: Option<f64>,
}

/// A restaurant with its menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RestaurantView {
    /// All but the menu.
    #[serde(flatten)]
    pub summary: RestaurantSummary,
    /// What it offers, in the order of adding.
    pub menu: Vec<MenuItemView>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantPage {
    /// The restaurants.
    pub items: Vec<RestaurantSummary>,
    /// What to pass as `cursor` for the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

impl From<Paged<RestaurantSummary>> for RestaurantPage {
    fn from(Paged { items, next_cursor }: Paged<RestaurantSummary>) -> Self {
        Self { items, next_cursor }
    }
}

impl From<&Address> for AddressView {
    fn from(address: &Address) -> Self {
        let Address {
            street,
            city,
            postal_code,
            location,
        } = address.clone();
        let location = LocationView {
            lat: location.lat,
            lng: location.lng,
        };
        Self {
            street,
            city,
            postal_code,
            location,
        }
    }
}

impl From<&OpeningHours> for HoursView {
    fn from(hours: &OpeningHours) -> Self {
        let OpeningHours { day, opens, closes } = hours.clone();
        Self { day, opens, closes }
    }
}

impl MenuItemView {
    /// An item with its price in `currency`.
    #[must_use]
    pub fn of(item: &MenuItem, currency: &Currency) -> Self {
        let MenuItem {
            id,
            name,
            description,
            price,
            available,
        } = item.clone();
        Self {
            id,
            name,
            description,
            price: price.decimal(currency),
            available,
        }
    }
}

impl From<&Restaurant> for RestaurantSummary {
    fn from(restaurant: &Restaurant) -> Self {
        let Restaurant {
            id,
            owner_id,
            details,
            currency,
            open,
            version,
            created_at,
            updated_at,
            ..
        } = restaurant.clone();
        let Details {
            name,
            description,
            cuisine,
            address,
            opening_hours,
            auto_accept,
        } = details;
        Self {
            id,
            owner_id,
            name,
            description,
            cuisine,
            address: (&address).into(),
            currency: currency.code().to_owned(),
            opening_hours: opening_hours.iter().map(HoursView::from).collect(),
            auto_accept,
            open,
            version,
            created_at,
            updated_at,
            distance_meters: None,
        }
    }
}

impl From<&Restaurant> for RestaurantView {
    fn from(restaurant: &Restaurant) -> Self {
        let item = |item: &MenuItem| MenuItemView::of(item, &restaurant.currency);
        let menu = restaurant.menu.iter().map(item).collect();
        Self {
            summary: restaurant.into(),
            menu,
        }
    }
}
