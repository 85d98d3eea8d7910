//! What can go wrong with the store, by what the caller can do about it.

use mongodb::error::{ErrorKind, TRANSIENT_TRANSACTION_ERROR, WriteFailure};

/// Duplicate key.
const DUPLICATE: i32 = 11_000;
/// `MaxTimeMSExpired`.
const TOO_SLOW: i32 = 50;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody answers, or not now: try again later.
    #[error("MongoDB is not available")]
    Unavailable(#[source] mongodb::error::Error),
    /// No answer in time; a write may still happen.
    #[error("MongoDB did not answer in time")]
    Timeout,
    /// The transaction met another one and can be run again.
    #[error("the transaction met another one")]
    Conflict(#[source] mongodb::error::Error),
    /// A unique index holds this key.
    #[error("the key is taken")]
    Duplicate,
    /// A stored document is not what this version writes.
    #[error("a stored document cannot be read: {0}")]
    Corrupt(String),
    /// MongoDB refused what we sent: a defect of ours.
    #[error("MongoDB refused the operation")]
    Refused(#[source] mongodb::error::Error),
    /// The task that made the call is gone.
    #[error("the call was lost")]
    Lost(#[source] tokio::task::JoinError),
}

impl StoreError {
    /// Whether it may work in a while, with nothing changed but the store.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Timeout | Self::Conflict(_)
        )
    }
}

impl From<mongodb::error::Error> for StoreError {
    fn from(error: mongodb::error::Error) -> Self {
        if is_duplicate(&error) {
            return Self::Duplicate;
        }
        if error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
            return Self::Conflict(error);
        }
        match error.kind.as_ref() {
            ErrorKind::Bson(source) => Self::Corrupt(source.to_string()),
            ErrorKind::Command(command) if command.code == TOO_SLOW => Self::Timeout,
            // Not master, shutting down, stepping down: classes that pass.
            ErrorKind::Command(command) if passes(command.code) => Self::Unavailable(error),
            ErrorKind::Command(_) | ErrorKind::InvalidArgument { .. } | ErrorKind::Write(_) => {
                Self::Refused(error)
            }
            _ => Self::Unavailable(error),
        }
    }
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE,
        ErrorKind::Command(command) => command.code == DUPLICATE,
        _ => false,
    }
}

/// Codes of a server that is changing its role or going down (the retryable codes of the driver
/// specification).
fn passes(code: i32) -> bool {
    const CODES: [i32; 15] = [
        6, 7, 89, 91, 112, 134, 189, 262, 9001, 10_107, 11_600, 11_602, 13_435, 13_436, 18,
    ];
    CODES.contains(&code)
}
