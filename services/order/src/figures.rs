//! The business's own figures, for Prometheus.

use quickbite_telemetry::metrics;

use crate::domain::order::{Change, Entry};

/// Counts what happened to orders, by the status that they took on.
pub(crate) fn count(change: &Change) {
    for entry in change
        .entries
        .iter()
        .filter(|entry| Entry::is_status_change(entry))
    {
        metrics::counter_vec(
            "quickbite_orders_total",
            "Orders that took on a status",
            &["status"],
        )
        .with_label_values(&[entry.status.as_str()])
        .inc();
    }
}
