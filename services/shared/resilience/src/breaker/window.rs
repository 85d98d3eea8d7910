//! Ten buckets of calls and failures, each one atomic word.
//!
//! `slot (20) | generation (8) | failures (18) | calls (18)`. A bucket counts only if its slot is in
//! the window and its generation is the current one, so that every transition empties the window
//! at once, without clearing ten words one by one. A full bucket (262,143 calls in its tenth of the
//! window) keeps the ratio it has.

use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const BUCKETS: u64 = 10;
const COUNT_MASK: u64 = (1 << 18) - 1;
const ONE_FAILURE: u64 = 1 << 18;
const TAG_SHIFT: u32 = 36;
const SLOT_MASK: u64 = (1 << 20) - 1;

/// What the window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failures: u64,
}

pub(super) struct Window([AtomicU64; BUCKETS as usize]);

impl Window {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    pub(super) fn record(&self, slot: u64, generation: u32, failed: bool) {
        let bucket = &self.0[(slot % BUCKETS) as usize];
        let tag = tag(slot, generation);
        let add = 1 + if failed { ONE_FAILURE } else { 0 };
        let mut word = bucket.load(Ordering::Relaxed);
        loop {
            let next = if word >> TAG_SHIFT != tag {
                (tag << TAG_SHIFT) | add
            } else if word & COUNT_MASK == COUNT_MASK {
                return;
            } else {
                word + add
            };
            // Relaxed is enough for a count; the state word orders what depends on it.
            match bucket.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }

    /// The sum over the window that ends in `slot`.
    pub(super) fn counts(&self, slot: u64, generation: u32) -> Counts {
        let mut counts = Counts::default();
        for age in 0..BUCKETS.min(slot + 1) {
            let slot = slot - age;
            let word = self.0[(slot % BUCKETS) as usize].load(Ordering::Relaxed);
            if word >> TAG_SHIFT == tag(slot, generation) {
                counts.calls += word & COUNT_MASK;
                counts.failures += (word >> 18) & COUNT_MASK;
            }
        }
        counts
    }
}

fn tag(slot: u64, generation: u32) -> u64 {
    // Slot + 1: an untouched bucket (0) must not look like slot 0 of generation 0.
    (((slot + 1) & SLOT_MASK) << 8) | u64::from(generation & 0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain definition: keep every call, count those of the last ten slots.
        #[test]
        fn the_window_counts_what_a_list_of_calls_would(
            steps in proptest::collection::vec((0_u64..4, any::<bool>()), 0..200),
        ) {
            let window = Window::new();
            let (mut slot, mut calls) = (0, Vec::new());
            for (pause, failed) in steps {
                slot += pause;
                window.record(slot, 3, failed);
                calls.push((slot, failed));
                let live = || calls.iter().filter(|(s, _)| s + BUCKETS > slot);
                let expected = Counts {
                    calls: live().count() as u64,
                    failures: live().filter(|(_, f)| *f).count() as u64,
                };
                prop_assert_eq!(window.counts(slot, 3), expected);
            }
        }
    }

    #[test]
    fn another_generation_sees_an_empty_window() {
        let window = Window::new();
        window.record(5, 1, true);
        assert_eq!(window.counts(5, 2), Counts::default());
    }

    #[test]
    fn an_untouched_window_is_empty_in_its_first_slot() {
        assert_eq!(Window::new().counts(0, 0), Counts::default());
    }
}
