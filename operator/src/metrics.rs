//! What the operator counts. Labels come from closed sets, except the platform's own name and
//! namespace, which are forgotten with the platform.

use prometheus::{Gauge, GaugeVec, HistogramVec, IntCounterVec};
use quickbite_telemetry::metrics;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It came to its end.
    Ok,
    /// It is tried again.
    Error,
    /// The object could not be read as a platform.
    Malformed,
    /// Another replica leads.
    NotLeading,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Malformed => "malformed",
            Self::NotLeading => "not_leading",
        }
    }
}

/// The operator's metrics.
#[derive(Clone)]
pub struct Metrics {
    reconciles: IntCounterVec,
    durations: HistogramVec,
    writes: IntCounterVec,
    ready: GaugeVec,
    leader: Gauge,
}

impl Metrics {
    /// Registers them with the process, once however often it is called.
    #[must_use]
    pub fn register() -> Self {
        Self {
            reconciles: metrics::counter_vec(
                "quickbite_reconcile_total",
                "Reconciles by how they ended",
                &["result"],
            ),
            durations: metrics::histogram_vec(
                "quickbite_reconcile_duration_seconds",
                "How long reconciles took",
                &["result"],
            ),
            writes: metrics::counter_vec(
                "quickbite_reconcile_writes_total",
                "Writes to the API server by kind",
                &["kind"],
            ),
            ready: metrics::gauge_vec(
                "quickbite_platform_ready",
                "Whether a platform is ready (1) or not (0)",
                &["namespace", "name"],
            ),
            leader: metrics::gauge(
                "quickbite_leader",
                "Whether this replica leads (1) or not (0)",
            ),
        }
    }

    /// Counts a reconcile that took `seconds`.
    pub fn reconciled(&self, outcome: Outcome, seconds: f64) {
        self.reconciles.with_label_values(&[outcome.label()]).inc();
        self.durations
            .with_label_values(&[outcome.label()])
            .observe(seconds);
    }

    /// Counts a write to an object of `kind`.
    pub fn write(&self, kind: &str) {
        self.writes.with_label_values(&[kind]).inc();
    }

    /// Tells whether a platform is ready.
    pub fn ready(&self, namespace: &str, name: &str, ready: bool) {
        self.ready
            .with_label_values(&[namespace, name])
            .set(f64::from(u8::from(ready)));
    }

    /// Tells whether this replica leads.
    pub fn leading(&self, leads: bool) {
        self.leader.set(f64::from(u8::from(leads)));
    }

    /// Forgets a platform that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        // It was never there when the operator started after the platform went.
        let _ = self.ready.remove_label_values(&[namespace, name]);
    }
}
