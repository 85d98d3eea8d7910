//! What a database error means to a service.

use quickbite_http::Problem;

/// The answer to a request that failed on `error`: 503 `database_unavailable` while the database is away, else 500.
#[must_use]
pub fn problem(error: sqlx::Error) -> Problem {
    if is_unavailable(&error) {
        Problem::unavailable("database_unavailable", "The database does not answer")
            .retry_after(2)
            .caused_by(error)
    } else {
        Problem::internal(error)
    }
}

/// Whether `error` is a violation of the unique constraint or index `constraint`.
pub fn is_unique_violation(error: &sqlx::Error, constraint: &str) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            database.is_unique_violation() && database.constraint() == Some(constraint)
        }
        _ => false,
    }
}

/// Whether `error` says that the database is away, overloaded or too slow, rather than that the statement is wrong.
/// Classes 08 (connection), 53 (resources) and 57 (shutdown, statement timeout) of the PostgreSQL error codes.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
