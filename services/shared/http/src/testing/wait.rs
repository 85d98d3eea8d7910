//! Waiting for a condition rather than for a time.

use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until `check` holds.
///
/// # Panics
/// When it does not within thirty seconds.
pub async fn eventually(what: &str, check: impl AsyncFn() -> bool) {
    appears(what, async || check().await.then_some(())).await;
}

/// Waits until `look` sees something.
///
/// # Panics
/// When it does not within thirty seconds.
pub async fn appears<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}
