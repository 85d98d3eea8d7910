//! What the cache tells Prometheus.

use std::sync::LazyLock;
use std::time::Duration;

use quickbite_telemetry::metrics::{self, Gauge, GaugeVec, HistogramVec, IntCounterVec};

use super::Outcome;

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter_vec(
        "quickbite_cache_requests_total",
        "Reads through the cache by how they were answered",
        &["cache", "outcome"],
    )
});
static HIT_RATIO: LazyLock<GaugeVec> = LazyLock::new(|| {
    metrics::gauge_vec(
        "quickbite_cache_hit_ratio",
        "Share of reads answered from the cache since the process started",
        &["cache"],
    )
});
static REFRESH: LazyLock<HistogramVec> = LazyLock::new(|| {
    metrics::histogram_vec(
        "quickbite_cache_refresh_seconds",
        "Time a loader took",
        &["cache"],
    )
});
static UP: LazyLock<Gauge> = LazyLock::new(|| {
    metrics::gauge(
        "quickbite_cache_up",
        "Whether the cache answered the last read (1) or was bypassed (0)",
    )
});

pub(super) fn answered(cache: &'static str, outcome: Outcome) {
    REQUESTS.with_label_values(&[cache, outcome.as_str()]).inc();
    let of = |o: Outcome| REQUESTS.with_label_values(&[cache, o.as_str()]).get() as f64;
    let hits = of(Outcome::Hit) + of(Outcome::Stale);
    let all = hits + of(Outcome::Miss) + of(Outcome::Bypass);
    HIT_RATIO.with_label_values(&[cache]).set(hits / all);
    UP.set(f64::from(u8::from(outcome != Outcome::Bypass)));
}

pub(super) fn loaded(cache: &'static str, took: Duration) {
    REFRESH
        .with_label_values(&[cache])
        .observe(took.as_secs_f64());
}
