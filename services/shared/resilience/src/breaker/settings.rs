//! The breaker's numbers, and how they change while calls run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::window::{BUCKETS, Counts};

/// The seed's opossum numbers are the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a call may take; the caller enforces it and reports [`super::Verdict::Timeout`].
    pub timeout: Duration,
    /// Opens at this share of failures, 1–100.
    pub error_threshold_percentage: u8,
    /// How long it stays open before a probe.
    pub reset_timeout: Duration,
    /// The span that counts, in ten buckets.
    pub rolling_window: Duration,
    /// Opens only with at least so many calls in the window.
    pub volume_threshold: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            error_threshold_percentage: 50,
            reset_timeout: Duration::from_secs(30),
            rolling_window: Duration::from_secs(10),
            volume_threshold: 5,
        }
    }
}

/// Each number is its own atomic: a call that sees an old one beside a new one for an instant does
/// no harm, and a call must not pay for a lock.
pub(super) struct Live {
    timeout_ms: AtomicU64,
    threshold: AtomicU64,
    reset_ms: AtomicU64,
    window_ms: AtomicU64,
    volume: AtomicU64,
}

impl Live {
    pub(super) fn new(settings: Settings) -> Self {
        let live = Self {
            timeout_ms: AtomicU64::new(0),
            threshold: AtomicU64::new(0),
            reset_ms: AtomicU64::new(0),
            window_ms: AtomicU64::new(0),
            volume: AtomicU64::new(0),
        };
        live.set(settings);
        live
    }

    /// Answers with what was in force before.
    pub(super) fn set(&self, settings: Settings) -> Settings {
        let Settings {
            timeout,
            error_threshold_percentage,
            reset_timeout,
            rolling_window,
            volume_threshold,
        } = settings;
        let put = |cell: &AtomicU64, value: u64| cell.swap(value, Ordering::Relaxed);
        let millis = |d: Duration| d.as_millis() as u64;
        Settings {
            timeout: Duration::from_millis(put(&self.timeout_ms, millis(timeout))),
            error_threshold_percentage: put(&self.threshold, error_threshold_percentage.into())
                as u8,
            reset_timeout: Duration::from_millis(put(&self.reset_ms, millis(reset_timeout))),
            rolling_window: Duration::from_millis(put(&self.window_ms, millis(rolling_window))),
            volume_threshold: put(&self.volume, volume_threshold.into()) as u32,
        }
    }

    pub(super) fn get(&self) -> Settings {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Settings {
            timeout: Duration::from_millis(read(&self.timeout_ms)),
            error_threshold_percentage: read(&self.threshold) as u8,
            reset_timeout: Duration::from_millis(read(&self.reset_ms)),
            rolling_window: Duration::from_millis(read(&self.window_ms)),
            volume_threshold: read(&self.volume) as u32,
        }
    }

    /// Milliseconds.
    pub(super) fn reset_timeout(&self) -> u64 {
        self.reset_ms.load(Ordering::Relaxed)
    }

    /// Milliseconds.
    pub(super) fn timeout(&self) -> u64 {
        self.timeout_ms.load(Ordering::Relaxed)
    }

    pub(super) fn bucket_millis(&self) -> u64 {
        (self.window_ms.load(Ordering::Relaxed) / BUCKETS).max(1)
    }

    pub(super) fn trips(&self, counts: Counts) -> bool {
        counts.calls >= self.volume.load(Ordering::Relaxed)
            && counts.failures * 100 >= counts.calls * self.threshold.load(Ordering::Relaxed)
    }
}
