//! The state word: phase, generation and time of the last transition in 64 bits, so that one
//! compare-and-swap decides every race. No I/O, no clock.
//!
//! `generation (26) | since, ms (36) | phase (2)`. Every transition raises the generation; a result
//! of an earlier one is recognised by that. 36 bits of milliseconds wrap after two years of uptime,
//! 26 bits of generation after 67 million transitions.
//!
//! Half-open means that exactly one probe is out. A probe that is never heard of again (its task
//! was leaked) is replaced after another reset time, so that half-open cannot wedge; not before a
//! call's own time limit, or a slow upstream would lose every probe to the next one.

use super::sync::{AtomicU64, Ordering};

const SINCE_BITS: u32 = 36;
const SINCE_MASK: u64 = (1 << SINCE_BITS) - 1;
const GENERATION_MASK: u64 = (1 << 26) - 1;
/// Between a probe's time limit and the moment when it is taken for lost.
const PROBE_GRACE_MS: u64 = 1_000;

/// Closed, half-open or open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Calls pass and are counted.
    Closed,
    /// One probe is out, everybody else is rejected.
    HalfOpen,
    /// Calls are rejected until the reset time is over.
    Open,
}

impl Phase {
    /// `closed`, `half-open` or `open`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// Milliseconds on the process's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) u64);

/// The answer to a request for admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted {
        generation: u32,
    },
    /// Admitted, and this very call moved the breaker to half-open.
    Probe {
        generation: u32,
    },
    /// `wait` in milliseconds.
    Rejected {
        wait: u64,
    },
}

#[derive(Clone, Copy)]
struct State {
    phase: Phase,
    since: u64,
    generation: u32,
}

impl State {
    fn unpack(word: u64) -> Self {
        Self {
            phase: match word & 3 {
                0 => Phase::Closed,
                1 => Phase::HalfOpen,
                _ => Phase::Open,
            },
            since: (word >> 2) & SINCE_MASK,
            generation: (word >> (2 + SINCE_BITS)) as u32,
        }
    }

    fn pack(self) -> u64 {
        (u64::from(self.generation) << (2 + SINCE_BITS)) | (self.since << 2) | self.phase as u64
    }

    fn then(self, phase: Phase, since: u64) -> Self {
        let generation = (u64::from(self.generation) + 1) & GENERATION_MASK;
        Self {
            phase,
            since: since & SINCE_MASK,
            generation: generation as u32,
        }
    }

    fn age(self, now: Moment) -> u64 {
        let age = now.0.wrapping_sub(self.since) & SINCE_MASK;
        // Another thread may have stamped a moment that is just ahead of ours.
        if age > SINCE_MASK / 2 { 0 } else { age }
    }
}

/// The word itself.
pub(super) struct StateWord(AtomicU64);

impl StateWord {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0)) // closed, generation 0
    }

    pub(super) fn read(&self) -> (Phase, u32) {
        let state = State::unpack(self.0.load(Ordering::Acquire));
        (state.phase, state.generation)
    }

    /// Lets the call in, makes it the probe, or rejects it. `reset` and `timeout`, how long a call may
    /// take, in milliseconds.
    pub(super) fn admit(&self, now: Moment, reset: u64, timeout: u64) -> Admission {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let state = State::unpack(word);
            if state.phase == Phase::Closed {
                return Admission::Admitted {
                    generation: state.generation,
                };
            }
            let age = state.age(now);
            let due = match state.phase {
                Phase::HalfOpen => reset.max(timeout.saturating_add(PROBE_GRACE_MS)),
                Phase::Open | Phase::Closed => reset,
            };
            if age < due {
                return Admission::Rejected { wait: due - age };
            }
            let probing = state.then(Phase::HalfOpen, now.0);
            match self.swap(word, probing) {
                Ok(()) => {
                    return Admission::Probe {
                        generation: probing.generation,
                    };
                }
                Err(current) => word = current,
            }
        }
    }

    /// Moves from `generation` to `to`. True for the one caller that did it.
    pub(super) fn leave(&self, generation: u32, to: Phase, now: Moment) -> bool {
        let word = self.0.load(Ordering::Acquire);
        let state = State::unpack(word);
        state.generation == generation && self.swap(word, state.then(to, now.0)).is_ok()
    }

    /// A permit of `generation` was dropped. If it was the probe: open, and due for another probe.
    pub(super) fn abandon(&self, generation: u32, now: Moment, reset: u64) -> bool {
        let (phase, current) = self.read();
        let due = Moment(now.0.wrapping_sub(reset));
        phase == Phase::HalfOpen
            && current == generation
            && self.leave(generation, Phase::Open, due)
    }

    /// Same phase and time, new generation: forgets every call under way and the window.
    pub(super) fn next_generation(&self) {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let state = State::unpack(word);
            match self.swap(word, state.then(state.phase, state.since)) {
                Ok(()) => return,
                Err(current) => word = current,
            }
        }
    }

    fn swap(&self, from: u64, to: State) -> Result<(), u64> {
        self.0
            .compare_exchange(from, to.pack(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }
}
