//! What one call through the breaker costs; the bar is 200 ns uncontended.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use quickbite_resilience::SystemClock;
use quickbite_resilience::breaker::{Breaker, Settings, Verdict};

fn breaker(c: &mut Criterion) {
    let breaker = Breaker::new("bench", Settings::default(), Arc::new(SystemClock::new()));
    c.bench_function("admit and report a success", |b| {
        b.iter(|| {
            if let Ok(permit) = breaker.admit() {
                permit.report(Verdict::Success);
            }
        });
    });
    let open = Breaker::new("open", Settings::default(), Arc::new(SystemClock::new()));
    while let Ok(permit) = open.admit() {
        permit.report(Verdict::Failure);
    }
    c.bench_function("be rejected", |b| b.iter(|| open.admit().is_err()));
}

criterion_group!(benches, breaker);
criterion_main!(benches);
