//! What runs beside the requests, and in which order it ends.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long background work may take to end after the last request.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The background tasks of a process, in two groups. Those of [`Background::spawn`] (consumers,
/// workers, sweeps) end when the drain begins. Those of [`Background::spawn_last`] (the outbox relay)
/// end when all that could give them work has ended: the last request and the first group.
#[derive(Debug, Default)]
pub struct Background {
    stop: CancellationToken,
    last: CancellationToken,
    first_tasks: TaskTracker,
    last_tasks: TaskTracker,
}

impl Background {
    /// Cancelled when the drain begins: streams and tasks end with it.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that ends with the token that it is given: when the drain begins.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.first_tasks.spawn(task(self.stop.clone()));
    }

    /// Starts a task that ends with the token that it is given: after everything else.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn_last<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.last_tasks.spawn(task(self.last.clone()));
    }

    /// Ends all tasks, and waits for them five seconds at most.
    pub async fn end(self) {
        self.stop.cancel();
        let ended = async {
            self.first_tasks.close();
            self.first_tasks.wait().await;
            self.last.cancel();
            self.last_tasks.close();
            self.last_tasks.wait().await;
        };
        if tokio::time::timeout(END_WITHIN, ended).await.is_err() {
            tracing::warn!("background work did not end within {END_WITHIN:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_ends_last_ends_after_all_that_could_give_it_work() {
        let (background, order) = (Background::default(), Arc::new(Mutex::new(Vec::new())));
        let ended = order.clone();
        background.spawn_last(|last| async move {
            last.cancelled().await;
            ended.lock().unwrap().push("relay");
        });
        let ended = order.clone();
        background.spawn(|stop| async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            ended.lock().unwrap().push("consumer");
        });
        background.end().await;
        assert_eq!(*order.lock().unwrap(), ["consumer", "relay"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_not_waited_for_without_a_bound() {
        let background = Background::default();
        background.spawn(|_| std::future::pending());
        let began = tokio::time::Instant::now();
        background.end().await;
        assert_eq!(began.elapsed(), END_WITHIN);
    }
}
