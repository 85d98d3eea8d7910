//! Remembers accounts, sessions and addresses in PostgreSQL. SQL is only here.
//!
//! No trait in front: there is one implementation, tests use the real database, and every rule that
//! could be tested without one is in `domain`.

mod addresses;
mod bootstrap;
mod sealed;
mod sessions;
mod users;

use sqlx::PgPool;

pub use addresses::AddressError;
pub use sealed::SealedAnswers;
pub use sessions::{NewSession, Revoked, RevokedBecause, Rotation};
pub use users::{ChangeError, Changed, Credentials, InsertError, UserFilter};

/// The database of this service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// On this pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// A row holds what no rule allows: somebody else wrote it.
fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a row holds a {what} that breaks its rule").into())
}
