//! A connection that became something else (a WebSocket): bytes both ways until one side ends, or
//! until [`StreamEnd`]: the drain, or the end of the token that opened it.
//!
//! Graceful shutdown does not know upgraded connections; without the token they would hold the
//! process up to its last second, or be cut by its end.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::body::StreamEnd;

pub(super) async fn join(client: OnUpgrade, service: OnUpgrade, end: StreamEnd) {
    let (client, service) = match tokio::try_join!(client, service) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgrade did not come about");
            return;
        }
    };
    let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
    let copied = tokio::io::copy_bidirectional(&mut client, &mut service);
    tokio::select! {
        () = end => tracing::debug!("an upgraded connection was ended by the drain or its token"),
        copied = copied => match copied {
            Ok((up, down)) => tracing::debug!(up, down, "an upgraded connection ended"),
            Err(error) => tracing::debug!(%error, "an upgraded connection broke"),
        },
    }
}
