use quickbite_auth::Role;
use serde_json::json;

use crate::support::{Backend, Reply, World, before, eventually};

async fn get_from(world: &World, address: &str) -> Reply {
    let request = world.http.get(world.url("/api/restaurants"));
    Reply::of(request.header("x-forwarded-for", address.to_owned())).await
}

#[tokio::test]
async fn reads_say_what_is_left_and_end_with_429() {
    let backend = Backend::start().await;
    let world = before(&backend).limit("general", 3).start().await;
    for left in ["2", "1", "0"] {
        let reply = world.get("/api/restaurants").await;
        assert_eq!(
            (reply.status, reply.header("ratelimit-remaining")),
            (200, left)
        );
        assert_eq!(reply.header("ratelimit-limit"), "3");
    }
    let refused = world.get("/api/restaurants").await;
    refused.is_problem(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert!(refused.header("ratelimit-reset").parse::<u64>().unwrap() > 0);
    assert_eq!(backend.calls(), 3);
}

#[tokio::test]
async fn five_failed_logins_close_the_door_and_successes_do_not_count() {
    let backend = Backend::start().await;
    let world = before(&backend).limit("auth", 5).start().await;
    for _ in 0..8 {
        assert_eq!(world.post("/api/users/login").await.status, 200);
    }
    backend.answers(401, json!({ "code": "invalid_credentials" }));
    for _ in 0..5 {
        assert_eq!(world.post("/api/users/login").await.status, 401);
    }
    backend.answers(200, json!({}));
    world
        .post("/api/users/login")
        .await
        .is_problem(429, "rate_limited");
    assert_eq!(world.post("/api/users/register").await.status, 200);
}

#[tokio::test]
async fn concurrent_guesses_do_not_slip_past_the_limit() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        crate::support::empty(401)
    });
    let world = before(&backend).limit("auth", 5).start().await;
    let guesses = (0..40).map(|_| world.post("/api/users/login"));
    let replies = futures::future::join_all(guesses).await;
    let tried = replies.iter().filter(|reply| reply.status == 401).count();
    assert_eq!(tried, 5);
}

#[tokio::test]
async fn a_login_that_reached_nobody_does_not_count() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .limit("auth", 2)
        .upstreams(|u| u.upstream_user = Some("http://127.0.0.1:1".parse().unwrap()))
        .breaker(json!({ "volumeThreshold": 1000 }))
        .start()
        .await;
    for _ in 0..5 {
        world
            .post("/api/users/login")
            .await
            .is_problem(503, "service_unavailable");
    }
}

#[tokio::test]
async fn an_outage_behind_the_door_does_not_count_as_guesses() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .limit("auth", 3)
        .breaker(json!({ "volumeThreshold": 1000, "timeoutMs": 100 }))
        .start()
        .await;
    for status in [500, 502, 503, 504] {
        backend.answers(status, json!({}));
        assert_eq!(world.post("/api/users/login").await.status, status);
    }
    backend.behaves(|_| std::future::pending());
    for _ in 0..2 {
        assert_eq!(world.post("/api/users/login").await.status, 504);
    }
    backend.answers(200, json!({}));
    assert_eq!(world.post("/api/users/login").await.status, 200);
}

#[tokio::test]
async fn all_who_log_in_rightly_behind_one_address_get_in() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        crate::support::empty(200)
    });
    let world = before(&backend).limit("auth", 5).start().await;
    let logins = (0..12).map(|_| world.post("/api/users/login"));
    for reply in futures::future::join_all(logins).await {
        assert_eq!(reply.status, 200);
    }
}

#[tokio::test]
async fn each_user_has_their_own_write_limit() {
    let backend = Backend::start().await;
    let world = before(&backend).limit("write", 2).start().await;
    let post = |token: String| {
        let request = world.http.post(world.url("/api/orders")).bearer_auth(token);
        async { Reply::of(request).await.status }
    };
    let (a, b) = (
        world.token(Role::Customer).text,
        world.token(Role::Customer).text,
    );
    assert_eq!(
        [post(a.clone()).await, post(a.clone()).await, post(a).await],
        [200, 200, 429]
    );
    assert_eq!(post(b).await, 200);
}

#[tokio::test]
async fn guessing_tokens_is_limited_by_address() {
    let backend = Backend::start().await;
    let world = before(&backend).limit("general", 2).start().await;
    let mut seen = Vec::new();
    for guess in ["a", "b", "c"] {
        seen.push(world.get_as(guess, "/api/orders").await.status);
    }
    assert_eq!(seen, [403, 403, 429]);
}

#[tokio::test]
async fn an_untrusted_forwarded_address_buys_nothing() {
    let backend = Backend::start().await;
    let world = before(&backend).limit("general", 1).start().await;
    assert_eq!(get_from(&world, "198.51.100.1").await.status, 200);
    assert_eq!(get_from(&world, "198.51.100.2").await.status, 429);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .limit("general", 1)
        .policy(json!({ "trustedProxies": ["127.0.0.0/8"] }))
        .start()
        .await;
    assert_eq!(get_from(&world, "198.51.100.1").await.status, 200);
    assert_eq!(get_from(&world, "198.51.100.2").await.status, 200);
    assert_eq!(get_from(&world, "6.6.6.6, 198.51.100.1").await.status, 429);
}

#[tokio::test]
async fn redis_away_never_means_unlimited() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .limit("general", 3)
        .limit("auth", 5)
        .redis("redis://127.0.0.1:1")
        .start()
        .await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(world.get("/api/restaurants").await.status);
    }
    assert_eq!(seen, [200, 200, 200, 429, 429]);
    assert_eq!(world.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn health_and_documents_are_not_limited() {
    let backend = Backend::start().await;
    backend.answers(200, json!({ "status": "healthy" }));
    let world = before(&backend).limit("general", 1).start().await;
    for path in ["/health", "/livez", "/readyz", "/openapi.json", "/docs/"] {
        for _ in 0..3 {
            assert_eq!(world.get(path).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_changed_policy_applies_without_a_restart() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    assert_eq!(
        world
            .get("/api/restaurants")
            .await
            .header("ratelimit-limit"),
        "100000"
    );
    let limit = json!({ "limit": 7, "windowSeconds": 60 });
    world.change_policy(json!({ "rateLimits": { "general": limit } }));
    eventually("the new limit is in force", async || {
        world
            .get("/api/restaurants")
            .await
            .header("ratelimit-limit")
            == "7"
    })
    .await;
}
