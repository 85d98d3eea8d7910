//! Every interleaving of the breaker's state word, in a model checker.
//!
//! `state.rs` is compiled here a second time over loom's atomics, so that the library needs neither
//! a feature nor a cfg for it.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "the file is included whole, used in part"
)]

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}
#[path = "../src/breaker/state.rs"]
mod state;

use loom::sync::Arc;
use loom::thread;
use state::{Admission, Moment, Phase, StateWord};

const RESET: u64 = 30_000;
const TIMEOUT: u64 = 5_000;

fn open(word: &StateWord) {
    let Admission::Admitted { generation } = word.admit(Moment(0), RESET, TIMEOUT) else {
        panic!("a new breaker is closed");
    };
    assert!(word.leave(generation, Phase::Open, Moment(0)));
}

#[test]
fn two_callers_at_the_reset_time_never_both_become_the_probe() {
    loom::model(|| {
        let word = Arc::new(StateWord::new());
        open(&word);
        let ask = |word: Arc<StateWord>| {
            thread::spawn(move || {
                matches!(
                    word.admit(Moment(RESET), RESET, TIMEOUT),
                    Admission::Probe { .. }
                )
            })
        };
        let (a, b) = (ask(word.clone()), ask(word.clone()));
        let probes = u8::from(a.join().unwrap()) + u8::from(b.join().unwrap());
        assert_eq!(probes, 1);
        assert_eq!(word.read().0, Phase::HalfOpen);
    });
}

#[test]
fn two_failures_that_trip_together_make_one_transition() {
    loom::model(|| {
        let word = Arc::new(StateWord::new());
        let (_, generation) = word.read();
        let trip = |word: Arc<StateWord>| {
            thread::spawn(move || word.leave(generation, Phase::Open, Moment(1)))
        };
        let (a, b) = (trip(word.clone()), trip(word.clone()));
        assert!(a.join().unwrap() ^ b.join().unwrap());
        assert_eq!(word.read(), (Phase::Open, generation + 1));
    });
}

#[test]
fn a_late_result_never_moves_a_later_generation() {
    loom::model(|| {
        let word = Arc::new(StateWord::new());
        let (_, first) = word.read();
        open(&word);
        let late = {
            let word = word.clone();
            thread::spawn(move || word.leave(first, Phase::Closed, Moment(RESET)))
        };
        let admission = word.admit(Moment(RESET), RESET, TIMEOUT);
        assert!(!late.join().unwrap());
        assert!(matches!(admission, Admission::Probe { .. }));
        assert_eq!(word.read().0, Phase::HalfOpen);
    });
}

#[test]
fn a_probe_dropped_while_others_ask_is_followed_by_exactly_one() {
    loom::model(|| {
        let word = Arc::new(StateWord::new());
        open(&word);
        let Admission::Probe { generation } = word.admit(Moment(RESET), RESET, TIMEOUT) else {
            panic!("due for a probe");
        };
        let now = Moment(RESET + 1);
        let dropper = {
            let word = word.clone();
            thread::spawn(move || word.abandon(generation, now, RESET))
        };
        let asked = matches!(word.admit(now, RESET, TIMEOUT), Admission::Probe { .. });
        assert!(dropper.join().unwrap());
        let again = matches!(word.admit(now, RESET, TIMEOUT), Admission::Probe { .. });
        assert!(asked ^ again);
    });
}
