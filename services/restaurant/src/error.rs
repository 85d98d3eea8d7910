//! What clients are told when something does not work.

use std::error::Error;

use quickbite_http::Problem;
use uuid::Uuid;

use crate::catalogue::ChangeError;
use crate::domain::money::MoneyError;
use crate::domain::restaurant::RestaurantError;
use crate::store::StoreError;

/// 404 for a restaurant that is unknown or not the caller's.
#[must_use]
pub fn restaurant_not_found(id: Uuid) -> Problem {
    Problem::not_found(
        "restaurant_not_found",
        format!("There is no restaurant {id}"),
    )
}

/// 503 while the store is away, 500 for a defect of ours.
pub(crate) fn unavailable_or_internal(
    outage: bool,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> Problem {
    if outage {
        return Problem::unavailable(
            "database_unavailable",
            "The restaurants cannot be reached now",
        )
        .retry_after(2)
        .caused_by(cause);
    }
    Problem::internal(cause)
}

/// 422 for an amount or a currency, at the field that it came in.
pub(crate) fn money(field: &str, error: &MoneyError) -> Problem {
    Problem::field(field, error.to_string())
}

/// A change of the restaurant `id` that was not made.
pub(crate) fn not_changed(id: Uuid, error: ChangeError) -> Problem {
    match error {
        ChangeError::NotFound => restaurant_not_found(id),
        ChangeError::Stale(version) => Problem::conflict(
            "stale_version",
            format!("The restaurant is at version {version}; read it and change that"),
        ),
        ChangeError::Contended => Problem::conflict(
            "concurrent_change",
            "The restaurant is being changed by others",
        )
        .retry_after(1),
        ChangeError::Rule(RestaurantError::ItemNotFound(item)) => Problem::not_found(
            "menu_item_not_found",
            format!("The menu has no item {item}"),
        ),
        ChangeError::Rule(error @ RestaurantError::MenuFull) => {
            Problem::unprocessable("menu_full", error.to_string())
        }
        ChangeError::Rule(RestaurantError::Price(error)) => money("price", &error),
        ChangeError::Store(error) => error.into(),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        unavailable_or_internal(error.is_outage(), error)
    }
}
