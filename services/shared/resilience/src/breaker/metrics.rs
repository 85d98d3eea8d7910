//! What a breaker tells Prometheus. The series are looked up once per breaker: a lookup by label
//! costs more than the breaker itself.

use quickbite_telemetry::metrics::{Gauge, IntCounter, counter_vec, gauge_vec};

use super::{Phase, Verdict};

pub(super) struct Metrics {
    state: Gauge,
    to: [IntCounter; 3],
    success: IntCounter,
    failure: IntCounter,
    timeout: IntCounter,
    rejected: IntCounter,
}

impl Metrics {
    pub(super) fn of(upstream: &'static str) -> Self {
        let state = gauge_vec(
            "quickbite_circuit_state",
            "State of the circuit: 0 closed, 1 half-open, 2 open",
            &["upstream"],
        );
        let transitions = counter_vec(
            "quickbite_circuit_transitions_total",
            "Transitions of the circuit",
            &["upstream", "to"],
        );
        let calls = counter_vec(
            "quickbite_circuit_calls_total",
            "Calls through the circuit by how they ended",
            &["upstream", "outcome"],
        );
        let to = |phase: Phase| transitions.with_label_values(&[upstream, phase.as_str()]);
        let ended = |outcome: &str| calls.with_label_values(&[upstream, outcome]);
        Self {
            state: state.with_label_values(&[upstream]),
            to: [to(Phase::Closed), to(Phase::HalfOpen), to(Phase::Open)],
            success: ended("success"),
            failure: ended("failure"),
            timeout: ended("timeout"),
            rejected: ended("rejected"),
        }
    }

    pub(super) fn phase(&self, phase: Phase) {
        self.state.set(f64::from(phase as u8));
    }

    pub(super) fn moved(&self, to: Phase) {
        self.phase(to);
        self.to[to as usize].inc();
    }

    pub(super) fn ended(&self, verdict: Verdict) {
        match verdict {
            Verdict::Success => self.success.inc(),
            Verdict::Failure => self.failure.inc(),
            Verdict::Timeout => self.timeout.inc(),
        }
    }

    pub(super) fn rejected(&self) {
        self.rejected.inc();
    }
}
