//! What a request of notification-service can end in, and the problem that it is told as.

use axum::response::{IntoResponse, Response};
use quickbite_http::Problem;
use uuid::Uuid;

use crate::domain::preferences::BadWebhookUrl;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Unknown, or not the caller's.
    #[error("there is no notification {0}")]
    NoNotification(Uuid),
    /// There is no such delivery.
    #[error("there is no delivery {0}")]
    NoDelivery(Uuid),
    /// Only dead letters are delivered again.
    #[error("the delivery is not dead-lettered")]
    NotDead,
    /// No webhook leads there.
    #[error(transparent)]
    WebhookUrl(#[from] BadWebhookUrl),
    /// The webhook leads into the platform.
    #[error("the address is not public")]
    WebhookReach,
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
            ApiError::NoNotification(_) => Self::not_found("notification_not_found", told),
            ApiError::NoDelivery(_) => Self::not_found("delivery_not_found", told),
            ApiError::NotDead => Self::conflict("wrong_state", told),
            ApiError::WebhookUrl(_) | ApiError::WebhookReach => Self::field("webhook.url", told),
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
