//! A connection that became something else (a WebSocket): bytes both ways until an end or the drain.
//!
//! Graceful shutdown does not know upgraded connections; without the token they would hold the
//! process up to its last second, or be cut by its end.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

pub(super) async fn join(client: OnUpgrade, service: OnUpgrade, drain: CancellationToken) {
    let (client, service) = match tokio::try_join!(client, service) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgrade did not come about");
            return;
        }
    };
    let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
    let copied = tokio::io::copy_bidirectional(&mut client, &mut service);
    match drain.run_until_cancelled(copied).await {
        Some(Ok((up, down))) => tracing::debug!(up, down, "an upgraded connection ended"),
        Some(Err(error)) => tracing::debug!(%error, "an upgraded connection broke"),
        None => tracing::debug!("an upgraded connection was ended by the drain"),
    }
}
