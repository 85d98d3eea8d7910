use quickbite_auth::Role;
use quickbite_http::testing::dangling;
use serde_json::json;

use crate::support::{Backend, before, eventually};

#[tokio::test]
async fn an_unknown_path_is_a_404_problem() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    for path in [
        "/",
        "/api/nothing",
        "/api/ordersx",
        "/api",
        "/../etc/passwd",
    ] {
        world.get(path).await.is_problem(404, "not_found");
    }
    assert_eq!(backend.calls(), 0);
}

#[tokio::test]
async fn a_service_that_is_switched_off_says_so() {
    let backend = Backend::start().await;
    let world = before(&backend)
        .upstreams(|u| u.upstream_payment = None)
        .start()
        .await;
    assert_eq!(world.get("/api/orders").await.status, 200);
    world
        .get("/api/payments")
        .await
        .is_problem(503, "service_disabled");
}

#[tokio::test]
async fn health_says_how_each_service_is() {
    let backend = Backend::start().await;
    backend.answers(200, json!({ "status": "healthy", "checks": {} }));
    let world = before(&backend)
        .upstreams(|u| {
            u.upstream_payment = None;
            u.upstream_driver = Some("http://127.0.0.1:1".parse().unwrap());
        })
        .start()
        .await;
    let reply = world.get("/health").await;
    assert_eq!(reply.status, 200);
    let health = reply.json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["services"]["order"]["status"], "healthy");
    assert_eq!(health["services"]["order"]["circuit"], "closed");
    assert!(health["services"]["order"]["latencyMs"].is_number());
    assert_eq!(health["services"]["driver"]["status"], "unhealthy");
    assert_eq!(health["services"].get("payment"), None);
    eventually("Redis is healthy", async || {
        world.get("/health").await.json()["dependencies"]["redis"]["status"] == "healthy"
    })
    .await;
}

#[tokio::test]
async fn with_every_service_gone_health_is_a_503() {
    let backend = Backend::start().await;
    backend.answers(200, json!({ "status": "unhealthy" }));
    let world = before(&backend).start().await;
    let reply = world.get("/health").await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (503, &json!("unhealthy"))
    );
    assert_eq!(world.get("/livez").await.status, 200);
    assert_eq!(world.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn only_an_admin_sees_the_circuits() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let path = "/api/admin/circuits";
    world
        .get(path)
        .await
        .is_problem(401, "access_token_required");
    world
        .get_as("forged", path)
        .await
        .is_problem(403, "invalid_token");
    for role in [Role::Customer, Role::RestaurantOwner, Role::Driver] {
        let reply = world.get_as(&world.token(role).text, path).await;
        reply.is_problem(403, "forbidden");
    }
    backend.answers(500, json!({}));
    for _ in 0..6 {
        world.get("/api/orders").await;
    }
    let reply = world.get_as(&world.token(Role::Admin).text, path).await;
    assert_eq!(reply.status, 200);
    let circuits = reply.json();
    let of = |name: &str| {
        let items = circuits["items"].as_array().unwrap();
        items.iter().find(|c| c["service"] == name).unwrap().clone()
    };
    assert_eq!(of("order")["state"], "open");
    assert!(of("order")["lastTransitionAt"].is_string());
    assert_eq!(of("user")["state"], "closed");
    assert_eq!(of("user")["lastTransitionAt"], json!(null));
    assert_eq!(circuits["items"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn the_document_is_the_union_of_what_the_services_say() {
    let backend = Backend::start().await;
    backend.answers(
        200,
        json!({
            "openapi": "3.1.0",
            "paths": { "/api/orders": { "get": {} } },
            "components": { "schemas": { "Order": { "type": "object" } } },
        }),
    );
    let world = before(&backend)
        .upstreams(|u| u.upstream_driver = Some("http://127.0.0.1:1".parse().unwrap()))
        .start()
        .await;
    let document = world.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    for path in ["/api/orders", "/health", "/api/admin/circuits"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    assert_eq!(document["components"]["schemas"]["Order"]["type"], "object");
    assert_eq!(dangling(&document, &document), Vec::<&str>::new());
}

#[tokio::test]
async fn the_document_can_be_browsed() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let page = world.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui"));
    let script = world.get("/docs/swagger-initializer.js").await;
    assert!(script.body.contains("/openapi.json"), "{}", script.body);
}
