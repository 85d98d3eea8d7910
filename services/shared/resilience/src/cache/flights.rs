//! One flight per key: concurrent readers of the same missing value share one load.
//!
//! The flight runs in its own task, so that a reader who leaves does not take the others' load with
//! it. A flight is named by key *and* generation: who reads after an invalidation never joins a
//! load that began before it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// Why a value could not be loaded. Shared by everybody who waited for the same load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// The loader's own error.
    #[error("the value could not be loaded")]
    Failed(#[source] Arc<E>),
    /// The value cannot be written as JSON.
    #[error("the loaded value cannot be written as JSON")]
    NotJson(#[source] Arc<serde_json::Error>),
    /// The loader panicked.
    #[error("loading the value ended unexpectedly")]
    Panicked,
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::NotJson(error) => Self::NotJson(Arc::clone(error)),
            Self::Panicked => Self::Panicked,
        }
    }
}

/// The JSON of the value, or "there is none".
pub(super) type Landed<E> = Result<Option<Arc<str>>, LoadError<E>>;
type Flight<E> = Shared<BoxFuture<'static, Landed<E>>>;

pub(super) struct Flights<E> {
    aloft: Arc<Mutex<HashMap<String, Flight<E>>>>,
}

impl<E: Send + Sync + 'static> Flights<E> {
    pub(super) fn new() -> Self {
        Self {
            aloft: Arc::default(),
        }
    }

    /// Joins the flight of this name, or starts `load` as one.
    pub(super) fn join<F>(&self, name: String, load: impl FnOnce() -> F) -> Flight<E>
    where
        F: Future<Output = Landed<E>> + Send + 'static,
    {
        let mut aloft = self.aloft.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = aloft.get(&name) {
            return flight.clone();
        }
        let landing = Landing {
            aloft: Arc::clone(&self.aloft),
            name: name.clone(),
        };
        let load = load();
        let task = tokio::spawn(async move {
            let _landing = landing; // also when `load` panics
            load.await
        });
        let flight = task
            .map(|joined| joined.unwrap_or(Err(LoadError::Panicked)))
            .boxed()
            .shared();
        aloft.insert(name, flight.clone());
        flight
    }
}

struct Landing<E> {
    aloft: Arc<Mutex<HashMap<String, Flight<E>>>>,
    name: String,
}

impl<E> Drop for Landing<E> {
    fn drop(&mut self) {
        self.aloft
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
    }
}
