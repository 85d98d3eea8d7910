//! What owners do, and what they may not.

use axum::http::Method;
use futures::future::join_all;
use quickbite_auth::Role;
use quickbite_http::testing::identity;
use serde_json::{Value, json};

use crate::stage::{Stage, restaurant};

#[tokio::test]
async fn a_new_restaurant_is_closed_and_has_a_location_and_an_etag() {
    let stage = Stage::new().await;
    let made = stage
        .send(Method::POST, "/api/restaurants", restaurant())
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(
        made.header("location"),
        format!("/api/restaurants/{}", made.text("/id"))
    );
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(made.body["open"], false);
    assert_eq!(made.body["menu"], json!([]));
    assert_eq!(made.body["currency"], "EUR");
    assert_eq!(made.text("/ownerId"), stage.owner.user_id.to_string());
    let read = stage.get(made.header("location")).await;
    assert_eq!(read.body, made.body);
}

#[tokio::test]
async fn a_menu_item_is_added_changed_and_removed() {
    let stage = Stage::new().await;
    let (_, path) = stage.restaurant(json!({})).await;
    let item = json!({ "name": " Margherita ", "description": "Basil", "price": 12.9 });
    let added = stage
        .send(Method::POST, &format!("{path}/menu"), item)
        .await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(added.text("/name"), "Margherita");
    assert_eq!(added.text("/price"), "12.90");
    assert_eq!(added.body["available"], true);
    let item = added.header("location").to_owned();

    let patch = json!({ "available": false, "description": null });
    let changed = stage.send(Method::PATCH, &item, patch).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let menu = stage.get(&path).await.body["menu"].clone();
    let id = added.text("/id");
    let expected = json!([{ "id": id, "name": "Margherita", "description": null, "price": "12.90", "available": false }]);
    assert_eq!(menu, expected);

    assert_eq!(
        stage.send(Method::DELETE, &item, Value::Null).await.status,
        204
    );
    assert_eq!(stage.get(&path).await.body["menu"], json!([]));
    let again = stage.send(Method::DELETE, &item, Value::Null).await;
    assert_eq!(
        (again.status.as_u16(), again.text("/code")),
        (404, "menu_item_not_found")
    );
}

#[tokio::test]
async fn a_change_of_a_version_that_is_gone_is_a_conflict_and_changes_nothing() {
    let stage = Stage::new().await;
    let (_, path) = stage.restaurant(json!({})).await;
    stage
        .send(Method::PATCH, &path, json!({ "name": "Mario's" }))
        .await;
    let late = [("if-match", "\"1\"")];
    let owner = Some(&stage.owner);
    for (method, path, body) in [
        (Method::PATCH, path.clone(), json!({ "name": "Late" })),
        (
            Method::POST,
            format!("{path}/menu"),
            json!({ "name": "Late", "price": "1" }),
        ),
        (Method::DELETE, path.clone(), Value::Null),
    ] {
        let body = (!body.is_null()).then_some(body);
        let answer = stage.ask(owner, method, &path, &late, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text("/code")),
            (409, "stale_version")
        );
    }
    let now = stage.get(&path).await;
    assert_eq!(
        (now.text("/name"), &now.body["version"]),
        ("Mario's", &json!(2))
    );
    let seen = [("if-match", now.header("etag"))];
    let body = Some(json!({ "name": "In time" }));
    assert_eq!(
        stage
            .ask(owner, Method::PATCH, &path, &seen, body)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn only_its_owner_and_admins_change_a_restaurant() {
    let stage = Stage::new().await;
    let (_, path) = stage.restaurant(json!({})).await;
    let patch = Some(json!({ "name": "Mine now" }));
    for (role, status) in [
        (Role::Customer, 403),
        (Role::Driver, 403),
        (Role::RestaurantOwner, 404),
        (Role::Admin, 200),
    ] {
        let someone = identity(role);
        let answer = stage
            .ask(Some(&someone), Method::PATCH, &path, &[], patch.clone())
            .await;
        assert_eq!(answer.status, status, "{role}");
    }
    assert_eq!(
        stage
            .ask(None, Method::PATCH, &path, &[], patch)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn every_one_of_thirty_items_added_at_once_lands_with_a_version_of_its_own() {
    let stage = Stage::new().await;
    let (_, path) = stage.restaurant(json!({})).await;
    let menu = format!("{path}/menu");
    let add = |n: u32| {
        let item = json!({ "name": format!("Dish {n}"), "price": "1.50" });
        stage.send(Method::POST, &menu, item)
    };
    let answers = join_all((0..30).map(add)).await;
    assert!(
        answers.iter().all(|answer| answer.status == 201),
        "a writer was lost"
    );
    let now = stage.get(&path).await;
    assert_eq!(now.body["menu"].as_array().map(Vec::len), Some(30));
    assert_eq!(now.body["version"], 31);
    let mut versions: Vec<_> = stage
        .told()
        .await
        .iter()
        .filter_map(|m| m.envelope.sequence)
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=31).collect::<Vec<_>>());
}

#[tokio::test]
async fn opening_twice_tells_it_once() {
    let stage = Stage::new().await;
    let (_, path) = stage.restaurant(json!({})).await;
    for _ in 0..2 {
        let opened = stage
            .send(Method::POST, &format!("{path}/open"), Value::Null)
            .await;
        assert_eq!(
            (opened.status.as_u16(), &opened.body["open"]),
            (200, &json!(true))
        );
    }
    stage
        .send(Method::POST, &format!("{path}/close"), Value::Null)
        .await;
    stage.send(Method::DELETE, &path, Value::Null).await;
    let told: Vec<_> = stage
        .told()
        .await
        .into_iter()
        .map(|m| m.routing_key)
        .collect();
    let expected = [
        "restaurant.created",
        "restaurant.opened",
        "restaurant.closed",
        "restaurant.deleted",
    ];
    assert_eq!(told, expected);
    assert_eq!(stage.get(&path).await.status, 404);
}

#[tokio::test]
async fn the_same_key_creates_once_and_another_body_under_it_is_refused() {
    let stage = Stage::new().await;
    let key = [("idempotency-key", "create-1")];
    let owner = Some(&stage.owner);
    let create = |body| stage.ask(owner, Method::POST, "/api/restaurants", &key, Some(body));
    let first = create(restaurant()).await;
    let again = create(restaurant()).await;
    assert_eq!(again.status, 201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.body, first.body);
    let mut other = restaurant();
    other["name"] = json!("Another");
    assert_eq!(create(other).await.status, 422);
    assert_eq!(stage.told().await.len(), 1);
}

#[tokio::test]
async fn no_bad_body_gets_more_than_a_4xx_that_names_the_field() {
    let stage = Stage::new().await;
    let (_, path) = stage.restaurant(json!({})).await;
    let menu = format!("{path}/menu");
    for (field, value) in [
        ("name", json!("  ")),
        ("name", json!("x".repeat(121))),
        ("name", json!("bell\u{7}")),
        ("description", json!("bell\u{7}")),
        ("cuisine", json!(["line\nbreak"])),
        ("name", json!(7)),
        ("cuisine", json!(["x".repeat(41)])),
        ("currency", json!("EURO")),
        ("address", json!(null)),
        (
            "openingHours",
            json!([{ "day": "monday", "opens": "25:00", "closes": "1" }]),
        ),
        (
            "openingHours",
            json!([{ "day": "someday", "opens": "10:00", "closes": "11:00" }]),
        ),
    ] {
        let mut body = restaurant();
        body[field] = value.clone();
        let answer = stage.send(Method::POST, "/api/restaurants", body).await;
        assert_eq!(answer.status, 422, "{field}: {value}");
        assert!(
            answer.text("/errors/0/field").starts_with(field),
            "{}",
            answer.body
        );
    }
    let mut nul = restaurant();
    nul["name"] = json!("nul\0inside");
    let answer = stage.send(Method::POST, "/api/restaurants", nul).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let mut far = restaurant();
    far["address"]["location"]["lat"] = json!(90.5);
    let answer = stage.send(Method::POST, "/api/restaurants", far).await;
    assert_eq!(answer.text("/errors/0/field"), "address.location.lat");
    for field in ["name", "description"] {
        let mut item = json!({ "name": "Dish", "price": "1" });
        item[field] = json!("bell\u{7}");
        let answer = stage.send(Method::POST, &menu, item).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text("/errors/0/field")),
            (422, field)
        );
    }
    for price in [
        json!("-1"),
        json!("1.001"),
        json!("abc"),
        json!(1e30),
        json!(null),
        json!([]),
    ] {
        let item = json!({ "name": "Dish", "price": price });
        let answer = stage.send(Method::POST, &menu, item).await;
        assert_eq!(answer.status, 422, "{price}");
        assert_eq!(answer.text("/errors/0/field"), "price", "{}", answer.body);
    }
    assert_eq!(
        stage
            .send(Method::PATCH, "/api/restaurants/7", json!({}))
            .await
            .status,
        404
    );
}
