//! What clients are told when something does not work.

use quickbite_http::Problem;

/// A query that failed.
pub(crate) fn failed(error: sqlx::Error) -> Problem {
    quickbite_postgres::problem(error)
}
