//! Sending the same POST again.

use http::{Method, Request};
use quickbite_auth::Identity;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, World};

async fn keyed(
    world: &World,
    who: Option<&Identity>,
    path: &str,
    key: &str,
    body: Value,
) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("idempotency-key", key);
    world.send(who, request, Some(body)).await
}

fn ann() -> Value {
    json!({"email": "ann@example.org", "password": PASSWORD, "name": "Ann"})
}

#[tokio::test]
async fn registering_again_with_the_same_key_gives_the_first_answer() {
    let world = World::new().await;
    let path = "/api/users/register";
    let first = keyed(&world, None, path, "k1", ann()).await;
    let second = keyed(&world, None, path, "k1", ann()).await;
    assert_eq!(first.status, 201);
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(second.headers["location"], first.headers["location"]);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(world.types_of_facts().await, ["user.registered"]);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_422() {
    let world = World::new().await;
    let path = "/api/users/register";
    keyed(&world, None, path, "k1", ann()).await;
    let mut other = ann();
    other["name"] = json!("Bob");
    let answer = keyed(&world, None, path, "k1", other).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (422, &json!("idempotency_key_reused"))
    );
}

#[tokio::test]
async fn the_database_keeps_no_token_of_a_remembered_answer() {
    let world = World::new().await;
    let first = keyed(&world, None, "/api/users/register", "k1", ann()).await;
    let token = first.body["refreshToken"].as_str().unwrap();
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM idempotency_keys")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    assert!(!String::from_utf8_lossy(&kept[0]).contains(token));
}

#[tokio::test]
async fn a_refused_request_can_be_sent_again_with_its_key() {
    let world = World::new().await;
    let path = "/api/users/register";
    world.post(path, ann()).await;
    let taken = keyed(&world, None, path, "k1", ann()).await;
    assert_eq!(taken.status, 409);
    let again = keyed(&world, None, path, "k1", ann()).await;
    assert_eq!(again.body["code"], "email_taken");
}

#[tokio::test]
async fn a_key_belongs_to_one_user() {
    let world = World::new().await;
    let (one, other) = (
        world.register("customer").await,
        world.register("customer").await,
    );
    let address = json!({"street": "S 1", "city": "B", "postalCode": "1",
        "location": {"lat": 1, "lng": 2}});
    let path = "/api/users/me/addresses";
    let first = keyed(&world, Some(&one.identity), path, "k1", address.clone()).await;
    let second = keyed(&world, Some(&other.identity), path, "k1", address.clone()).await;
    let replay = keyed(&world, Some(&one.identity), path, "k1", address).await;
    assert_ne!(first.body["id"], second.body["id"]);
    assert_eq!(first.body["id"], replay.body["id"]);
}

#[tokio::test]
async fn of_twenty_at_once_with_one_key_one_address_is_saved() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let address = json!({"street": "S 1", "city": "B", "postalCode": "1",
        "location": {"lat": 1, "lng": 2}});
    let path = "/api/users/me/addresses";
    let all = (0..20).map(|_| keyed(&world, Some(&me), path, "k1", address.clone()));
    let answers = futures::future::join_all(all).await;
    assert!(
        answers
            .iter()
            .all(|answer| [201, 409].contains(&answer.status.as_u16()))
    );
    let list = world.call(Some(&me), Method::GET, path, None).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
}
