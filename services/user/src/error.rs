//! What goes wrong here, and what a client is told of it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use quickbite_auth::KeyError;
use quickbite_http::Problem;

use crate::domain::ChangeRefused;
use crate::passwords::PasswordError;

/// Everything that a route may answer instead of what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The e-mail address has an account.
    #[error("this e-mail address has an account already")]
    EmailTaken,
    /// No such account, or another password: the client must not learn which.
    #[error("e-mail address or password are wrong")]
    InvalidCredentials,
    /// The account exists and is disabled; said only to who knows its password.
    #[error("this account is disabled")]
    AccountDisabled,
    /// Never issued, expired, or its family has ended.
    #[error("this refresh token is not valid")]
    InvalidRefreshToken,
    /// Somebody used it before: one of the two is a thief.
    #[error("this refresh token was used before; its session has ended")]
    RefreshReused,
    /// The current password is another.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The account is gone.
    #[error("this account is gone")]
    AccountGone,
    /// No such account.
    #[error("there is no such user")]
    UserNotFound,
    /// No such address, or somebody else's.
    #[error("there is no such address")]
    AddressNotFound,
    /// More addresses than anyone needs.
    #[error("an account can save {0} addresses")]
    TooManyAddresses(i64),
    /// Changed meanwhile.
    #[error("the account was changed meanwhile")]
    ChangedMeanwhile,
    /// An admin's change that is not allowed.
    #[error(transparent)]
    ChangeRefused(#[from] ChangeRefused),
    /// A password could not be worked on.
    #[error("a password could not be checked")]
    Password(#[from] PasswordError),
    /// A token could not be signed.
    #[error("a token could not be signed")]
    Key(#[from] KeyError),
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Already an answer.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let detail = error.to_string();
        let because = |status, code: &'static str| Self::new(status, code, detail.clone());
        match error {
            ApiError::EmailTaken => because(StatusCode::CONFLICT, "email_taken"),
            ApiError::InvalidCredentials => {
                because(StatusCode::UNAUTHORIZED, "invalid_credentials")
            }
            ApiError::AccountDisabled => because(StatusCode::FORBIDDEN, "account_disabled"),
            ApiError::InvalidRefreshToken => {
                because(StatusCode::UNAUTHORIZED, "invalid_refresh_token")
            }
            ApiError::RefreshReused => because(StatusCode::UNAUTHORIZED, "refresh_reused"),
            ApiError::WrongPassword => because(StatusCode::FORBIDDEN, "wrong_password"),
            ApiError::AccountGone => Self::unauthorized(),
            ApiError::UserNotFound => because(StatusCode::NOT_FOUND, "user_not_found"),
            ApiError::AddressNotFound => because(StatusCode::NOT_FOUND, "address_not_found"),
            ApiError::TooManyAddresses(_) => because(StatusCode::CONFLICT, "too_many_addresses"),
            ApiError::ChangedMeanwhile => because(StatusCode::CONFLICT, "changed_meanwhile"),
            ApiError::ChangeRefused(ChangeRefused::OwnAccount) => {
                because(StatusCode::CONFLICT, "own_account")
            }
            ApiError::Password(PasswordError::Busy) => {
                because(StatusCode::SERVICE_UNAVAILABLE, "busy").retry_after(2)
            }
            ApiError::Password(error) => Self::internal(error),
            ApiError::Key(error) => Self::internal(error),
            ApiError::Database(error) => quickbite_postgres::problem(error),
            ApiError::Problem(problem) => problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
