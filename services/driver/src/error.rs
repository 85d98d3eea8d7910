//! What a request of driver-service can end in, and the problem that it is told as.

use axum::response::{IntoResponse, Response};
use quickbite_http::Problem;
use uuid::Uuid;

use crate::domain::delivery::Refused;
use crate::domain::geo::NotAPoint;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Unknown, or not the caller's.
    #[error("there is no delivery {0}")]
    NoDelivery(Uuid),
    /// The delivery does not change so.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A shift cannot end with somebody's food in the bag.
    #[error("finish the delivery in progress before going offline")]
    DeliveryInProgress,
    /// Positions count only within a shift.
    #[error("go online first")]
    Offline,
    /// Degrees off the map.
    #[error(transparent)]
    NotAPoint(#[from] NotAPoint),
    /// The database did not answer as it should.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// Told as it is.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let told = error.to_string();
        match error {
            ApiError::NoDelivery(_) | ApiError::Refused(Refused::NotYours) => {
                Self::not_found("delivery_not_found", told)
            }
            ApiError::Refused(Refused::OfferExpired) => Self::conflict("offer_expired", told),
            ApiError::Refused(Refused::WrongState(_)) => Self::conflict("wrong_state", told),
            ApiError::DeliveryInProgress => Self::conflict("delivery_in_progress", told),
            ApiError::Offline => Self::conflict("driver_offline", told),
            ApiError::NotAPoint(error) => Self::field("location", error.to_string()),
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
