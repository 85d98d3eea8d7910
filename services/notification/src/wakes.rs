//! Hears from PostgreSQL that there is work, or that an inbox grew, whichever replica caused it.
//!
//! Only "look again" is passed on: a wake-up that is lost or doubled does no harm.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{INBOX_CHANNEL, WORK_CHANNEL};
use crate::worker::Worker;

const RETRY_AFTER: Duration = Duration::from_secs(1);
const BACKLOG: usize = 1024;

/// Whose inbox grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// This user's.
    User(Uuid),
    /// Perhaps anybody's: wake-ups may have been missed.
    Everyone,
}

/// The replica's end of the channels.
#[derive(Clone, Debug)]
pub struct Wakes {
    sender: broadcast::Sender<Woken>,
}

impl Default for Wakes {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
        }
    }
}

impl Wakes {
    /// Inboxes that grow from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Woken> {
        self.sender.subscribe()
    }

    /// Passes wake-ups on until cancelled.
    pub async fn run(self, pool: PgPool, worker: Worker, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                ended = self.listen(&pool, &worker) => if let Err(error) = ended {
                    tracing::warn!(error = &error as &dyn std::error::Error, "not listening for wake-ups, trying again");
                },
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn listen(&self, pool: &PgPool, worker: &Worker) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen_all([WORK_CHANNEL, INBOX_CHANNEL]).await?;
        self.missed(worker);
        loop {
            match listener.try_recv().await? {
                Some(notification) if notification.channel() == WORK_CHANNEL => worker.wake(),
                Some(notification) => {
                    if let Ok(user_id) = notification.payload().parse() {
                        self.tell(Woken::User(user_id));
                    }
                }
                // The connection was lost and is made anew: what was sent meanwhile is gone.
                None => self.missed(worker),
            }
        }
    }

    fn missed(&self, worker: &Worker) {
        worker.wake();
        self.tell(Woken::Everyone);
    }

    fn tell(&self, woken: Woken) {
        // Nobody listening is no error: no stream is open.
        let _ = self.sender.send(woken);
    }
}
