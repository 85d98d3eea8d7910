use std::time::Duration;

use quickbite_resilience::Redis;
use quickbite_resilience::rate_limit::{Draw, Quota, RateLimiter};

use crate::support::{Cable, clock, redis, unique};

const FIVE: Quota = Quota {
    limit: 5,
    window: Duration::from_secs(900),
};

fn limiter(redis: Redis) -> RateLimiter {
    RateLimiter::with(redis, "test:limit", clock(), Duration::from_secs(5))
}

async fn passed(limiter: &RateLimiter, quota: Quota, key: &str, draw: Draw, times: usize) -> usize {
    let mut passed = 0;
    for _ in 0..times {
        passed += usize::from(limiter.take(quota, key, draw).await.allowed);
    }
    passed
}

#[tokio::test]
async fn the_sixth_of_five_is_told_when_to_come_back() {
    let (limiter, key) = (limiter(redis().await), unique("sixth"));
    assert_eq!(passed(&limiter, FIVE, &key, Draw::Single, 5).await, 5);
    let refused = limiter.take(FIVE, &key, Draw::Single).await;
    assert!(!refused.allowed);
    assert_eq!(refused.remaining, 0);
    assert!(refused.retry_after > Duration::ZERO && refused.retry_after <= 2 * FIVE.window);
}

#[tokio::test]
async fn remaining_counts_down_to_zero_through_leases() {
    let quota = Quota { limit: 100, ..FIVE };
    let (limiter, key) = (limiter(redis().await), unique("remaining"));
    for expected in (0..100).rev() {
        let decision = limiter.take(quota, &key, Draw::Lease).await;
        assert_eq!((decision.allowed, decision.remaining), (true, expected));
    }
    assert!(!limiter.take(quota, &key, Draw::Lease).await.allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_under_fire_never_pass_more_than_the_limit() {
    let quota = Quota { limit: 200, ..FIVE };
    let key = unique("fire");
    for draw in [Draw::Single, Draw::Lease] {
        let key = format!("{key}:{draw:?}");
        let mut tasks = Vec::new();
        for replica in [limiter(redis().await), limiter(redis().await)] {
            for _ in 0..20 {
                let (replica, key) = (replica.clone(), key.clone());
                tasks.push(tokio::spawn(async move {
                    passed(&replica, quota, &key, draw, 20).await
                }));
            }
        }
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        match draw {
            Draw::Single => assert_eq!(sum, 200),
            Draw::Lease => assert!((150..=200).contains(&sum), "{sum}"),
        }
    }
}

#[tokio::test]
async fn what_is_given_back_may_be_taken_again() {
    let (limiter, key) = (limiter(redis().await), unique("back"));
    for _ in 0..20 {
        let decision = limiter.take(FIVE, &key, Draw::Single).await;
        assert!(decision.allowed);
        limiter.give_back(&key, &decision).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_away_never_means_unlimited() {
    let cable = Cable::laid().await;
    let (limiter, key) = (limiter(cable.redis().await), unique("away"));
    cable.cut();
    assert_eq!(passed(&limiter, FIVE, &key, Draw::Single, 20).await, 5);
    assert!(quickbite_telemetry::metrics::encode().contains("quickbite_rate_limit_degraded 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_in_between_gives_no_fresh_quota() {
    let cable = Cable::laid().await;
    let (limiter, key) = (limiter(cable.redis().await), unique("flap"));
    assert_eq!(passed(&limiter, FIVE, &key, Draw::Single, 3).await, 3);
    cable.cut();
    assert_eq!(passed(&limiter, FIVE, &key, Draw::Single, 9).await, 2);
}

#[tokio::test]
async fn the_window_slides() {
    let quota = Quota {
        limit: 5,
        window: Duration::from_millis(500),
    };
    let (limiter, key) = (limiter(redis().await), unique("slide"));
    passed(&limiter, quota, &key, Draw::Single, 20).await;
    let refused = limiter.take(quota, &key, Draw::Single).await;
    assert!(!refused.allowed);
    tokio::time::sleep(refused.retry_after + Duration::from_millis(5)).await;
    assert!(limiter.take(quota, &key, Draw::Single).await.allowed);
}
