//! A circuit breaker with a time window, one probe, and results that belong to a generation.
//!
//! The crates at hand keep count windows that never forget, or let everybody in when half-open.
//! Here: ten buckets over the rolling window, one atomic word for the state, and a [`Permit`] that
//! reports exactly once, also when it is dropped. Admission and report are a few atomic operations;
//! nothing locks.
//!
//! Stated policy for a permit that is dropped without a report (the client went away): it counts
//! as nothing. If it was the probe, the breaker is open again and ready for another probe at once.

mod metrics;
mod settings;
mod state;
mod sync;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::clock::Clock;
use metrics::Metrics;
use settings::Live;
pub use settings::Settings;
pub use state::Phase;
use state::{Admission, Moment, StateWord};
use window::Window;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An answer, 4xx included.
    Success,
    /// A connect error, or an answer that says that the upstream is broken.
    Failure,
    /// No answer in time.
    Timeout,
}

/// The breaker does not let the call through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit is open for another {retry_after:?}")]
pub struct Rejected {
    /// When it is worth to try again.
    pub retry_after: Duration,
}

/// What an operator sees of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Closed, open or half-open.
    pub phase: Phase,
    /// Calls in the window.
    pub calls: u64,
    /// Failed ones among them.
    pub failures: u64,
    /// How long ago the last transition was; `None` when there was none.
    pub since_transition: Option<Duration>,
}

/// One upstream's breaker. Cheap to clone.
#[derive(Clone)]
pub struct Breaker {
    inner: Arc<Inner>,
}

struct Inner {
    upstream: &'static str,
    clock: Arc<dyn Clock>,
    settings: Live,
    state: StateWord,
    window: Window,
    metrics: Metrics,
    /// Monotonic milliseconds plus one; 0 before the first transition.
    moved_at: AtomicU64,
}

impl Breaker {
    /// A closed breaker. `upstream` is the label of its metrics.
    pub fn new(upstream: &'static str, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let metrics = Metrics::of(upstream);
        metrics.phase(Phase::Closed);
        Self {
            inner: Arc::new(Inner {
                upstream,
                clock,
                settings: Live::new(settings),
                state: StateWord::new(),
                window: Window::new(),
                metrics,
                moved_at: AtomicU64::new(0),
            }),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.inner.settings.get()
    }

    /// Puts other settings in force. The phase stays; another window length empties the window.
    pub fn apply(&self, settings: Settings) {
        let before = self.inner.settings.set(settings);
        if before.rolling_window != settings.rolling_window {
            self.inner.state.next_generation();
        }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// [`Rejected`] while the circuit is open, or half-open with the probe under way.
    pub fn admit(&self) -> Result<Permit, Rejected> {
        // Closed, as nearly always: no need to know the time.
        if let (Phase::Closed, generation) = self.inner.state.read() {
            return Ok(self.permit(generation, false));
        }
        let now = self.inner.now();
        let reset = self.inner.settings.reset_timeout();
        let timeout = self.inner.settings.timeout();
        match self.inner.state.admit(now, reset, timeout) {
            Admission::Admitted { generation } => Ok(self.permit(generation, false)),
            Admission::Probe { generation } => {
                self.inner.moved(Phase::Open, Phase::HalfOpen, now);
                Ok(self.permit(generation, true))
            }
            Admission::Rejected { wait } => {
                self.inner.metrics.rejected();
                Err(Rejected {
                    retry_after: Duration::from_millis(wait),
                })
            }
        }
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let inner = &self.inner;
        let now = inner.now();
        let (phase, generation) = inner.state.read();
        let counts = inner.window.counts(inner.slot(now), generation);
        let moved_at = inner.moved_at.load(Ordering::Relaxed);
        Snapshot {
            phase,
            calls: counts.calls,
            failures: counts.failures,
            since_transition: (moved_at > 0)
                .then(|| Duration::from_millis(now.0.saturating_sub(moved_at - 1))),
        }
    }

    fn permit(&self, generation: u32, probe: bool) -> Permit {
        Permit {
            inner: Arc::clone(&self.inner),
            generation,
            probe,
            reported: false,
        }
    }
}

/// The right to make one call. Report how it ended; dropping it is a report too (see the module).
#[must_use = "a permit that is dropped at once counts as a call that was given up"]
pub struct Permit {
    inner: Arc<Inner>,
    generation: u32,
    probe: bool,
    reported: bool,
}

impl Permit {
    /// Whether everybody else is rejected until this call has reported.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Reports how the call ended. Ignored when the breaker has moved on since the admission.
    pub fn report(mut self, verdict: Verdict) {
        self.reported = true;
        self.inner.report(self.generation, verdict);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.reported {
            let now = self.inner.now();
            let reset = self.inner.settings.reset_timeout();
            if self.inner.state.abandon(self.generation, now, reset) {
                self.inner.moved(Phase::HalfOpen, Phase::Open, now);
            }
        }
    }
}

impl Inner {
    fn now(&self) -> Moment {
        let now = self.clock.monotonic();
        // `as_millis` divides 128 bits.
        Moment(now.as_secs() * 1_000 + u64::from(now.subsec_millis()))
    }

    fn slot(&self, now: Moment) -> u64 {
        now.0 / self.settings.bucket_millis()
    }

    fn report(&self, generation: u32, verdict: Verdict) {
        let now = self.now();
        let failed = verdict != Verdict::Success;
        self.metrics.ended(verdict);
        match self.state.read() {
            (phase, current) if current != generation => {
                tracing::trace!(upstream = self.upstream, ?phase, "late result ignored");
            }
            (Phase::HalfOpen, _) => {
                let to = if failed { Phase::Open } else { Phase::Closed };
                if self.state.leave(generation, to, now) {
                    self.moved(Phase::HalfOpen, to, now);
                }
            }
            (Phase::Closed, _) => {
                let slot = self.slot(now);
                self.window.record(slot, generation, failed);
                if failed
                    && self.settings.trips(self.window.counts(slot, generation))
                    && self.state.leave(generation, Phase::Open, now)
                {
                    self.moved(Phase::Closed, Phase::Open, now);
                }
            }
            (Phase::Open, _) => {}
        }
    }

    /// Called by the one thread that won the transition. A service that is away is one opening and,
    /// later, one closing in the log; its probes in between are for the metrics and for debugging.
    fn moved(&self, from: Phase, to: Phase, now: Moment) {
        self.moved_at.store(now.0 + 1, Ordering::Relaxed);
        self.metrics.moved(to);
        let upstream = self.upstream;
        match (from, to) {
            (Phase::Closed, Phase::Open) => warn!(upstream, "circuit opened"),
            (_, Phase::Open) => debug!(upstream, "circuit open again, the probe did not succeed"),
            (_, Phase::HalfOpen) => debug!(upstream, "circuit half-open, one probe is let through"),
            (_, Phase::Closed) => info!(upstream, "circuit closed"),
        }
    }
}

#[cfg(test)]
mod tests;
