//! One flight per key: concurrent readers of the same missing value share one load.
//!
//! The flight runs in its own task, so that a reader who leaves does not take the others' load with
//! it. A flight is named by key *and* generation: who reads after an invalidation never joins a
//! load that began before it. Where Redis cannot tell the generation, readers only board flights
//! that have not departed: two reads of the database serve any number of them, and each is served
//! by one that began after it came.

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
    /// The value cannot be written as JSON, or not read back from it.
    #[error("the loaded value does not survive being written as JSON")]
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
    gates: Arc<Mutex<HashMap<String, Gate<E>>>>,
}

/// Where the next flight of a key waits for the one before it to land.
struct Gate<E> {
    runway: Arc<tokio::sync::Mutex<()>>,
    boarding: Option<Flight<E>>,
}

impl<E: Send + Sync + 'static> Flights<E> {
    pub(super) fn new() -> Self {
        Self {
            aloft: Arc::default(),
            gates: Arc::default(),
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
        let flight = started(async move {
            let _landing = landing; // also when `load` panics
            load.await
        });
        aloft.insert(name, flight.clone());
        flight
    }

    /// Boards the next flight of this name to depart, or announces `load` as it. One that has
    /// departed is missed; the next departs when it has landed.
    pub(super) fn board<F>(
        &self,
        name: String,
        load: impl FnOnce() -> F + Send + 'static,
    ) -> Flight<E>
    where
        F: Future<Output = Landed<E>> + Send + 'static,
    {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates.entry(name.clone()).or_insert_with(|| Gate {
            runway: Arc::default(),
            boarding: None,
        });
        if let Some(flight) = &gate.boarding {
            return flight.clone();
        }
        let runway = Arc::clone(&gate.runway);
        let departure = Departure {
            gates: Arc::clone(&self.gates),
            name,
        };
        let flight = started(async move {
            let _cleared = runway.lock_owned().await;
            departure.close_gate();
            let _departure = departure; // also when `load` panics
            load().await
        });
        gate.boarding = Some(flight.clone());
        flight
    }
}

fn started<E: Send + Sync + 'static>(
    load: impl Future<Output = Landed<E>> + Send + 'static,
) -> Flight<E> {
    tokio::spawn(load)
        .map(|joined| joined.unwrap_or(Err(LoadError::Panicked)))
        .boxed()
        .shared()
}

struct Departure<E> {
    gates: Arc<Mutex<HashMap<String, Gate<E>>>>,
    name: String,
}

impl<E> Departure<E> {
    fn close_gate(&self) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get_mut(&self.name) {
            gate.boarding = None;
        }
    }
}

impl<E> Drop for Departure<E> {
    fn drop(&mut self) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates
            .get(&self.name)
            .is_some_and(|gate| gate.boarding.is_none())
        {
            gates.remove(&self.name);
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn boarding_shares_loads_but_never_one_that_has_begun() {
        let flights = Arc::new(Flights::<std::io::Error>::new());
        let (loads, begun, go) = (Arc::new(AtomicU32::new(0)), Notify::new(), Notify::new());
        let (begun, go) = (Arc::new(begun), Arc::new(go));
        let board = || {
            let (loads, begun, go) = (Arc::clone(&loads), Arc::clone(&begun), Arc::clone(&go));
            flights.board("key".to_owned(), move || async move {
                let number = loads.fetch_add(1, Ordering::SeqCst);
                begun.notify_one();
                go.notified().await;
                Ok(Some(Arc::from(number.to_string())))
            })
        };
        let first = board();
        begun.notified().await;
        let late: Vec<_> = (0..999).map(|_| board()).collect();
        go.notify_one();
        assert_eq!(first.await.unwrap().as_deref(), Some("0"));
        go.notify_one();
        for flight in late {
            assert_eq!(flight.await.unwrap().as_deref(), Some("1"));
        }
        assert_eq!(loads.load(Ordering::SeqCst), 2);
        assert!(flights.gates.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_flight_that_panics_frees_the_gate() {
        let flights = Flights::<std::io::Error>::new();
        let crash = flights.board("key".to_owned(), || async { panic!("a bug in the loader") });
        assert!(matches!(crash.await, Err(LoadError::Panicked)));
        let next = flights.board("key".to_owned(), || async { Ok(None) });
        assert_eq!(next.await.unwrap(), None);
    }
}
