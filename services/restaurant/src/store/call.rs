//! How a call to MongoDB is made: on its own task, within a bound, in a transaction that is tried
//! again when it meets another.
//!
//! The driver must not have a call's future dropped half-way (its connection state can be left
//! behind). So a bound is put on the handle of a spawned task and never on the call: the caller goes
//! away in time, the call comes to its end. Reads also carry `max_time`, so that the server stops.

use std::time::Duration;

use futures::future::BoxFuture;
use mongodb::ClientSession;
use mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;
use mongodb::options::{ReadConcern, WriteConcern};
use quickbite_telemetry::correlation;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;

use super::{Mongo, StoreError};

/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a transaction is tried again; longer than the patience would be work for nobody.
const PERSISTENCE: Duration = Duration::from_secs(3);
/// How long the server works on one read, or on one commit.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(2);

/// Runs `call` on a task of its own and waits at most four seconds for it.
pub(crate) async fn bounded<T: Send + 'static>(
    call: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    // A spawned task starts without the correlation id of the one that spawns it.
    let call = correlation::scope(correlation::current(), call).in_current_span();
    match timeout(PATIENCE, tokio::spawn(call)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(lost)) => Err(StoreError::Lost(lost)),
        Err(_) => Err(StoreError::Timeout),
    }
}

/// What is done inside a transaction; it may run more than once.
pub(crate) trait Work<T>:
    for<'s> Fn(&'s mut ClientSession) -> BoxFuture<'s, Result<T, StoreError>> + Send + Sync + 'static
{
}

impl<T, F> Work<T> for F where
    F: for<'s> Fn(&'s mut ClientSession) -> BoxFuture<'s, Result<T, StoreError>>
        + Send
        + Sync
        + 'static
{
}

/// Runs `work` in a transaction on a majority, again when it meets another transaction.
pub(crate) async fn transaction<T: Send + 'static>(
    mongo: &Mongo,
    work: impl Work<T>,
) -> Result<T, StoreError> {
    let client = mongo.client.clone();
    bounded(async move {
        let mut session = client.start_session().await?;
        let give_up = Instant::now() + PERSISTENCE;
        let mut pause = Duration::from_millis(2);
        loop {
            match attempt(&mut session, &work).await {
                Err(StoreError::Conflict(error)) if Instant::now() < give_up => {
                    tracing::debug!(%error, "the transaction runs again");
                    sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
                    pause = (pause * 2).min(Duration::from_millis(100));
                }
                outcome => return outcome,
            }
        }
    })
    .await
}

async fn attempt<T>(session: &mut ClientSession, work: &impl Work<T>) -> Result<T, StoreError> {
    session
        .start_transaction()
        .read_concern(ReadConcern::snapshot())
        .write_concern(WriteConcern::majority())
        .max_commit_time(MAX_TIME)
        .await?;
    match work(session).await {
        Ok(value) => commit(session).await.map(|()| value),
        Err(error) => {
            // An abort that fails is made up for by the server, which ends it when the session does.
            let _ = session.abort_transaction().await;
            Err(error)
        }
    }
}

/// A commit whose result is unknown is committed again: that is safe, and the only way to know.
async fn commit(session: &mut ClientSession) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        match session.commit_transaction().await {
            Err(error) if tries < 3 && error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                tries += 1;
            }
            outcome => return Ok(outcome?),
        }
    }
}
