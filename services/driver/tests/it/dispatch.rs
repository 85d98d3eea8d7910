//! Who is asked, and who after him.

use quickbite_auth::Role;
use quickbite_driver::domain::delivery::Offer;
use quickbite_driver::store::Tried;
use quickbite_http::testing::identity;
use redis::cmd;
use serde_json::json;
use std::time::Duration;

use crate::stage::{OFFER_TTL, Stage};

#[tokio::test]
async fn the_nearest_free_driver_is_asked_and_walks_the_delivery_to_its_end() {
    let stage = Stage::new().await;
    let (far, near) = (stage.driver(3000.0).await, stage.driver(500.0).await);
    let (order_id, _) = stage.create().await;
    let offer = stage.offer(&near).await;
    assert_eq!(offer["orderId"], json!(order_id));
    assert!(
        (490..510).contains(&offer["distanceMeters"].as_i64().unwrap()),
        "{offer}"
    );
    assert_eq!(stage.offers(&far).await, 0);
    let id = stage.accept(&near).await;
    for (step, status) in [("picked-up", "picked_up"), ("delivered", "delivered")] {
        let (code, body) = stage
            .push(&format!("/api/deliveries/{id}/{step}"), &near)
            .await;
        assert_eq!((code, &body["status"]), (200, &json!(status)), "{body}");
    }
    let expected = ["created", "offered", "assigned", "picked_up", "delivered"]
        .map(|key| format!("delivery.{key}"));
    assert_eq!(stage.facts(order_id).await, expected);
}

#[tokio::test]
async fn who_declines_is_followed_by_the_next() {
    let stage = Stage::new().await;
    let (near, far) = (stage.driver(500.0).await, stage.driver(3000.0).await);
    stage.create().await;
    let id = stage.offer(&near).await["deliveryId"]
        .as_str()
        .unwrap()
        .to_owned();
    let (code, _) = stage
        .push(&format!("/api/deliveries/{id}/decline"), &near)
        .await;
    assert_eq!(code, 200);
    assert_eq!(stage.offer(&far).await["deliveryId"], json!(id));
    let (code, body) = stage
        .push(&format!("/api/deliveries/{id}/accept"), &near)
        .await;
    assert_eq!(
        (code, &body["code"]),
        (409, &json!("offer_expired")),
        "{body}"
    );
}

#[tokio::test]
async fn an_offer_that_runs_out_goes_to_the_next_and_then_back() {
    let stage = Stage::new().await;
    let near = stage.driver(500.0).await;
    let (order_id, _) = stage.create().await;
    let id = stage.offer(&near).await["deliveryId"]
        .as_str()
        .unwrap()
        .to_owned();
    stage.pass(OFFER_TTL);
    let (code, body) = stage
        .push(&format!("/api/deliveries/{id}/accept"), &near)
        .await;
    assert_eq!((code, &body["code"]), (409, &json!("offer_expired")));
    let far = stage.driver(3000.0).await;
    stage.sweep().await;
    stage.offer(&far).await;
    assert_eq!(stage.offers(&near).await, 0);
    stage.pass(OFFER_TTL);
    stage.sweep().await;
    // Both were silent: the nearest one is asked again, his pause being over.
    stage.offer(&near).await;
    assert_eq!(
        stage
            .facts(order_id)
            .await
            .iter()
            .filter(|key| *key == "delivery.expired")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_delivery_without_a_driver_is_offered_to_the_first_who_comes() {
    let stage = Stage::new().await;
    let (order_id, _) = stage.create().await;
    let (out_of_reach, late) = (stage.driver(30_000.0).await, identity(Role::Driver));
    stage.sweep().await;
    assert_eq!(stage.facts(order_id).await, ["delivery.created"]);
    stage.online(&late, 100.0).await;
    stage.offer(&late).await;
    assert_eq!(stage.offers(&out_of_reach).await, 0);
}

#[tokio::test]
async fn a_driver_is_asked_one_thing_at_a_time_and_gets_the_next_when_free() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (first, _) = stage.create().await;
    let id = stage.accept(&driver).await;
    let (second, _) = stage.create().await;
    stage.sweep().await;
    assert_eq!(stage.facts(second).await, ["delivery.created"]);
    stage
        .push(&format!("/api/deliveries/{id}/picked-up"), &driver)
        .await;
    let (code, _) = stage
        .post(
            &format!("/api/deliveries/{id}/delivered"),
            &driver,
            json!({"proof": "at the door"}),
        )
        .await;
    assert_eq!(code, 200);
    assert_eq!(stage.offer(&driver).await["orderId"], json!(second));
    assert_ne!(first, second);
}

#[tokio::test]
async fn of_many_acceptances_at_once_on_two_replicas_exactly_one_wins() {
    let stage = Stage::new().await;
    let other = stage.replica().await;
    let driver = stage.driver(100.0).await;
    let (order_id, _) = stage.create().await;
    let id = stage.offer(&driver).await["deliveryId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/deliveries/{id}/accept");
    let tries = (0..20).map(|n| if n % 2 == 0 { &stage } else { &other }.push(&path, &driver));
    let codes: Vec<u16> = futures::future::join_all(tries)
        .await
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    assert_eq!(
        codes.iter().filter(|code| **code == 200).count(),
        1,
        "{codes:?}"
    );
    assert!(
        codes.iter().all(|code| [200, 409].contains(code)),
        "{codes:?}"
    );
    assert_eq!(
        stage
            .facts(order_id)
            .await
            .iter()
            .filter(|key| *key == "delivery.assigned")
            .count(),
        1
    );
}

#[tokio::test]
async fn ten_deliveries_and_three_drivers_give_three_offers_whoever_sweeps() {
    let stage = Stage::new().await;
    let other = stage.replica().await;
    let drivers = [
        stage.driver(100.0).await,
        stage.driver(200.0).await,
        stage.driver(300.0).await,
    ];
    futures::future::join_all((0..10).map(|_| stage.create())).await;
    let sweeps = (0..6).map(|n| if n % 2 == 0 { &stage } else { &other }.sweep());
    futures::future::join_all(sweeps).await;
    for driver in &drivers {
        stage.offer(driver).await;
    }
    let offered: i64 =
        sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE status = 'offered'")
            .fetch_one(&stage.pool)
            .await
            .unwrap();
    assert_eq!(offered, 3);
}

#[tokio::test]
async fn losing_the_index_loses_no_delivery_and_it_is_rebuilt() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (geo, marker) = (
        format!("{}drivers:geo", stage.prefix),
        format!("{}drivers:geo:built", stage.prefix),
    );
    let bound = Duration::from_secs(1);
    let gone: i64 = stage
        .redis
        .command(bound, cmd("DEL").arg(&geo).arg(&marker))
        .await
        .unwrap();
    assert_eq!(gone, 2);
    stage.create().await;
    stage.offer(&driver).await;
    stage.app.dispatcher.rebuild_index().await.unwrap();
    let members: Vec<String> = stage
        .redis
        .command(bound, cmd("ZRANGE").arg(&geo).arg(0).arg(-1))
        .await
        .unwrap();
    assert_eq!(members, [driver.user_id.to_string()]);
}

#[tokio::test]
async fn going_offline_passes_the_offer_on_and_is_refused_with_the_food() {
    let stage = Stage::new().await;
    let (near, far) = (stage.driver(500.0).await, stage.driver(3000.0).await);
    stage.create().await;
    stage.offer(&near).await;
    assert_eq!(stage.push("/api/drivers/me/offline", &near).await.0, 200);
    stage.accept(&far).await;
    let (code, body) = stage.push("/api/drivers/me/offline", &far).await;
    assert_eq!((code, &body["code"]), (409, &json!("delivery_in_progress")));
}

#[tokio::test]
async fn a_slow_search_does_not_ask_again_who_declined_meanwhile() {
    let stage = Stage::new().await;
    let (order_id, _) = stage.create().await;
    let store = stage.app.store();
    let chosen = store.all_waiting(None, 10).await.unwrap().remove(0);
    let driver = stage.driver(100.0).await;
    let id = stage.offer(&driver).await["deliveryId"]
        .as_str()
        .unwrap()
        .to_owned();
    stage
        .push(&format!("/api/deliveries/{id}/decline"), &driver)
        .await;
    let now = stage.app.clock.now();
    let offer = Offer {
        driver_id: driver.user_id,
        distance_m: 100,
        expires_at: now + Duration::from_secs(30),
    };
    assert_eq!(
        store.try_offer(&chosen, offer, now).await.unwrap(),
        Tried::NotSearching
    );
    assert_eq!(
        stage
            .facts(order_id)
            .await
            .iter()
            .filter(|key| *key == "delivery.offered")
            .count(),
        1
    );
}
