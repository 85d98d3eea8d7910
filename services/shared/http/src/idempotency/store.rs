//! Where answers are remembered.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::key::Scope;
use crate::problem::Problem;

/// An answer to give again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`, `location` and `etag`, where the answer had them.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

/// What a key is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// New, and now claimed by this request: it must `complete` or `abandon`.
    Started,
    /// Another request with it still runs.
    InProgress,
    /// Done before, with the same body: the answer.
    Replay(StoredResponse),
    /// Used before with another body.
    Mismatch,
}

/// Remembers answers for 24 h. A claim that was neither completed nor abandoned (its process died)
/// must lapse, after a minute, so that the client's retry can run.
#[async_trait]
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims `scope` for a body whose SHA-256 is `fingerprint`, atomically.
    ///
    /// # Errors
    /// A problem (503) when the store cannot be asked.
    async fn begin(&self, scope: &Scope, fingerprint: &[u8; 32]) -> Result<Begin, Problem>;

    /// Remembers the answer of a claim.
    ///
    /// # Errors
    /// A problem when the store cannot be asked.
    async fn complete(&self, scope: &Scope, response: &StoredResponse) -> Result<(), Problem>;

    /// Gives a claim up: nothing was created.
    ///
    /// # Errors
    /// A problem when the store cannot be asked.
    async fn abandon(&self, scope: &Scope) -> Result<(), Problem>;
}
