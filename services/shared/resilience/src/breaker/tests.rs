use super::*;
use crate::clock::ManualClock;
use proptest::prelude::*;

struct Fixture {
    clock: Arc<ManualClock>,
    breaker: Breaker,
}

fn fixture() -> Fixture {
    let clock = Arc::new(ManualClock::new());
    let breaker = Breaker::new("test", Settings::default(), clock.clone());
    Fixture { clock, breaker }
}

impl Fixture {
    fn call(&self, verdict: Verdict) {
        self.breaker.admit().expect("admitted").report(verdict);
    }

    fn opened(self) -> Self {
        for _ in 0..5 {
            self.call(Verdict::Failure);
        }
        assert_eq!(self.phase(), Phase::Open);
        self
    }

    fn phase(&self) -> Phase {
        self.breaker.snapshot().phase
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[test]
fn four_failures_are_too_few_to_open() {
    let f = fixture();
    (0..4).for_each(|_| f.call(Verdict::Failure));
    assert_eq!(f.phase(), Phase::Closed);
}

#[test]
fn half_of_the_calls_failing_opens() {
    let f = fixture();
    (0..3).for_each(|_| f.call(Verdict::Success));
    (0..2).for_each(|_| f.call(Verdict::Failure));
    assert_eq!(f.phase(), Phase::Closed);
    f.call(Verdict::Timeout);
    assert_eq!(f.phase(), Phase::Open);
}

#[test]
fn failures_older_than_the_window_do_not_count() {
    let f = fixture();
    (0..4).for_each(|_| f.call(Verdict::Failure));
    f.pass(11);
    f.call(Verdict::Failure);
    assert_eq!(f.phase(), Phase::Closed);
}

#[test]
fn an_open_circuit_says_how_long_it_stays_open() {
    let f = fixture().opened();
    f.pass(10);
    let rejected = f.breaker.admit().err().expect("rejected");
    assert_eq!(rejected.retry_after, Duration::from_secs(20));
}

#[test]
fn after_the_reset_time_exactly_one_probe_passes() {
    let f = fixture().opened();
    f.pass(30);
    let probe = f.breaker.admit().expect("the probe");
    assert_eq!(f.phase(), Phase::HalfOpen);
    assert!(f.breaker.admit().is_err());
    probe.report(Verdict::Success);
    assert_eq!(f.phase(), Phase::Closed);
}

#[test]
fn a_failed_probe_opens_for_another_reset_time() {
    let f = fixture().opened();
    f.pass(30);
    f.call(Verdict::Failure);
    assert_eq!(f.phase(), Phase::Open);
    f.pass(29);
    assert!(f.breaker.admit().is_err());
    f.pass(1);
    assert!(f.breaker.admit().is_ok());
}

#[test]
fn closing_empties_the_window() {
    let f = fixture().opened();
    f.pass(30);
    f.call(Verdict::Success);
    (0..4).for_each(|_| f.call(Verdict::Failure));
    assert_eq!(f.phase(), Phase::Closed);
    f.call(Verdict::Failure);
    assert_eq!(f.phase(), Phase::Open);
}

#[test]
fn a_result_from_before_the_last_transition_is_ignored() {
    let f = fixture();
    let slow = f.breaker.admit().expect("admitted");
    let f = f.opened();
    f.pass(30);
    let probe = f.breaker.admit().expect("the probe");
    slow.report(Verdict::Success);
    assert_eq!(f.phase(), Phase::HalfOpen);
    probe.report(Verdict::Failure);
    assert_eq!(f.phase(), Phase::Open);
}

#[test]
fn a_dropped_permit_counts_as_nothing() {
    let f = fixture();
    (0..20).for_each(|_| drop(f.breaker.admit()));
    assert_eq!(f.breaker.snapshot().calls, 0);
}

#[test]
fn a_dropped_probe_makes_way_for_another_at_once() {
    let f = fixture().opened();
    f.pass(30);
    drop(f.breaker.admit().expect("the probe"));
    f.call(Verdict::Success);
    assert_eq!(f.phase(), Phase::Closed);
}

#[test]
fn a_probe_that_is_never_heard_of_again_does_not_wedge() {
    let f = fixture().opened();
    f.pass(30);
    std::mem::forget(f.breaker.admit().expect("the probe"));
    assert!(f.breaker.admit().is_err());
    f.pass(30);
    f.call(Verdict::Success);
    assert_eq!(f.phase(), Phase::Closed);
}

#[test]
fn a_probe_that_takes_longer_than_the_reset_time_is_waited_for() {
    let f = fixture();
    f.breaker.apply(Settings {
        reset_timeout: Duration::from_secs(1),
        ..Settings::default()
    });
    let f = f.opened();
    f.pass(1);
    let slow = f.breaker.admit().expect("the probe");
    f.pass(4);
    assert!(f.breaker.admit().is_err());
    slow.report(Verdict::Success);
    assert_eq!(f.phase(), Phase::Closed);
}

#[test]
fn settings_apply_to_calls_that_are_already_counted() {
    let f = fixture();
    (0..2).for_each(|_| f.call(Verdict::Failure));
    f.breaker.apply(Settings {
        volume_threshold: 3,
        ..Settings::default()
    });
    f.call(Verdict::Failure);
    assert_eq!(f.phase(), Phase::Open);
}

#[test]
fn another_window_length_starts_an_empty_window_and_keeps_the_phase() {
    let f = fixture().opened();
    f.breaker.apply(Settings {
        rolling_window: Duration::from_secs(60),
        ..Settings::default()
    });
    assert_eq!(f.phase(), Phase::Open);
    assert!(f.breaker.admit().is_err());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Admit,
    Report(usize, Verdict),
    Drop(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        Just(Verdict::Success),
        Just(Verdict::Failure),
        Just(Verdict::Timeout)
    ];
    prop_oneof![
        4 => Just(Step::Admit),
        4 => (any::<usize>(), verdict).prop_map(|(i, v)| Step::Report(i, v)),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => (0_u64..20_000).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happens, at most one probe is out, an open circuit opens its door again after the
    /// reset time, and it never opens below the volume.
    #[test]
    fn no_history_wedges_the_breaker(steps in proptest::collection::vec(step(), 0..300)) {
        let f = fixture();
        let mut out: Vec<Permit> = Vec::new();
        for step in steps {
            let before = f.breaker.snapshot();
            match step {
                Step::Admit => match f.breaker.admit() {
                    Ok(permit) => out.push(permit),
                    Err(rejected) => {
                        prop_assert_ne!(before.phase, Phase::Closed);
                        prop_assert!(rejected.retry_after <= Duration::from_secs(30));
                    }
                },
                Step::Report(i, verdict) if !out.is_empty() => {
                    let i = i % out.len();
                    out.swap_remove(i).report(verdict);
                    let after = f.breaker.snapshot();
                    if before.phase == Phase::Closed && after.phase == Phase::Open {
                        prop_assert!(before.calls + 1 >= 5);
                    }
                }
                Step::Drop(i) if !out.is_empty() => {
                    let i = i % out.len();
                    drop(out.swap_remove(i));
                }
                Step::Pass(ms) => f.clock.advance(Duration::from_millis(ms)),
                Step::Report(..) | Step::Drop(_) => {}
            }
        }
        f.pass(60);
        prop_assert!(f.breaker.admit().is_ok());
    }
}
