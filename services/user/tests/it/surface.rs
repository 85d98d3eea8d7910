//! Who may call what, and that nothing a client sends is a 500.

use axum::body::Body;
use http::{Method, Request};
use quickbite_auth::Role;
use quickbite_http::testing::identity;
use serde_json::json;
use uuid::Uuid;

use crate::support::World;

/// Every route, and the roles that may; `None` is everyone.
fn surface() -> Vec<(Method, String, Option<Vec<Role>>)> {
    let id = Uuid::now_v7();
    let anyone = None;
    let users = || Some(Role::ALL.to_vec());
    let admins = || Some(vec![Role::Admin]);
    vec![
        (Method::POST, "/api/users/register".into(), anyone.clone()),
        (Method::POST, "/api/users/login".into(), anyone.clone()),
        (Method::POST, "/api/users/refresh".into(), anyone.clone()),
        (Method::GET, "/.well-known/jwks.json".into(), anyone),
        (Method::POST, "/api/users/logout".into(), users()),
        (Method::GET, "/api/users/me".into(), users()),
        (Method::PATCH, "/api/users/me".into(), users()),
        (Method::POST, "/api/users/me/password".into(), users()),
        (Method::GET, "/api/users/me/addresses".into(), users()),
        (Method::POST, "/api/users/me/addresses".into(), users()),
        (
            Method::PATCH,
            format!("/api/users/me/addresses/{id}"),
            users(),
        ),
        (
            Method::DELETE,
            format!("/api/users/me/addresses/{id}"),
            users(),
        ),
        (Method::GET, "/api/users".into(), admins()),
        (Method::GET, format!("/api/users/{id}"), admins()),
        (Method::PATCH, format!("/api/users/{id}"), admins()),
    ]
}

#[tokio::test]
async fn every_route_lets_in_exactly_the_roles_that_it_should() {
    let world = World::new().await;
    for (method, path, allowed) in surface() {
        let callers = [None].into_iter().chain(Role::ALL.map(Some));
        for role in callers {
            let caller = role.map(identity);
            let answer = world
                .call(caller.as_ref(), method.clone(), &path, Some(json!({})))
                .await;
            let code = answer.body["code"].as_str().unwrap_or_default();
            let expected = match (&allowed, role) {
                (None, _) => "",
                (Some(_), None) => "access_token_required",
                (Some(roles), Some(role)) if !roles.contains(&role) => "role_not_allowed",
                _ => "",
            };
            // An account that is only in a token is gone: 401 as well, but after the door.
            if expected.is_empty() {
                assert_ne!(code, "role_not_allowed", "{method} {path} {role:?}");
            } else {
                assert_eq!(code, expected, "{method} {path} {role:?}");
            }
        }
    }
}

#[tokio::test]
async fn without_the_gateways_token_nothing_is_answered_but_probes() {
    let world = World::new().await;
    for (method, path, _) in surface() {
        let request = Request::builder()
            .method(method)
            .uri(&path)
            .body(Body::empty())
            .unwrap();
        assert_eq!(world.raw(request).await.status, 401, "{path}");
    }
    for path in ["/livez", "/readyz", "/health", "/openapi.json"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(world.raw(request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn no_body_makes_a_route_fail() {
    let world = World::new().await;
    let admin = world.admin().await;
    let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
    let bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\"x\"",
        b"{}",
        b"\xff\xfe",
        b"{\"email\": 1, \"name\": {}}",
        b"{\"email\":\"\\u0000@x.y\",\"password\":\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\",\"name\":\"\\u0000\"}",
        b"{\"location\":{\"lat\":1e400,\"lng\":1}}",
        b"{\"email\":\"\\ud800\"}",
        deep.as_bytes(),
    ];
    for (method, path, _) in surface() {
        for body in bodies {
            let request = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header("authorization", world.authorization(&admin.identity))
                .header("content-type", "application/json")
                .body(Body::from(body.to_vec()))
                .unwrap();
            let answer = world.raw(request).await;
            assert!(
                answer.status.as_u16() < 500,
                "{method} {path} {:?}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn the_public_keys_verify_what_was_issued() {
    let world = World::new().await;
    let answer = world
        .call(None, Method::GET, "/.well-known/jwks.json", None)
        .await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (&keys[0]["kty"], &keys[0]["alg"]),
        (&json!("OKP"), &json!("EdDSA"))
    );
    assert!(!answer.body.to_string().contains("pkcs8"));
}
