use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use quickbite_auth::Role;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::{Backend, Reply, World, before, empty, eventually, uri};

async fn open(world: &World, backend: &Backend) {
    backend.answers(500, json!({}));
    for _ in 0..5 {
        assert_eq!(world.get("/api/orders").await.status, 500);
    }
}

#[tokio::test]
async fn an_open_breaker_answers_at_once() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    open(&world, &backend).await;
    let calls = backend.calls();
    let begun = Instant::now();
    let reply = world.get("/api/orders").await;
    reply.is_problem(503, "circuit_open");
    assert!(begun.elapsed() < Duration::from_secs(1));
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(backend.calls(), calls);
}

#[tokio::test]
async fn one_services_breaker_is_not_anothers() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    open(&world, &backend).await;
    backend.answers(200, json!({}));
    assert_eq!(world.get("/api/payments").await.status, 200);
}

#[tokio::test]
async fn after_the_reset_time_a_good_answer_closes_it() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .breaker(json!({ "resetTimeoutMs": 200 }))
        .start()
        .await;
    open(&world, &backend).await;
    backend.answers(200, json!({}));
    eventually("it closes", async || {
        world.get("/api/orders").await.status == 200
    })
    .await;
    assert_eq!(world.get("/api/orders").await.status, 200);
}

#[tokio::test]
async fn what_a_client_does_wrong_never_opens_it() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    backend.answers(404, json!({}));
    for _ in 0..20 {
        assert_eq!(world.get("/api/orders/x").await.status, 404);
    }
}

#[tokio::test]
async fn with_the_breaker_open_the_last_good_restaurants_are_shown_as_such() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    backend.answers(
        200,
        json!({ "items": [{ "name": "Luigi's" }], "nextCursor": null }),
    );
    assert_eq!(
        world.get("/api/restaurants?cuisine=pizza").await.status,
        200
    );
    let fallback = async || {
        backend.answers(500, json!({}));
        world.get("/api/restaurants?cuisine=pizza").await
    };
    eventually("the answer was kept", async || {
        fallback().await.status == 200
    })
    .await;
    for _ in 0..6 {
        fallback().await;
    }
    let calls = backend.calls();
    let reply = fallback().await;
    assert_eq!((reply.status, backend.calls()), (200, calls));
    assert_eq!(reply.json()["items"][0]["name"], "Luigi's");
    assert_eq!(reply.json()["source"], "cache-fallback");
    assert_eq!(reply.header("x-source"), "cache-fallback");
    assert!(reply.header("warning").starts_with("110 "));
    assert!(reply.header("age").parse::<u64>().is_ok());
    world
        .get("/api/restaurants?cuisine=sushi")
        .await
        .is_problem(503, "circuit_open");
}

#[tokio::test]
async fn what_a_signed_in_user_saw_is_not_kept_for_others() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    backend.answers(200, json!({ "items": ["private"] }));
    let token = world.token(Role::RestaurantOwner).text;
    for path in ["/api/restaurants?mine=1", "/api/restaurants/mine"] {
        assert_eq!(world.get_as(&token, path).await.status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
        backend.answers(500, json!({}));
        assert_eq!(world.get(path).await.status, 500, "{path}");
        backend.answers(200, json!({ "items": ["private"] }));
    }
}

#[tokio::test]
async fn a_slow_service_is_a_504() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        empty(200)
    });
    let world = before(&backend)
        .breaker(json!({ "timeoutMs": 100 }))
        .start()
        .await;
    world
        .get("/api/orders")
        .await
        .is_problem(504, "service_timeout");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_503() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .upstreams(|u| u.upstream_order = Some("http://127.0.0.1:1".parse().unwrap()))
        .start()
        .await;
    world
        .get("/api/orders")
        .await
        .is_problem(503, "service_unavailable");
}

/// A service that drops its first connection after the request, and answers on the others.
async fn drops_the_first() -> (
    std::net::SocketAddr,
    std::sync::Arc<std::sync::atomic::AtomicU32>,
) {
    use std::sync::atomic::{AtomicU32, Ordering};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = std::sync::Arc::new(AtomicU32::new(0));
    let counted = accepted.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                if !first {
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, accepted)
}

#[tokio::test]
async fn a_read_over_a_connection_that_breaks_is_tried_once_more() {
    let backend = Backend::start().await;
    let (address, _) = drops_the_first().await;
    let world = before(&backend)
        .upstreams(|u| u.upstream_order = Some(uri(address)))
        .start()
        .await;
    assert_eq!(world.get("/api/orders").await.status, 200);
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let backend = Backend::start().await;
        let (address, accepted) = drops_the_first().await;
        let world = before(&backend)
            .upstreams(|u| u.upstream_order = Some(uri(address)))
            .start()
            .await;
        let method: reqwest::Method = method.parse().unwrap();
        let request = world.http.request(method, world.url("/api/orders/1"));
        let reply = Reply::of(request).await;
        reply.is_problem(503, "service_unavailable");
        assert_eq!(accepted.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn retries_end_with_their_budget() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .breaker(json!({ "volumeThreshold": 100_000 }))
        .start()
        .await;
    backend.answers(503, json!({}));
    for _ in 0..50 {
        assert_eq!(world.get("/api/orders").await.status, 503);
    }
    let retries = backend.calls() - 50;
    assert!((10..=50 / 5 + 3 * 10).contains(&retries), "{retries}");
}

/// A service that sends the begin of an answer, and then closes or says nothing more.
async fn breaks_off(closes: bool) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let begin = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{";
                let _ = stream.write_all(begin.as_bytes()).await;
                if !closes {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn answers_that_break_off_or_stand_still_open_the_breaker() {
    for closes in [true, false] {
        let backend = Backend::start().await;
        let address = breaks_off(closes).await;
        let world = before(&backend)
            .upstreams(|u| u.upstream_order = Some(uri(address)))
            .breaker(json!({ "timeoutMs": 200 }))
            .start()
            .await;
        for _ in 0..5 {
            let request = world.http.get(world.url("/api/orders"));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            let body = tokio::time::timeout(Duration::from_secs(10), response.bytes()).await;
            assert!(body.expect("an end").is_err());
        }
        let refused = world.get("/api/orders").await;
        refused.is_problem(503, "circuit_open");
    }
}

#[tokio::test]
async fn a_probe_whose_body_is_slow_keeps_nobody_out() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .breaker(json!({ "resetTimeoutMs": 100, "timeoutMs": 60_000 }))
        .start()
        .await;
    open(&world, &backend).await;
    backend.behaves(|_| async {
        let begin = futures::stream::iter([Ok::<_, std::io::Error>("{")]);
        let endless = futures::StreamExt::chain(begin, futures::stream::pending());
        Response::new(Body::from_stream(endless))
    });
    let probe = async || world.http.get(world.url("/api/orders")).send().await;
    let mut slow = probe().await.unwrap();
    while slow.status() != 200 {
        slow = probe().await.unwrap();
    }
    backend.answers(200, json!({}));
    assert_eq!(world.get("/api/orders").await.status, 200);
    drop(slow);
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_body_does_not_open_the_breaker() {
    let backend = Backend::start().await;
    backend.behaves(|request| async {
        let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        empty(if read.is_ok() { 200 } else { 400 })
    });
    let world = before(&backend)
        .breaker(json!({ "timeoutMs": 100 }))
        .start()
        .await;
    for _ in 0..6 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = "POST /api/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    assert_eq!(world.post("/api/orders").await.status, 200);
}

#[tokio::test]
async fn a_service_that_does_not_read_a_large_body_is_too_slow_and_not_its_client() {
    let backend = Backend::start().await;
    backend.behaves(|request| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(request);
        empty(200)
    });
    let world = before(&backend)
        .breaker(json!({ "timeoutMs": 300 }))
        .start()
        .await;
    let request = world.http.post(world.url("/api/orders"));
    let reply = Reply::of(request.body(vec![b'x'; 1024 * 1024])).await;
    reply.is_problem(504, "service_timeout");
}

#[tokio::test]
async fn breaker_numbers_apply_without_a_restart() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        empty(200)
    });
    let world = before(&backend).start().await;
    assert_eq!(world.get("/api/orders").await.status, 200);
    world.change_policy(json!({ "circuitBreaker": { "timeoutMs": 50 } }));
    eventually("the new timeout is in force", async || {
        world.get("/api/orders").await.status == 504
    })
    .await;
}

#[tokio::test]
async fn a_reply_keeps_the_services_own_headers() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        let mut response = empty(201);
        let headers = response.headers_mut();
        headers.insert("location", "/api/orders/1".parse().unwrap());
        headers.insert("x-cache", "hit".parse().unwrap());
        headers.insert("keep-alive", "timeout=5".parse().unwrap());
        response
    });
    let world = before(&backend).start().await;
    let reply: Reply = world.post("/api/orders").await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (201, "/api/orders/1")
    );
    assert_eq!(reply.header("x-cache"), "hit");
    assert_eq!(reply.header("keep-alive"), "");
}
