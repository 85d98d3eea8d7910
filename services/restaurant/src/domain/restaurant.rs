//! A restaurant: who owns it, what it offers, whether it takes orders, and how each may change.
//!
//! Every change raises `version` by one. The version is at once the guard against lost updates,
//! the `ETag`, and the sequence number of the published fact. A change that changes nothing gives
//! `None` and is neither stored nor published: consumers would see a new version of the same thing.

use jiff::Timestamp;
use uuid::Uuid;

use super::menu::{ItemPatch, LARGEST_MENU, MenuItem};
use super::money::{Currency, MoneyError};
use super::place::{Address, OpeningHours};

/// What happened to a restaurant; names the fact that tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It exists.
    Created,
    /// Its details are others.
    Updated,
    /// Its menu is another.
    MenuRevised,
    /// It takes orders.
    Opened,
    /// It takes no orders.
    Closed,
    /// It is gone.
    Deleted,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestaurantError {
    /// The price is none in this restaurant's currency.
    #[error(transparent)]
    Price(#[from] MoneyError),
    /// No such item on the menu.
    #[error("the menu has no item {0}")]
    ItemNotFound(Uuid),
    /// The menu cannot grow.
    #[error("a menu has at most {LARGEST_MENU} items")]
    MenuFull,
}

/// What the owner says about a restaurant.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// What guests read.
    pub name: String,
    /// More about it.
    pub description: String,
    /// Kinds of kitchen, as the owner writes them.
    pub cuisine: Vec<String>,
    /// Where it is.
    pub address: Address,
    /// When it says it is open.
    pub opening_hours: Vec<OpeningHours>,
    /// Whether orders are accepted without the owner.
    pub auto_accept: bool,
}

/// What of the details is to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetailsPatch {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New kinds of kitchen.
    pub cuisine: Option<Vec<String>>,
    /// New address.
    pub address: Option<Address>,
    /// New opening hours.
    pub opening_hours: Option<Vec<OpeningHours>>,
    /// New way of accepting.
    pub auto_accept: Option<bool>,
}

/// A restaurant with its menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Restaurant {
    /// UUIDv7.
    pub id: Uuid,
    /// The user who owns it.
    pub owner_id: Uuid,
    /// What the owner says about it.
    pub details: Details,
    /// What its prices are in. Fixed: a change would change the meaning of every price.
    pub currency: Currency,
    /// Whether it takes orders.
    pub open: bool,
    /// What it offers, in the order of adding.
    pub menu: Vec<MenuItem>,
    /// 1 at creation, one more with each change.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Restaurant {
    /// A new restaurant, closed, with an empty menu.
    #[must_use]
    pub fn create(
        id: Uuid,
        owner_id: Uuid,
        details: Details,
        currency: Currency,
        now: Timestamp,
    ) -> Self {
        let (open, menu, version) = (false, Vec::new(), 1);
        Self {
            id,
            owner_id,
            details,
            currency,
            open,
            menu,
            version,
            created_at: now,
            updated_at: now,
        }
    }

    /// Changes what the patch names.
    pub fn revise(&mut self, patch: DetailsPatch, now: Timestamp) -> Option<Change> {
        let DetailsPatch {
            name,
            description,
            cuisine,
            address,
            opening_hours,
            auto_accept,
        } = patch;
        let old = &self.details;
        let details = Details {
            name: name.unwrap_or_else(|| old.name.clone()),
            description: description.unwrap_or_else(|| old.description.clone()),
            cuisine: cuisine.unwrap_or_else(|| old.cuisine.clone()),
            address: address.unwrap_or_else(|| old.address.clone()),
            opening_hours: opening_hours.unwrap_or_else(|| old.opening_hours.clone()),
            auto_accept: auto_accept.unwrap_or(old.auto_accept),
        };
        if details == self.details {
            return None;
        }
        self.details = details;
        Some(self.changed(Change::Updated, now))
    }

    /// Starts taking orders.
    pub fn open(&mut self, now: Timestamp) -> Option<Change> {
        if self.open {
            return None;
        }
        self.open = true;
        Some(self.changed(Change::Opened, now))
    }

    /// Stops taking orders. Tickets that are already reserved stay reserved.
    pub fn close(&mut self, now: Timestamp) -> Option<Change> {
        if !self.open {
            return None;
        }
        self.open = false;
        Some(self.changed(Change::Closed, now))
    }

    /// Puts an item at the end of the menu.
    ///
    /// # Errors
    /// [`RestaurantError::MenuFull`].
    pub fn add_item(&mut self, item: MenuItem, now: Timestamp) -> Result<Change, RestaurantError> {
        if self.menu.len() >= LARGEST_MENU {
            return Err(RestaurantError::MenuFull);
        }
        self.menu.push(item);
        Ok(self.changed(Change::MenuRevised, now))
    }

    /// Changes an item where it stands.
    ///
    /// # Errors
    /// [`RestaurantError::ItemNotFound`].
    pub fn revise_item(
        &mut self,
        item_id: Uuid,
        patch: ItemPatch,
        now: Timestamp,
    ) -> Result<Option<Change>, RestaurantError> {
        let item = self.menu.iter_mut().find(|item| item.id == item_id);
        let item = item.ok_or(RestaurantError::ItemNotFound(item_id))?;
        let revised = item.revised(patch);
        if revised == *item {
            return Ok(None);
        }
        *item = revised;
        Ok(Some(self.changed(Change::MenuRevised, now)))
    }

    /// Takes an item off the menu.
    ///
    /// # Errors
    /// [`RestaurantError::ItemNotFound`].
    pub fn remove_item(
        &mut self,
        item_id: Uuid,
        now: Timestamp,
    ) -> Result<Change, RestaurantError> {
        let at = self.menu.iter().position(|item| item.id == item_id);
        self.menu
            .remove(at.ok_or(RestaurantError::ItemNotFound(item_id))?);
        Ok(self.changed(Change::MenuRevised, now))
    }

    /// Marks the end: the last version, which the fact of the deletion carries.
    pub fn delete(&mut self, now: Timestamp) -> Change {
        self.changed(Change::Deleted, now)
    }

    /// The item with this id.
    #[must_use]
    pub fn item(&self, item_id: Uuid) -> Option<&MenuItem> {
        self.menu.iter().find(|item| item.id == item_id)
    }

    fn changed(&mut self, change: Change, now: Timestamp) -> Change {
        self.version += 1;
        // A clock that steps back must not make a later change look earlier.
        self.updated_at = self.updated_at.max(now);
        change
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::Price;
    use crate::domain::place::Location;

    pub(crate) fn restaurant() -> Restaurant {
        let address = Address {
            street: "Rue du Four 1".to_owned(),
            city: "Paris".to_owned(),
            postal_code: "75006".to_owned(),
            location: Location {
                lat: 48.85,
                lng: 2.33,
            },
        };
        let details = Details {
            name: "Chez Nous".to_owned(),
            description: "Home cooking".to_owned(),
            cuisine: vec!["french".to_owned()],
            address,
            opening_hours: Vec::new(),
            auto_accept: false,
        };
        let currency = Currency::parse("EUR").expect("a currency");
        Restaurant::create(
            Uuid::from_u128(1),
            Uuid::from_u128(2),
            details,
            currency,
            at(0),
        )
    }

    pub(crate) fn item(number: u128) -> MenuItem {
        MenuItem {
            id: Uuid::from_u128(number),
            name: format!("Dish {number}"),
            description: None,
            price: Price::from_minor(1299),
            available: true,
        }
    }

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_new_restaurant_is_closed_and_at_version_one() {
        let restaurant = restaurant();
        assert!(!restaurant.open);
        assert_eq!(restaurant.version, 1);
    }

    #[test]
    fn opening_twice_changes_it_once() {
        let mut restaurant = restaurant();
        assert_eq!(restaurant.open(at(1)), Some(Change::Opened));
        assert_eq!(restaurant.open(at(2)), None);
        assert_eq!((restaurant.version, restaurant.updated_at), (2, at(1)));
    }

    #[test]
    fn a_patch_without_a_difference_is_no_change() {
        let mut restaurant = restaurant();
        let name = Some(restaurant.details.name.clone());
        assert_eq!(
            restaurant.revise(
                DetailsPatch {
                    name,
                    ..Default::default()
                },
                at(1)
            ),
            None
        );
        assert_eq!(restaurant.version, 1);
    }

    #[test]
    fn a_patched_item_keeps_what_the_patch_leaves_out() {
        let mut restaurant = restaurant();
        restaurant.add_item(item(7), at(1)).expect("room");
        let patch = ItemPatch {
            available: Some(false),
            ..Default::default()
        };
        let change = restaurant.revise_item(Uuid::from_u128(7), patch, at(2));
        assert_eq!(change, Ok(Some(Change::MenuRevised)));
        let expected = MenuItem {
            available: false,
            ..item(7)
        };
        assert_eq!(restaurant.item(Uuid::from_u128(7)), Some(&expected));
    }

    #[test]
    fn an_item_that_is_not_there_can_be_neither_changed_nor_removed() {
        let mut restaurant = restaurant();
        let id = Uuid::from_u128(9);
        let missing = RestaurantError::ItemNotFound(id);
        assert_eq!(
            restaurant.revise_item(id, ItemPatch::default(), at(1)),
            Err(missing.clone())
        );
        assert_eq!(restaurant.remove_item(id, at(1)), Err(missing));
        assert_eq!(restaurant.version, 1);
    }

    #[test]
    fn a_full_menu_takes_no_more() {
        let mut restaurant = restaurant();
        for number in 0..LARGEST_MENU as u128 {
            restaurant.add_item(item(number), at(1)).expect("room");
        }
        assert_eq!(
            restaurant.add_item(item(999), at(2)),
            Err(RestaurantError::MenuFull)
        );
    }

    #[test]
    fn a_clock_that_steps_back_does_not_turn_time_back() {
        let mut restaurant = restaurant();
        restaurant.open(at(100));
        restaurant.close(at(50));
        assert_eq!(restaurant.updated_at, at(100));
    }

    proptest! {
        #[test]
        fn the_version_rises_by_one_with_every_change_and_never_otherwise(
            steps in proptest::collection::vec((0_u8..6, 0_u128..4, any::<bool>()), 0..40)
        ) {
            let mut restaurant = restaurant();
            for (step, number, flag) in steps {
                let before = restaurant.clone();
                let id = Uuid::from_u128(number);
                let changed = match step {
                    0 => restaurant.open(at(1)).is_some(),
                    1 => restaurant.close(at(1)).is_some(),
                    2 => restaurant.add_item(item(number), at(1)).is_ok(),
                    3 => restaurant.remove_item(id, at(1)).is_ok(),
                    4 => {
                        let patch = ItemPatch { available: Some(flag), ..Default::default() };
                        matches!(restaurant.revise_item(id, patch, at(1)), Ok(Some(_)))
                    }
                    _ => {
                        let patch = DetailsPatch { auto_accept: Some(flag), ..Default::default() };
                        restaurant.revise(patch, at(1)).is_some()
                    }
                };
                if changed {
                    prop_assert_eq!(restaurant.version, before.version + 1);
                } else {
                    prop_assert_eq!(&restaurant, &before);
                }
            }
        }
    }
}
