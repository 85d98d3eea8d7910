//! How a restaurant lies in MongoDB: ids as text, prices as `i64` minor units, the place as GeoJSON.
//!
//! `cuisineKeys` repeats `cuisine` in lower case, so that the filter finds "Italian" by "italian"
//! through an ordinary index.

use jiff::Timestamp;
use mongodb::bson::DateTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use crate::domain::menu::MenuItem;
use crate::domain::money::{Currency, Price};
use crate::domain::place::{Address, Day, Location, OpeningHours};
use crate::domain::restaurant::{Details, Restaurant};

/// A restaurant as stored; lists are read without `menu`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestaurantDocument {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    owner_id: String,
    name: String,
    description: String,
    cuisine: Vec<String>,
    cuisine_keys: Vec<String>,
    address: AddressDocument,
    opening_hours: Vec<HoursDocument>,
    auto_accept: bool,
    currency: String,
    open: bool,
    #[serde(default)]
    menu: Vec<ItemDocument>,
    version: i64,
    created_at: DateTime,
    updated_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddressDocument {
    street: String,
    city: String,
    postal_code: String,
    location: PointDocument,
}

/// GeoJSON: longitude first.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PointDocument {
    #[serde(rename = "type")]
    kind: String,
    coordinates: [f64; 2],
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct HoursDocument {
    day: Day,
    opens: String,
    closes: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ItemDocument {
    id: String,
    name: String,
    description: Option<String>,
    price: i64,
    available: bool,
}

/// What a cuisine is found by.
pub(crate) fn cuisine_key(cuisine: &str) -> String {
    cuisine.trim().to_lowercase()
}

/// MongoDB keeps milliseconds.
pub(crate) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millisecond())
}

pub(crate) fn timestamp(at: DateTime) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(at.timestamp_millis())
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(crate) fn uuid(text: &str) -> Result<Uuid, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("{text:?} is no id")))
}

pub(crate) fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::parse(code).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl From<&Address> for AddressDocument {
    fn from(address: &Address) -> Self {
        let Address {
            street,
            city,
            postal_code,
            location,
        } = address.clone();
        let kind = "Point".to_owned();
        let location = PointDocument {
            kind,
            coordinates: [location.lng, location.lat],
        };
        Self {
            street,
            city,
            postal_code,
            location,
        }
    }
}

impl From<AddressDocument> for Address {
    fn from(document: AddressDocument) -> Self {
        let AddressDocument {
            street,
            city,
            postal_code,
            location,
        } = document;
        let [lng, lat] = location.coordinates;
        Self {
            street,
            city,
            postal_code,
            location: Location { lat, lng },
        }
    }
}

impl From<&Restaurant> for RestaurantDocument {
    fn from(restaurant: &Restaurant) -> Self {
        let Restaurant {
            id,
            owner_id,
            details,
            currency,
            open,
            menu,
            version,
            created_at,
            updated_at,
        } = restaurant;
        let Details {
            name,
            description,
            cuisine,
            address,
            opening_hours,
            auto_accept,
        } = details;
        let hours = |OpeningHours { day, opens, closes }: OpeningHours| HoursDocument {
            day,
            opens,
            closes,
        };
        let item = |MenuItem {
                        id,
                        name,
                        description,
                        price,
                        available,
                    }: MenuItem| ItemDocument {
            id: id.to_string(),
            name,
            description,
            price: price.minor(),
            available,
        };
        Self {
            id: id.to_string(),
            owner_id: owner_id.to_string(),
            name: name.clone(),
            description: description.clone(),
            cuisine: cuisine.clone(),
            cuisine_keys: cuisine.iter().map(|cuisine| cuisine_key(cuisine)).collect(),
            address: address.into(),
            opening_hours: opening_hours.iter().cloned().map(hours).collect(),
            auto_accept: *auto_accept,
            currency: currency.code().to_owned(),
            open: *open,
            menu: menu.iter().cloned().map(item).collect(),
            version: *version,
            created_at: date(*created_at),
            updated_at: date(*updated_at),
        }
    }
}

impl TryFrom<RestaurantDocument> for Restaurant {
    type Error = StoreError;

    fn try_from(document: RestaurantDocument) -> Result<Self, StoreError> {
        let RestaurantDocument {
            id,
            owner_id,
            name,
            description,
            cuisine,
            cuisine_keys: _,
            address,
            opening_hours,
            auto_accept,
            currency: code,
            open,
            menu,
            version,
            created_at,
            updated_at,
        } = document;
        let hours = |HoursDocument { day, opens, closes }| OpeningHours { day, opens, closes };
        let opening_hours = opening_hours.into_iter().map(hours).collect();
        let address = address.into();
        let item = |ItemDocument {
                        id,
                        name,
                        description,
                        price,
                        available,
                    }| {
            let (id, price) = (uuid(&id)?, Price::from_minor(price));
            Ok(MenuItem {
                id,
                name,
                description,
                price,
                available,
            })
        };
        Ok(Self {
            id: uuid(&id)?,
            owner_id: uuid(&owner_id)?,
            details: Details {
                name,
                description,
                cuisine,
                address,
                opening_hours,
                auto_accept,
            },
            currency: currency(&code)?,
            open,
            menu: menu
                .into_iter()
                .map(item)
                .collect::<Result<_, StoreError>>()?,
            version,
            created_at: timestamp(created_at)?,
            updated_at: timestamp(updated_at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::restaurant::tests::{at, item, restaurant};

    #[test]
    fn a_restaurant_survives_being_stored() {
        let mut restaurant = restaurant();
        restaurant.add_item(item(7), at(3)).expect("room");
        let day = Day::Monday;
        let hours = OpeningHours {
            day,
            opens: "18:00".to_owned(),
            closes: "02:00".to_owned(),
        };
        restaurant.details.opening_hours = vec![hours];
        let stored = mongodb::bson::serialize_to_vec(&RestaurantDocument::from(&restaurant));
        let read: RestaurantDocument =
            mongodb::bson::deserialize_from_slice(&stored.expect("BSON")).expect("a document");
        assert_eq!(
            Restaurant::try_from(read).expect("a restaurant"),
            restaurant
        );
    }
}
