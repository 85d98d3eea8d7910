//! What can go wrong in a request, and which problem that is.

use axum::response::{IntoResponse, Response};
use quickbite_http::Problem;
use uuid::Uuid;

use crate::domain::cart::CartError;
use crate::domain::saga::Refused;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No such order, or not the caller's.
    #[error("there is no order {0}")]
    OrderNotFound(Uuid),
    /// No such saga.
    #[error("there is no saga {0}")]
    SagaNotFound(Uuid),
    /// No such saved address of the caller.
    #[error("there is no address {0}")]
    AddressNotFound(Uuid),
    /// The cart cannot be ordered.
    #[error(transparent)]
    Cart(#[from] CartError),
    /// Not at this time.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// Anything that is a problem already.
    #[error("a problem")]
    Problem(#[from] Problem),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let text = error.to_string();
        match error {
            ApiError::OrderNotFound(_) => Self::not_found("order_not_found", text),
            ApiError::SagaNotFound(_) => Self::not_found("saga_not_found", text),
            ApiError::AddressNotFound(_) => Self::not_found("address_not_found", text),
            ApiError::Cart(CartError::UnknownRestaurant) => {
                Self::not_found("restaurant_not_found", text)
            }
            ApiError::Cart(CartError::Closed) => Self::unprocessable("restaurant_closed", text),
            ApiError::Cart(CartError::ItemUnavailable(_)) => {
                Self::unprocessable("item_unavailable", text)
            }
            ApiError::Refused(Refused::Ended) => Self::conflict("order_ended", text),
            ApiError::Refused(Refused::OnItsWay) => Self::conflict("order_on_its_way", text),
            ApiError::Refused(Refused::OutOfOrder) => Self::conflict("wrong_order_state", text),
            ApiError::Store(error) => quickbite_postgres::problem(error),
            ApiError::Problem(problem) => problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
