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
        assert_eq!(sum, 200, "{draw:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_give_out_all_but_a_hundredth_and_never_more() {
    let quota = Quota {
        limit: 20_000,
        ..FIVE
    };
    let key = unique("three");
    let replicas = [
        limiter(redis().await),
        limiter(redis().await),
        limiter(redis().await),
    ];
    // The first two hold what they leased when the third one gets all the rest of the requests.
    let mut sum = 0;
    for replica in &replicas[..2] {
        sum += passed(replica, quota, &key, Draw::Lease, 3_000).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (replica, key) = (replicas[2].clone(), key.clone());
        tasks.push(tokio::spawn(async move {
            passed(&replica, quota, &key, Draw::Lease, 1_000).await
        }));
    }
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert!((19_800..=20_000).contains(&sum), "{sum}");
}

#[tokio::test]
async fn a_lowered_limit_counts_what_was_used_and_not_what_was_leased() {
    let limit = |limit| Quota { limit, ..FIVE };
    let (limiter, key) = (limiter(redis().await), unique("lowered"));
    let (before, after) = (limit(10_000_000), limit(2_000));
    assert_eq!(
        passed(&limiter, before, &key, Draw::Lease, 1_900).await,
        1_900
    );
    let remaining = limiter.take(after, &key, Draw::Lease).await.remaining;
    assert_eq!(remaining, 99);
    assert_eq!(passed(&limiter, after, &key, Draw::Lease, 200).await, 99);
}

#[tokio::test]
async fn what_one_replica_leased_and_does_not_use_others_may() {
    let quota = Quota {
        limit: 10_000,
        ..FIVE
    };
    let key = unique("idle");
    let (idle, busy) = (limiter(redis().await), limiter(redis().await));
    passed(&idle, quota, &key, Draw::Lease, 40).await;
    tokio::time::timeout(Duration::from_secs(10), async {
        // Exact once the idle replica's rest is back.
        let mut used = 40;
        loop {
            used += 1;
            let decision = busy.take(quota, &key, Draw::Single).await;
            if decision.remaining == quota.limit - used {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("given back");
}

#[tokio::test]
async fn a_changed_window_starts_at_once_whichever_way_it_changes() {
    let window = |seconds| Quota {
        limit: 5,
        window: Duration::from_secs(seconds),
    };
    for (before, after) in [(60, 86_400), (86_400, 60)] {
        let (limiter, key) = (limiter(redis().await), unique("window"));
        assert_eq!(
            passed(&limiter, window(before), &key, Draw::Single, 9).await,
            5
        );
        assert_eq!(
            passed(&limiter, window(after), &key, Draw::Single, 9).await,
            5
        );
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
