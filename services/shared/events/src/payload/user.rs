//! Facts of user-service: accounts and saved addresses.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Address, facts};

/// `user.registered`: an account exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The account.
    pub user_id: Uuid,
    /// Its e-mail address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// `customer`, `restaurant_owner`, `driver` or `admin`.
    pub role: String,
}

/// `user.disabled`: an account may no longer act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disabled {
    /// The account.
    pub user_id: Uuid,
}

/// `user.address_saved`: an address was added or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressSaved {
    /// Its owner.
    pub user_id: Uuid,
    /// The address' id.
    pub address_id: Uuid,
    /// The address as it is now.
    pub address: Address,
}

/// `user.address_deleted`: an address is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressDeleted {
    /// Its owner.
    pub user_id: Uuid,
    /// The address' id.
    pub address_id: Uuid,
}

facts!("user" =>
    Registered: "user.registered",
    Disabled: "user.disabled",
    AddressSaved: "user.address_saved",
    AddressDeleted: "user.address_deleted",
);
