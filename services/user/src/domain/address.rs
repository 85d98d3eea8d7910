//! Saved addresses.

use jiff::Timestamp;
use uuid::Uuid;

pub use quickbite_events::payload::Address;

/// An address of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedAddress {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Where it is.
    pub address: Address,
    /// Grows with every fact about it.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a client may change of one; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddressChange {
    /// Another name for it.
    pub label: Option<String>,
    /// Another street.
    pub street: Option<String>,
    /// Another city.
    pub city: Option<String>,
    /// Another postal code.
    pub postal_code: Option<String>,
    /// Another point.
    pub location: Option<quickbite_events::payload::Location>,
}

impl SavedAddress {
    /// This address after `change`; equal to this one when nothing changes.
    #[must_use]
    pub fn changed(&self, change: AddressChange, now: Timestamp) -> Self {
        let AddressChange {
            label,
            street,
            city,
            postal_code,
            location,
        } = change;
        let mut next = self.clone();
        let address = &mut next.address;
        address.label = label.or(address.label.take());
        address.street = street.unwrap_or_else(|| address.street.clone());
        address.city = city.unwrap_or_else(|| address.city.clone());
        address.postal_code = postal_code.unwrap_or_else(|| address.postal_code.clone());
        address.location = location.unwrap_or(address.location);
        if next != *self {
            next.version += 1;
            next.updated_at = now;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use quickbite_events::payload::Location;

    use super::*;

    fn home() -> SavedAddress {
        SavedAddress {
            id: Uuid::now_v7(),
            user_id: Uuid::now_v7(),
            address: Address {
                label: Some("Home".to_owned()),
                street: "Street 1".to_owned(),
                city: "Berlin".to_owned(),
                postal_code: "10115".to_owned(),
                location: Location {
                    lat: 52.5,
                    lng: 13.4,
                },
            },
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_change_does_not_name_stays() {
        let home = home();
        let change = AddressChange {
            city: Some("Potsdam".to_owned()),
            ..AddressChange::default()
        };
        let moved = home.changed(change, Timestamp::from_second(5).unwrap());
        assert_eq!((moved.address.city.as_str(), moved.version), ("Potsdam", 2));
        assert_eq!(moved.address.street, home.address.street);
        assert_eq!(moved.address.label, home.address.label);
    }

    #[test]
    fn an_empty_change_is_no_new_version() {
        let home = home();
        assert_eq!(
            home.changed(AddressChange::default(), Timestamp::from_second(5).unwrap()),
            home
        );
    }
}
