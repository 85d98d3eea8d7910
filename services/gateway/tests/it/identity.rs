use quickbite_auth::Role;

use crate::support::{Backend, Reply, before, eventually, redis_url};

fn internal_token(backend: &Backend) -> String {
    let (_, headers) = backend.last();
    let value = headers["authorization"].to_str().unwrap();
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

#[tokio::test]
async fn without_a_token_the_service_is_told_anonymous() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    assert_eq!(world.get("/api/restaurants").await.status, 200);
    let verified = world
        .verifier("restaurant")
        .verify(&internal_token(&backend));
    assert_eq!(verified, Ok(None));
    assert!(!backend.last().1.contains_key("x-user-id"));
}

#[tokio::test]
async fn a_good_token_becomes_an_internal_one_for_that_service_only() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let token = world.token(Role::Customer);
    assert_eq!(world.get_as(&token.text, "/api/orders").await.status, 200);
    let internal = internal_token(&backend);
    let identity = world.verifier("order").verify(&internal).unwrap().unwrap();
    assert_eq!(
        (identity.user_id, identity.role),
        (token.user, Role::Customer)
    );
    assert!(world.verifier("payment").verify(&internal).is_err());
    assert_eq!(backend.last().1["x-user-id"], token.user.to_string());
}

#[tokio::test]
async fn a_bad_token_is_refused_and_reaches_nobody() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let good = world.token(Role::Customer).text;
    let other = before(&backend).start().await.token(Role::Customer).text;
    for bad in [
        "",
        "x",
        "a.b.c",
        &good[..good.len() - 9],
        &other,
        &"x".repeat(20_000),
    ] {
        let reply = world.get_as(bad, "/api/orders").await;
        reply.is_problem(403, "invalid_token");
        assert_eq!(reply.json()["message"], "Invalid or expired token");
    }
    assert_eq!(backend.calls(), 0);
}

#[tokio::test]
async fn a_client_cannot_smuggle_x_user_id() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let token = world.token(Role::Customer);
    let request = world
        .http
        .get(world.url("/api/orders"))
        .bearer_auth(&token.text)
        .header("X-User-Id", "somebody-else")
        .header("x-user-role", "admin")
        .header("connection", "close, authorization, x-user-id");
    assert_eq!(Reply::of(request).await.status, 200);
    let (_, headers) = backend.last();
    assert_eq!(headers["x-user-id"], token.user.to_string());
    assert!(!headers.contains_key("x-user-role"));
    let internal = internal_token(&backend);
    assert!(world.verifier("order").verify(&internal).unwrap().is_some());
}

#[tokio::test]
async fn a_token_that_has_run_out_does_not_lock_its_owner_out_of_login() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let request = world
        .http
        .post(world.url("/api/users/refresh"))
        .bearer_auth("stale");
    assert_eq!(Reply::of(request).await.status, 200);
}

#[tokio::test]
async fn a_revoked_session_stops_working_at_once() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let token = world.token(Role::Customer);
    assert_eq!(world.get_as(&token.text, "/api/orders").await.status, 200);
    revoke(&token.session.to_string()).await;
    eventually("the revoked token is refused", async || {
        world.get_as(&token.text, "/api/orders").await.status == 403
    })
    .await;
    let other = world.token(Role::Customer);
    assert_eq!(world.get_as(&other.text, "/api/orders").await.status, 200);
}

#[tokio::test]
async fn what_was_revoked_before_the_gateway_started_is_refused_from_the_first_request() {
    let backend = Backend::start().await;
    let session = uuid::Uuid::now_v7();
    revoke(&session.to_string()).await;
    let world = before(&backend).start().await;
    let token = world.token_in(session, Role::Customer);
    let reply = world.get_as(&token.text, "/api/orders").await;
    reply.is_problem(403, "invalid_token");
}

/// As user-service does it.
pub(crate) async fn revoke(session: &str) {
    let client = redis::Client::open(redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let until = quickbite_auth::Clock::system().now().as_second() + 60;
    redis::pipe()
        .atomic()
        .cmd("SET")
        .arg(format!("auth:revoked:{session}"))
        .arg(1)
        .arg("EX")
        .arg(60)
        .cmd("ZADD")
        .arg("auth:revoked")
        .arg(until)
        .arg(session)
        .cmd("PUBLISH")
        .arg("auth:revocations")
        .arg(session)
        .exec_async(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_changed_key_file_is_taken_without_a_restart() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let token = world.token(Role::Customer).text;
    assert_eq!(world.get_as(&token, "/api/orders").await.status, 200);
    world.rotate_keys_away();
    eventually("the old key's token is refused", async || {
        world.get_as(&token, "/api/orders").await.status == 403
    })
    .await;
}

#[tokio::test]
async fn a_correlation_id_travels_and_a_bad_one_is_replaced() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let get = |id: &str| {
        let request = world.http.get(world.url("/api/restaurants"));
        Reply::of(request.header("x-correlation-id", id.to_owned()))
    };
    assert_eq!(
        get("order-7.a_B").await.header("x-correlation-id"),
        "order-7.a_B"
    );
    assert_eq!(backend.last().1["x-correlation-id"], "order-7.a_B");
    let request = world.http.get(world.url("/api/restaurants"));
    let request = request
        .header("x-correlation-id", "order-8")
        .header("connection", "close, x-correlation-id");
    assert_eq!(
        Reply::of(request).await.header("x-correlation-id"),
        "order-8"
    );
    assert_eq!(backend.last().1["x-correlation-id"], "order-8");
    let replaced = get("not an id").await;
    let id = replaced.header("x-correlation-id");
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    assert_eq!(backend.last().1["x-correlation-id"], id);
}
