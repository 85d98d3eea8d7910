//! The conventions that hold for every request, good or bad.

use anyhow::{Result, ensure};
use quickbite_tests::{client::Api, people::Person};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_error_is_a_problem_document() -> Result<()> {
    let api = Api::from_env();
    for path in [
        "/nowhere",
        "/api/nowhere",
        "/api/restaurants/not-an-id",
        "/api/users/me",
    ] {
        let reply = api.get(path, None).await?;
        ensure!(
            reply.header("content-type") == "application/problem+json",
            "{path}: {reply:?}"
        );
        for member in [
            "type",
            "title",
            "detail",
            "instance",
            "message",
            "code",
            "correlationId",
        ] {
            ensure!(
                reply.body[member].is_string(),
                "{path} lacks {member}: {}",
                reply.body
            );
        }
        ensure!(reply.body["success"] == false, "{path}: {}", reply.body);
        ensure!(
            reply.body["status"] == reply.status.as_u16(),
            "{path}: {}",
            reply.body
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_correlation_id_is_kept_when_it_is_well_formed_and_replaced_when_not() -> Result<()> {
    let api = Api::from_env();
    let with = |id: &str| {
        api.request(Method::GET, "/api/restaurants")
            .header("x-correlation-id", id)
    };
    let kept = api.send(with("cart-42.a_B")).await?;
    ensure!(kept.header("x-correlation-id") == "cart-42.a_B", "{kept:?}");
    for bad in ["has space", "semi;colon", &"x".repeat(129)] {
        let reply = api.send(with(bad)).await?;
        ensure!(
            reply.header("x-correlation-id").len() == 36,
            "{bad:?}: {reply:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn garbage_is_answered_and_never_with_a_500() -> Result<()> {
    let api = Api::from_env();
    let owner = Person::register(&api, "restaurant_owner").await?;
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let big = format!("{{\"name\":\"{}\"}}", "x".repeat(1_200_000));
    let cases: Vec<(&str, &str, Vec<u8>, &[u16])> = vec![
        (
            "truncated JSON",
            "application/json",
            b"{\"name\": ".to_vec(),
            &[400],
        ),
        (
            "not UTF-8",
            "application/json",
            vec![0xff, 0xfe, 0x00],
            &[400],
        ),
        (
            "deeply nested",
            "application/json",
            deep.into_bytes(),
            &[400, 422],
        ),
        ("over 1 MiB", "application/json", big.into_bytes(), &[413]),
        ("another type", "text/plain", b"hello".to_vec(), &[415]),
        (
            "wrong types",
            "application/json",
            b"{\"name\": 7}".to_vec(),
            &[422],
        ),
        (
            "an empty object",
            "application/json",
            b"{}".to_vec(),
            &[422],
        ),
        (
            "a NUL in a name",
            "application/json",
            json!({"name": "a\u{0}b", "description": "", "cuisine": ["x"], "currency": "EUR",
                   "address": quickbite_tests::people::address((1.0, 1.0))})
            .to_string()
            .into_bytes(),
            &[422],
        ),
    ];
    for (what, content_type, body, expected) in cases {
        let request = api
            .request(Method::POST, "/api/restaurants")
            .bearer_auth(&owner.token)
            .header("content-type", content_type)
            .body(body);
        let reply = api.send(request).await?;
        ensure!(
            expected.contains(&reply.status.as_u16()),
            "{what}: expected {expected:?}, got {reply:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused_by_name() -> Result<()> {
    let api = Api::from_env();
    for path in [
        "/api/restaurants?limit=0",
        "/api/restaurants?limit=101",
        "/api/restaurants?cursor=garbage",
        "/api/restaurants/nearby?lat=91&lng=0&radiusKm=1",
        "/api/restaurants/nearby?lat=abc&lng=0&radiusKm=1",
        "/api/restaurants/search",
    ] {
        let reply = api.get(path, None).await?;
        ensure!(
            matches!(reply.status.as_u16(), 400 | 422),
            "{path}: {reply:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn limited_responses_say_what_is_left() -> Result<()> {
    let api = Api::from_env();
    let reply = api.get("/api/restaurants", None).await?;
    for header in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        ensure!(
            reply.header(header).parse::<u64>().is_ok(),
            "{header}: {reply:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_gateway_tells_the_health_of_every_service() -> Result<()> {
    let health = Api::from_env().get("/health", None).await?.expect(200)?;
    for service in [
        "user",
        "restaurant",
        "order",
        "driver",
        "notification",
        "payment",
    ] {
        let seen = &health["services"][service];
        ensure!(seen["status"] == "healthy", "{service}: {health}");
        ensure!(
            seen["circuit"].is_string() && seen["latencyMs"].is_number(),
            "{health}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_api_documents_itself() -> Result<()> {
    let api = Api::from_env();
    let document = api.get("/openapi.json", None).await?.expect(200)?;
    for path in [
        "/api/users/login",
        "/api/restaurants",
        "/api/orders",
        "/api/notifications",
    ] {
        ensure!(
            document["paths"][path].is_object(),
            "{path} is not in the OpenAPI document"
        );
    }
    let page = api.get("/docs/", None).await?;
    ensure!(
        page.body
            .as_str()
            .is_some_and(|html| html.contains("swagger")),
        "{page:?}"
    );
    Ok(())
}
