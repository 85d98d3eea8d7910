//! The facts that this service publishes.

use quickbite_events::Outgoing;
use quickbite_events::payload::user::{AddressDeleted, AddressSaved, Disabled, Registered};

use crate::domain::{SavedAddress, User};

/// The account exists.
#[must_use]
pub fn registered(user: &User) -> Outgoing {
    let payload = Registered {
        user_id: user.id,
        email: user.email.to_string(),
        name: user.name.as_str().to_owned(),
        role: user.role.as_str().to_owned(),
    };
    Outgoing::event(user.id, user.version, &payload)
}

/// The account may no longer act.
#[must_use]
pub fn disabled(user: &User) -> Outgoing {
    Outgoing::event(user.id, user.version, &Disabled { user_id: user.id })
}

/// The address is new or another.
#[must_use]
pub fn address_saved(saved: &SavedAddress) -> Outgoing {
    let payload = AddressSaved {
        user_id: saved.user_id,
        address_id: saved.id,
        address: saved.address.clone(),
    };
    Outgoing::event(saved.id, saved.version, &payload)
}

/// The address is gone: one version after its last.
#[must_use]
pub fn address_deleted(saved: &SavedAddress) -> Outgoing {
    let payload = AddressDeleted {
        user_id: saved.user_id,
        address_id: saved.id,
    };
    Outgoing::event(saved.id, saved.version + 1, &payload)
}
