//! Orders over HTTP: who may do what when, and what they read.

use http::{HeaderValue, Method};
use quickbite_auth::Role;
use quickbite_http::testing::identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::Stage;

fn statuses(order: &Value) -> Vec<&str> {
    order["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["status"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_order_walks_from_the_cart_to_the_doorstep() {
    let stage = Stage::new().await;
    let order = stage.confirmed().await;
    stage.kitchen(order, "preparing").await;
    stage.kitchen(order, "ready").await;
    let driver = stage.bring(order).await;

    let done = stage.order(order).await;
    assert_eq!(
        statuses(&done),
        [
            "pending",
            "confirmed",
            "preparing",
            "ready",
            "picked_up",
            "delivered"
        ]
    );
    assert_eq!(done["driverId"], driver.user_id.to_string());
    assert_eq!(
        stage
            .get(&format!("/api/orders/{order}"), &driver)
            .await
            .status,
        200
    );
    let keys = stage.keys().await;
    for key in [
        "order.created",
        "order.accepted",
        "order.confirmed",
        "restaurant.confirm_ticket",
        "order.delivered",
    ] {
        assert!(
            keys.iter().any(|sent| sent == key),
            "{key} is missing in {keys:?}"
        );
    }
    let admin = identity(Role::Admin);
    let saga = stage
        .get(&format!("/api/orders/{order}/saga"), &admin)
        .await
        .body;
    assert_eq!(
        (saga["state"].as_str(), &saga["deadline"]),
        (Some("completed"), &Value::Null)
    );
    assert!(
        saga["steps"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["status"] == "done"),
        "{saga}"
    );
}

#[tokio::test]
async fn a_placed_order_tells_its_prices_and_where_it_is() {
    let stage = Stage::new().await;
    let placed = stage
        .post("/api/orders", &stage.customer, &stage.cart())
        .await;
    assert_eq!(placed.status, 201);
    let order = placed.body;
    assert_eq!(
        placed.headers["location"],
        format!("/api/orders/{}", order["id"].as_str().unwrap())
    );
    let prices = [
        "subtotal",
        "deliveryFee",
        "tip",
        "total",
        "currency",
        "status",
    ]
    .map(|name| order[name].as_str().unwrap());
    assert_eq!(prices, ["30.48", "2.99", "1.50", "34.97", "EUR", "pending"]);
}

#[tokio::test]
async fn one_key_orders_once_even_when_its_stored_answer_is_lost() {
    let stage = Stage::new().await;
    let keyed = |body: &Value| {
        let mut request = stage.request(Method::POST, "/api/orders", &stage.customer, Some(body));
        request
            .headers_mut()
            .insert("idempotency-key", HeaderValue::from_static("k1"));
        stage.send(request)
    };
    let first = keyed(&stage.cart()).await;
    let again = keyed(&stage.cart()).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(first.body, again.body);
    let mut other = stage.cart();
    other["notes"] = json!("ring twice");
    assert_eq!(keyed(&other).await.status, 422);

    // As after a crash between the commit of the order and that of the answer.
    sqlx::query("DELETE FROM idempotency_keys")
        .execute(&stage.pool)
        .await
        .unwrap();
    let after_crash = keyed(&stage.cart()).await;
    assert_eq!(
        (after_crash.status.as_u16(), &after_crash.body["id"]),
        (201, &first.body["id"])
    );
    let list = stage.get("/api/orders", &stage.customer).await.body;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_order_that_breaks_a_rule_is_refused_with_the_field() {
    let stage = Stage::new().await;
    let mut wrong = Vec::new();
    for (field, value) in [
        ("items", json!([])),
        (
            "items",
            json!([{"itemId": stage.restaurant.menu[0].item_id, "quantity": 51}]),
        ),
        ("tip", json!("-1")),
        ("tip", json!("0.001")),
        ("deliveryAddress", Value::Null),
        ("paymentMethod", json!({"token": ""})),
        ("restaurantId", json!("nonsense")),
    ] {
        let mut cart = stage.cart();
        cart[field] = value;
        let answer = stage.post("/api/orders", &stage.customer, &cart).await;
        let named = answer.body["errors"][0]["field"]
            .as_str()
            .unwrap_or_default();
        if answer.status != 422 || !named.starts_with(field) {
            wrong.push(format!("{field}: {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn strangers_see_nothing_and_roles_keep_to_their_own() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    let path = format!("/api/orders/{order}");
    for role in [Role::Customer, Role::RestaurantOwner, Role::Driver] {
        let stranger = identity(role);
        assert_eq!(stage.get(&path, &stranger).await.status, 404, "{role}");
        assert_eq!(
            stage.get(&format!("{path}/stream"), &stranger).await.status,
            404,
            "{role}"
        );
        assert_eq!(
            stage.get(&format!("{path}/saga"), &stranger).await.status,
            403,
            "{role}"
        );
        let list = stage.get("/api/orders", &stranger).await.body;
        assert_eq!(list["items"], json!([]), "{role}");
    }
    let (customer, owner) = (stage.customer, stage.owner);
    assert_eq!(
        stage
            .post(&format!("{path}/accept"), &customer, &json!({}))
            .await
            .status,
        403
    );
    assert_eq!(
        stage
            .post(&format!("{path}/cancel"), &owner, &json!({}))
            .await
            .status,
        403
    );
    assert_eq!(
        stage
            .post("/api/orders", &owner, &stage.cart())
            .await
            .status,
        403
    );
    let other_owner = identity(Role::RestaurantOwner);
    assert_eq!(
        stage
            .post(&format!("{path}/accept"), &other_owner, &json!({}))
            .await
            .status,
        404
    );
    assert_eq!(stage.get(&path, &owner).await.status, 200);
    assert_eq!(stage.get(&path, &identity(Role::Admin)).await.status, 200);
}

#[tokio::test]
async fn the_kitchen_keeps_to_the_order_of_things() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    let step = async |name: &str| {
        let path = format!("/api/orders/{order}/{name}");
        stage
            .post(&path, &stage.owner, &json!({"reason": "no"}))
            .await
            .status
            .as_u16()
    };
    assert_eq!(step("preparing").await, 409);
    stage.done("restaurant.reserve_ticket").await;
    stage.done("payment.authorize").await;
    stage.kitchen(order, "accept").await;
    assert_eq!(step("accept").await, 409);
    assert_eq!(step("reject").await, 409);
    stage.done("payment.capture").await;
    assert_eq!(step("ready").await, 409);
    stage.kitchen(order, "preparing").await;
    stage.kitchen(order, "ready").await;
    stage.bring(order).await;
    assert_eq!(step("preparing").await, 409);
    let cancel = stage
        .post(
            &format!("/api/orders/{order}/cancel"),
            &stage.customer,
            &json!({}),
        )
        .await;
    assert_eq!(
        (cancel.status.as_u16(), cancel.body["code"].as_str()),
        (409, Some("order_ended"))
    );
}

#[tokio::test]
async fn lists_page_newest_first_and_name_the_restaurant() {
    let stage = Stage::new().await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(stage.place().await);
    }
    placed.reverse();
    let mut read = Vec::<Uuid>::new();
    let mut path = "/api/orders?limit=2".to_owned();
    loop {
        let page = stage.get(&path, &stage.customer).await.body;
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["restaurant"]["name"], "Trattoria");
            read.push(item["id"].as_str().unwrap().parse().unwrap());
        }
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/orders?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(read, placed);
    let owners = format!(
        "/api/orders?restaurantId={}&status=pending",
        stage.restaurant.restaurant_id
    );
    assert_eq!(
        stage.get(&owners, &stage.owner).await.body["items"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    let other = format!("/api/orders?restaurantId={}", Uuid::now_v7());
    assert_eq!(
        stage.get(&other, &stage.owner).await.body["items"],
        json!([])
    );
    assert_eq!(
        stage
            .get("/api/orders?status=nonsense", &stage.owner)
            .await
            .status,
        422
    );
}
