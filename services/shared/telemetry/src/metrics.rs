//! The process's one Prometheus registry.
//!
//! Get-or-register: asking twice for a name gives the same series, so that a library can ask where
//! it counts instead of threading handles through every constructor. Label values must come from
//! closed sets (an enum, a matched route), never from ids.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus::core::Collector;
pub use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec};
use prometheus::{HistogramOpts, Opts, Registry, TextEncoder};

/// Latency buckets in seconds: half a millisecond (a cached read) to ten seconds (a timeout).
pub const LATENCY_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

struct Known {
    registry: Registry,
    collectors: Mutex<HashMap<String, Box<dyn Any + Send>>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| Known {
    registry: Registry::new(),
    collectors: Mutex::new(HashMap::new()),
});

/// A counter with labels. `name` ends in `_total`.
#[must_use]
pub fn counter_vec(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    get_or_register(name, || IntCounterVec::new(Opts::new(name, help), labels))
}

/// A counter without labels. `name` ends in `_total`.
#[must_use]
pub fn counter(name: &str, help: &str) -> IntCounter {
    get_or_register(name, || IntCounter::with_opts(Opts::new(name, help)))
}

/// A gauge with labels.
#[must_use]
pub fn gauge_vec(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    get_or_register(name, || GaugeVec::new(Opts::new(name, help), labels))
}

/// A gauge without labels.
#[must_use]
pub fn gauge(name: &str, help: &str) -> Gauge {
    get_or_register(name, || Gauge::with_opts(Opts::new(name, help)))
}

/// A histogram of seconds with labels, over [`LATENCY_BUCKETS`].
#[must_use]
pub fn histogram_vec(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
    get_or_register(name, || HistogramVec::new(options, labels))
}

/// A histogram of seconds without labels, over [`LATENCY_BUCKETS`].
#[must_use]
pub fn histogram(name: &str, help: &str) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
    get_or_register(name, || Histogram::with_opts(options))
}

/// Everything in the Prometheus text format 0.0.4.
#[must_use]
pub fn encode() -> String {
    if let Some(bytes) = resident_bytes() {
        gauge(
            "process_resident_memory_bytes",
            "Resident memory of this process.",
        )
        .set(bytes);
    }
    TextEncoder::new()
        .encode_to_string(&KNOWN.registry.gather())
        .unwrap_or_else(|error| format!("# not encodable: {error}\n"))
}

/// A wrong name, or one name with two types or label sets, is a mistake in the program and no
/// state of the world: it panics at the first call, in the first test.
fn get_or_register<C>(name: &str, make: impl FnOnce() -> prometheus::Result<C>) -> C
where
    C: Collector + Clone + 'static,
{
    let mut collectors = KNOWN
        .collectors
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = collectors.get(name) {
        return known
            .downcast_ref::<C>()
            .unwrap_or_else(|| panic!("metric {name} is registered with another type"))
            .clone();
    }
    let collector = make().unwrap_or_else(|error| panic!("metric {name}: {error}"));
    KNOWN
        .registry
        .register(Box::new(collector.clone()))
        .unwrap_or_else(|error| panic!("metric {name}: {error}"));
    collectors.insert(name.to_owned(), Box::new(collector.clone()));
    collector
}

/// Linux only; `VmRSS` rather than `statm`, which counts in pages of a size that std cannot tell.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_for_a_name_counts_in_one_series() {
        counter_vec("asked_twice_total", "Test.", &["kind"])
            .with_label_values(&["a"])
            .inc();
        counter_vec("asked_twice_total", "Test.", &["kind"])
            .with_label_values(&["a"])
            .inc();
        assert!(encode().contains("asked_twice_total{kind=\"a\"} 2"));
    }

    #[test]
    #[should_panic(expected = "registered with another type")]
    fn one_name_for_two_types_is_refused() {
        let _ = counter("two_types", "Test.");
        let _ = gauge("two_types", "Test.");
    }

    #[test]
    fn the_exposition_tells_the_resident_memory() {
        assert!(encode().contains("process_resident_memory_bytes "));
    }
}
