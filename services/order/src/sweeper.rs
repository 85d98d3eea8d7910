//! Moves sagas on whose step ran out of time, also those of a process that is gone: all that it needs is in the row.

use std::time::Duration;

use quickbite_telemetry::{CorrelationId, correlation, metrics};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::conductor::Conductor;
use crate::store::Orders;

const TICK: Duration = Duration::from_millis(500);

/// Sweeps until cancelled; replicas share the work by row locks.
pub async fn sweep(conductor: Conductor, orders: Orders, cancel: CancellationToken) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = sweep_once(&conductor, &orders, &cancel).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "sagas cannot be swept"
            );
        }
    }
}

async fn sweep_once(
    conductor: &Conductor,
    orders: &Orders,
    cancel: &CancellationToken,
) -> Result<(), sqlx::Error> {
    while !cancel.is_cancelled()
        && correlation::scope(CorrelationId::fresh(), conductor.conduct_due()).await?
    {}
    let stuck = orders.count_stuck().await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge; far below 2^52 sagas")]
    metrics::gauge("quickbite_sagas_stuck", "Compensations past their limit").set(stuck as f64);
    Ok(())
}
