//! What clients see.

use jiff::Timestamp;
use quickbite_auth::Role;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{Phone, SavedAddress, User};

/// An account, without its password.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: Uuid,
    email: String,
    name: String,
    phone: Option<String>,
    /// `customer`, `restaurant_owner`, `driver` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    disabled: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let User {
            id,
            email,
            name,
            phone,
            role,
            disabled_at,
            version: _,
            created_at,
            updated_at,
        } = user;
        Self {
            id,
            email: email.to_string(),
            name: name.as_str().to_owned(),
            phone: phone.as_ref().map(Phone::as_str).map(str::to_owned),
            role,
            disabled: disabled_at.is_some(),
            created_at,
            updated_at,
        }
    }
}

/// Who just signed in, and what they need for it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedIn {
    pub(super) user: UserView,
    /// A JWT for `Authorization: Bearer`.
    pub(super) access_token: String,
    /// For one refresh, then it is used up.
    pub(super) refresh_token: String,
    /// Seconds until the access token ends.
    pub(super) expires_in: u64,
}

/// A point, WGS 84 degrees.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub(super) struct LocationView {
    lat: f64,
    lng: f64,
}

/// A saved address.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddressView {
    id: Uuid,
    label: Option<String>,
    street: String,
    city: String,
    postal_code: String,
    location: LocationView,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<SavedAddress> for AddressView {
    fn from(saved: SavedAddress) -> Self {
        let SavedAddress {
            id,
            user_id: _,
            address,
            version: _,
            created_at,
            updated_at,
        } = saved;
        Self {
            id,
            label: address.label,
            street: address.street,
            city: address.city,
            postal_code: address.postal_code,
            location: LocationView {
                lat: address.location.lat,
                lng: address.location.lng,
            },
            created_at,
            updated_at,
        }
    }
}
