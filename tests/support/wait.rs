//! Waiting for a condition, with a limit and an error that shows what was seen last.

use std::{fmt::Debug, future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::Instant;

/// Asks `look` until `good` holds for its answer; fails after `limit` with the last answer.
pub async fn until<T, F, Fut>(
    what: &str,
    limit: Duration,
    mut look: F,
    good: impl Fn(&T) -> bool,
) -> Result<T>
where
    T: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(25);
    loop {
        let seen = look().await;
        match seen {
            Ok(value) if good(&value) => return Ok(value),
            other if Instant::now() >= deadline => {
                bail!("waited {limit:?} for {what}; last seen: {other:?}")
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
