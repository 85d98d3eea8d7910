//! Tells sockets that something about their driver changed, whichever replica changed it.
//!
//! Only "look again" is passed on, never content: a socket then reads the state and sends what is new to it. A wake-up
//! that is lost or doubled therefore does no harm, and after a gap everyone looks again.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::PUSH_CHANNEL;

const RETRY_AFTER: Duration = Duration::from_secs(1);
const BACKLOG: usize = 1024;

/// Whose socket should look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// This driver's.
    Driver(Uuid),
    /// All: wake-ups may have been missed.
    Everyone,
}

/// The replica's end of the push channel.
#[derive(Clone, Debug)]
pub struct Push {
    sender: broadcast::Sender<Woken>,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
        }
    }
}

impl Push {
    /// Wake-ups from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Woken> {
        self.sender.subscribe()
    }

    /// Passes wake-ups on until cancelled.
    pub async fn run(self, pool: PgPool, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            tokio::select! {
                () = cancel.cancelled() => return,
                ended = self.listen(&pool) => if let Err(error) = ended {
                    tracing::warn!(error = &error as &dyn std::error::Error, "not listening for pushes, trying again");
                },
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn listen(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(PUSH_CHANNEL).await?;
        self.wake(Woken::Everyone);
        loop {
            match listener.try_recv().await? {
                Some(notification) => {
                    if let Ok(driver_id) = notification.payload().parse() {
                        self.wake(Woken::Driver(driver_id));
                    }
                }
                // The connection was lost and is made anew: what was sent meanwhile is gone.
                None => self.wake(Woken::Everyone),
            }
        }
    }

    fn wake(&self, woken: Woken) {
        // Nobody listening is no error: no socket is open.
        let _ = self.sender.send(woken);
    }
}
