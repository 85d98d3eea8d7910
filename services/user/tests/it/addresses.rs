//! Saved addresses.

use http::Method;
use quickbite_auth::Identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, World};

const PATH: &str = "/api/users/me/addresses";

fn home() -> Value {
    json!({"label": "Home", "street": "Street 1", "city": "Berlin", "postalCode": "10115",
        "location": {"lat": 52.5, "lng": 13.4}})
}

async fn save(world: &World, who: &Identity, body: Value) -> Answer {
    world.call(Some(who), Method::POST, PATH, Some(body)).await
}

fn path_of(answer: &Answer) -> String {
    format!("{PATH}/{}", answer.body["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_saved_address_is_listed_and_told_to_the_others() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let saved = save(&world, &me, home()).await;
    assert_eq!(saved.status, 201, "{}", saved.body);
    assert_eq!(saved.headers["location"], path_of(&saved));
    let list = world.call(Some(&me), Method::GET, PATH, None).await;
    assert_eq!(
        list.body,
        json!({"items": [saved.body], "nextCursor": null})
    );

    let (kind, subject, sequence, data) = world.facts().await.remove(1);
    assert_eq!((kind.as_str(), sequence), ("user.address_saved", 1));
    assert_eq!(json!(subject), saved.body["id"]);
    assert_eq!(
        data,
        json!({"userId": me.user_id, "addressId": saved.body["id"], "address": home()})
    );
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name_and_counts_on() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let saved = save(&world, &me, home()).await;
    let change = Some(json!({"city": "Potsdam"}));
    let changed = world
        .call(Some(&me), Method::PATCH, &path_of(&saved), change)
        .await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(changed.body["city"], "Potsdam");
    assert_eq!(changed.body["street"], "Street 1");
    let (kind, _, sequence, data) = world.facts().await.remove(2);
    assert_eq!((kind.as_str(), sequence), ("user.address_saved", 2));
    assert_eq!(data["address"]["city"], "Potsdam");
}

#[tokio::test]
async fn a_change_of_nothing_is_no_fact() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let saved = save(&world, &me, home()).await;
    let same = world
        .call(Some(&me), Method::PATCH, &path_of(&saved), Some(json!({})))
        .await;
    assert_eq!(same.body, saved.body);
    assert_eq!(
        world.types_of_facts().await,
        ["user.registered", "user.address_saved"]
    );
}

#[tokio::test]
async fn a_deleted_address_is_gone_and_a_fact() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let saved = save(&world, &me, home()).await;
    let path = path_of(&saved);
    assert_eq!(
        world
            .call(Some(&me), Method::DELETE, &path, None)
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .call(Some(&me), Method::DELETE, &path, None)
            .await
            .status,
        404
    );
    let (kind, _, sequence, data) = world.facts().await.remove(2);
    assert_eq!((kind.as_str(), sequence), ("user.address_deleted", 2));
    assert_eq!(
        data,
        json!({"userId": me.user_id, "addressId": saved.body["id"]})
    );
}

#[tokio::test]
async fn an_address_of_somebody_else_does_not_exist() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let other = world.register("customer").await.identity;
    let saved = save(&world, &me, home()).await;
    let path = path_of(&saved);
    for (method, body) in [
        (Method::PATCH, Some(json!({"city": "X"}))),
        (Method::DELETE, None),
    ] {
        let answer = world.call(Some(&other), method, &path, body).await;
        let answer = (answer.status.as_u16(), answer.body["code"].clone());
        assert_eq!(answer, (404, json!("address_not_found")));
    }
    let list = world.call(Some(&other), Method::GET, PATH, None).await;
    assert_eq!(list.body["items"], json!([]));
}

#[tokio::test]
async fn pages_lead_through_all_addresses_once() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    for number in 0..5 {
        let mut body = home();
        body["street"] = json!(format!("Street {number}"));
        save(&world, &me, body).await;
    }
    let mut streets = Vec::new();
    let mut path = format!("{PATH}?limit=2");
    loop {
        let page = world.call(Some(&me), Method::GET, &path, None).await.body;
        for item in page["items"].as_array().unwrap() {
            streets.push(item["street"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("{PATH}?limit=2&cursor={next}");
    }
    assert_eq!(
        streets,
        ["Street 0", "Street 1", "Street 2", "Street 3", "Street 4"]
    );
}

#[tokio::test]
async fn addresses_that_break_a_rule_are_refused_by_field() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    for (pointer, value, field) in [
        ("/street", json!("  "), "street"),
        ("/postalCode", json!("x".repeat(21)), "postalCode"),
        ("/location/lat", json!(90.1), "location.lat"),
        ("/location/lng", json!(-181), "location.lng"),
        ("/location/lat", json!("north"), "location.lat"),
        ("/city", json!("a\u{0}b"), "."),
    ] {
        let mut body = home();
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = save(&world, &me, body).await;
        assert_eq!(answer.status, 422, "{pointer}: {}", answer.body);
        assert_eq!(answer.body["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn the_hundred_and_first_address_is_refused() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    let many = (0..100).map(|_| save(&world, &me, home()));
    for chunk in futures::future::join_all(many).await {
        assert_eq!(chunk.status, 201, "{}", chunk.body);
    }
    let answer = save(&world, &me, home()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (409, &json!("too_many_addresses"))
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_a_404() {
    let world = World::new().await;
    let me = world.register("customer").await.identity;
    for id in ["x", "%00", &Uuid::nil().to_string()] {
        let path = format!("{PATH}/{id}");
        assert_eq!(
            world
                .call(Some(&me), Method::DELETE, &path, None)
                .await
                .status,
            404,
            "{id}"
        );
    }
}
