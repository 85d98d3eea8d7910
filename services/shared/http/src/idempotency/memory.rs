//! A store for tests of routes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::key::Scope;
use super::store::{Begin, IdempotencyStore, StoredResponse};
use crate::problem::Problem;

/// One process, no expiry.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<Scope, Entry>>);

/// The body's fingerprint, and the answer once there is one.
type Entry = ([u8; 32], Option<StoredResponse>);

#[async_trait]
impl IdempotencyStore for MemoryStore {
    async fn begin(&self, scope: &Scope, fingerprint: &[u8; 32]) -> Result<Begin, Problem> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match known.get(scope) {
            None => {
                known.insert(scope.clone(), (*fingerprint, None));
                Begin::Started
            }
            Some((other, _)) if other != fingerprint => Begin::Mismatch,
            Some((_, None)) => Begin::InProgress,
            Some((_, Some(response))) => Begin::Replay(response.clone()),
        })
    }

    async fn complete(&self, scope: &Scope, response: &StoredResponse) -> Result<(), Problem> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = known.get_mut(scope) {
            *answer = Some(response.clone());
        }
        Ok(())
    }

    async fn abandon(&self, scope: &Scope) -> Result<(), Problem> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(scope);
        Ok(())
    }
}
