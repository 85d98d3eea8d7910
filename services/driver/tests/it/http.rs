//! The HTTP contract: who may, what is refused, positions.

use futures::StreamExt;
use quickbite_auth::{Identity, Role};
use quickbite_driver::events::Facts;
use quickbite_events::Handler;
use quickbite_events::Outgoing;
use quickbite_events::payload::{order, user};
use quickbite_http::testing::identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::Stage;

fn position(seq: i64, lat: f64) -> Value {
    json!({"lat": lat, "lng": 13.4, "speed": 4.2, "recordedAt": "2026-11-24T08:00:00Z", "seq": seq})
}

fn with_id(role: Role, id: &Value) -> Identity {
    Identity {
        user_id: id.as_str().unwrap().parse().unwrap(),
        ..identity(role)
    }
}

impl Stage {
    async fn tell(&self, fact: &Outgoing) {
        let facts = Facts {
            dispatcher: self.app.dispatcher.clone(),
            clock: self.app.clock.clone(),
        };
        facts.handle(fact.envelope.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_delivery_is_seen_by_its_parties_and_admins_only() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (order_id, _) = stage.create().await;
    let id = stage.accept(&driver).await;
    let path = format!("/api/deliveries/{id}");
    let (code, seen) = stage.get(&path, &driver).await;
    assert_eq!(
        (code, &seen["status"], &seen["driverId"]),
        (200, &json!("assigned"), &json!(driver.user_id))
    );
    let customer = with_id(Role::Customer, &seen["customerId"]);
    let owner = identity(Role::RestaurantOwner);
    for (who, expected) in [
        (&customer, 200),
        (&identity(Role::Admin), 200),
        (&identity(Role::Customer), 404),
        (&identity(Role::Driver), 404),
        (&owner, 404),
    ] {
        assert_eq!(stage.get(&path, who).await.0, expected, "{who:?}");
    }
    stage.tell(&confirmed(order_id, owner.user_id)).await;
    assert_eq!(stage.get(&path, &owner).await.0, 200);
    assert_eq!(stage.get("/api/deliveries/nonsense", &driver).await.0, 404);
}

fn confirmed(order_id: Uuid, owner: Uuid) -> Outgoing {
    let snapshot = json!({
        "orderId": order_id, "customerId": Uuid::now_v7(), "restaurantId": Uuid::now_v7(), "restaurantOwnerId": owner,
        "status": "confirmed", "total": "12.99", "currency": "EUR", "at": "2026-11-24T08:00:00Z",
    });
    let snapshot: order::OrderSnapshot = serde_json::from_value(snapshot).unwrap();
    Outgoing::event(order_id, 2, &order::Confirmed(snapshot))
}

#[tokio::test]
async fn roles_are_held_on_every_route() {
    let stage = Stage::new().await;
    let customer = identity(Role::Customer);
    for path in [
        "/api/drivers/me/online",
        "/api/drivers/me/offline",
        "/api/drivers/me/location",
    ] {
        assert_eq!(
            stage.post(path, &customer, json!({})).await.0,
            403,
            "{path}"
        );
    }
    for path in [
        "/api/drivers/me/offers",
        "/api/drivers/me/deliveries",
        "/api/drivers/nearby?lat=1&lng=1",
    ] {
        assert_eq!(stage.get(path, &customer).await.0, 403, "{path}");
    }
    let anonymous = reqwest::get(format!("{}/api/drivers/me/offers", stage.base))
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 401);
    assert_eq!(
        anonymous.headers()["content-type"],
        "application/problem+json"
    );
}

#[tokio::test]
async fn garbage_is_refused_by_name_and_never_a_500() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let batch: Vec<Value> = (0..101).map(|seq| position(seq, 52.5)).collect();
    for (path, body) in [
        (
            "/api/drivers/me/online",
            json!({"location": {"lat": 91, "lng": 0}}),
        ),
        (
            "/api/drivers/me/online",
            json!({"location": {"lat": 1, "lng": 0}, "vehicle": ""}),
        ),
        ("/api/drivers/me/online", json!({})),
        ("/api/drivers/me/online", json!([])),
        ("/api/drivers/me/location", json!(batch)),
        ("/api/drivers/me/location", json!([])),
        ("/api/drivers/me/location", json!({"positions": 7})),
        (
            "/api/drivers/me/location",
            json!({"lat": 1, "lng": 181, "recordedAt": "2026-11-24T08:00:00Z", "seq": 1}),
        ),
        (
            "/api/drivers/me/location",
            json!({"lat": 1, "lng": 1, "recordedAt": "yesterday", "seq": 1}),
        ),
        ("/api/drivers/me/location", position(-1, 52.5)),
    ] {
        let (code, problem) = stage.post(path, &driver, body.clone()).await;
        assert_eq!(code, 422, "{path} {body} {problem}");
        assert_eq!(problem["success"], json!(false));
    }
    let admin = identity(Role::Admin);
    for query in [
        "lat=x&lng=1",
        "lat=91&lng=1",
        "lat=NaN&lng=1",
        "lng=1",
        "lat=1&lng=1&radiusKm=-1",
        "lat=1&lng=1&radiusKm=NaN",
    ] {
        let (code, problem) = stage
            .get(&format!("/api/drivers/nearby?{query}"), &admin)
            .await;
        assert_eq!(code, 422, "{query} {problem}");
    }
    let unknown = format!("/api/deliveries/{}/failed", Uuid::now_v7());
    assert_eq!(
        stage.post(&unknown, &driver, json!({"reason": ""})).await.0,
        422
    );
    assert_eq!(
        stage
            .post(&unknown, &driver, json!({"reason": "x"}))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn positions_move_the_driver_and_older_ones_are_dropped() {
    let stage = Stage::new().await;
    let driver = identity(Role::Driver);
    let path = "/api/drivers/me/location";
    let (code, body) = stage.post(path, &driver, position(1, 52.5)).await;
    assert_eq!((code, &body["code"]), (409, &json!("driver_offline")));
    stage.online(&driver, 0.0).await;
    let taken = |accepted, dropped| (202, json!({"accepted": accepted, "dropped": dropped}));
    assert_eq!(
        stage.post(path, &driver, position(5, 52.51)).await,
        taken(1, 0)
    );
    assert_eq!(
        stage.post(path, &driver, position(4, 52.59)).await,
        taken(0, 1)
    );
    let batch = json!([position(7, 52.53), position(6, 52.52), position(5, 52.59)]);
    assert_eq!(stage.post(path, &driver, batch).await, taken(2, 1));
    let (_, near) = stage
        .get(
            "/api/drivers/nearby?lat=52.53&lng=13.4&radiusKm=0.1",
            &identity(Role::Admin),
        )
        .await;
    assert_eq!(
        near["items"][0]["driverId"],
        json!(driver.user_id),
        "{near}"
    );
    assert_eq!(near["items"][0]["distanceMeters"], json!(0));
}

#[tokio::test]
async fn positions_reach_the_watchers_of_the_order_while_it_is_carried() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (order_id, _) = stage.create().await;
    let mut watcher = stage.redis.subscriber().await.unwrap();
    watcher
        .subscribe(format!("{}positions:{order_id}", stage.prefix))
        .await
        .unwrap();
    let id = stage.accept(&driver).await;
    stage
        .post(
            "/api/drivers/me/location",
            &driver,
            json!([position(2, 52.51), position(1, 52.5)]),
        )
        .await;
    let mut messages = watcher.on_message();
    for seq in [1, 2] {
        let text: String = messages.next().await.unwrap().get_payload().unwrap();
        let live: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&live["seq"], &live["orderId"]),
            (&json!(seq), &json!(order_id)),
            "{live}"
        );
        assert_eq!(
            (&live["driverId"], &live["speed"]),
            (&json!(driver.user_id), &json!(4.2))
        );
    }
    for step in ["picked-up", "delivered"] {
        stage
            .push(&format!("/api/deliveries/{id}/{step}"), &driver)
            .await;
    }
    stage
        .post("/api/drivers/me/location", &driver, position(3, 52.52))
        .await;
    let silence =
        tokio::time::timeout(std::time::Duration::from_millis(300), messages.next()).await;
    assert!(
        silence.is_err(),
        "a delivered order is not followed any more"
    );
}

#[tokio::test]
async fn a_drivers_deliveries_are_paged_newest_first() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let mut carried = Vec::new();
    for _ in 0..3 {
        stage.create().await;
        let id = stage.accept(&driver).await;
        stage
            .post(
                &format!("/api/deliveries/{id}/failed"),
                &driver,
                json!({"reason": "test"}),
            )
            .await;
        carried.insert(0, id);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/drivers/me/deliveries?limit=2".to_owned());
    loop {
        let (_, page) = stage.get(&path, &driver).await;
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/drivers/me/deliveries?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, carried);
}

#[tokio::test]
async fn a_disabled_drivers_shift_ends() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let user_id = driver.user_id;
    stage
        .tell(&Outgoing::event(user_id, 2, &user::Disabled { user_id }))
        .await;
    let (order_id, _) = stage.create().await;
    stage.sweep().await;
    assert_eq!(stage.facts(order_id).await, ["delivery.created"]);
}
