//! Who is calling: a user, a role, a session.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an account may do. An account has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Orders food.
    Customer,
    /// Runs restaurants.
    RestaurantOwner,
    /// Delivers.
    Driver,
    /// Runs the platform.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [
        Self::Customer,
        Self::RestaurantOwner,
        Self::Driver,
        Self::Admin,
    ];

    /// As it stands in tokens, rows and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::RestaurantOwner => "restaurant_owner",
            Self::Driver => "driver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is customer, restaurant_owner, driver or admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// A verified caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The account.
    pub user_id: Uuid,
    /// What it may do.
    pub role: Role,
    /// The refresh family that the access token belongs to, where one is known.
    pub session: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_from_its_text_and_from_its_json() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            let json = serde_json::to_value(role).unwrap();
            assert_eq!(json, role.as_str());
        }
    }

    #[test]
    fn a_role_that_nobody_has_is_refused() {
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
        assert!(serde_json::from_str::<Role>("\"Admin\"").is_err());
    }
}
