//! The saga over its rows: repeated messages, time, restarts, undoing.

use quickbite_auth::Role;
use quickbite_events::Outgoing;
use quickbite_events::payload::delivery;
use quickbite_http::testing::identity;
use serde_json::json;
use uuid::Uuid;

use crate::cast::{delivery, willing};
use crate::stage::Stage;

impl Stage {
    async fn count(&self, key: &str) -> usize {
        self.keys().await.iter().filter(|sent| *sent == key).count()
    }

    async fn status(&self, order: Uuid) -> String {
        self.order(order).await["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// All sagas that are due move on once.
    async fn sweep(&self) -> u32 {
        let mut moved = 0;
        while self.app.conductor.conduct_due().await.unwrap() {
            moved += 1;
        }
        moved
    }
}

#[tokio::test]
async fn a_reply_that_comes_twice_moves_the_saga_once() {
    let stage = Stage::new().await;
    stage.place().await;
    let command = stage.command("restaurant.reserve_ticket").await;
    let reply = willing(&command, &stage.restaurant);
    stage.reply(&reply).await;
    stage.reply(&reply).await;
    // Another message that says the same: a repeated command answered again.
    stage.reply(&willing(&command, &stage.restaurant)).await;
    assert_eq!(stage.count("payment.authorize").await, 1);
}

#[tokio::test]
async fn a_cancel_after_the_capture_refunds_and_ends_cancelled() {
    let stage = Stage::new().await;
    let order = stage.confirmed().await;
    let wish = json!({"reason": "changed my mind"});
    let answer = stage
        .post(
            &format!("/api/orders/{order}/cancel"),
            &stage.customer,
            &wish,
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.body["status"].as_str()),
        (202, Some("confirmed"))
    );
    for key in [
        "driver.cancel_delivery",
        "payment.refund",
        "restaurant.cancel_ticket",
    ] {
        stage.done(key).await;
    }
    let ended = stage.order(order).await;
    assert_eq!(
        (ended["status"].as_str(), ended["reason"].as_str()),
        (Some("cancelled"), Some("changed my mind"))
    );
    assert_eq!(stage.count("order.cancel_requested").await, 1);
    assert_eq!(stage.count("order.cancelled").await, 1);
}

#[tokio::test]
async fn a_declined_card_undoes_the_ticket_and_says_why() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    stage.done("restaurant.reserve_ticket").await;
    stage.refuse("payment.authorize", "card_declined").await;
    stage.done("restaurant.cancel_ticket").await;
    let ended = stage.order(order).await;
    assert_eq!(ended["status"], "rejected");
    assert_eq!(
        ended["history"].as_array().unwrap().last().unwrap()["reason"],
        "card_declined"
    );
}

#[tokio::test]
async fn a_restaurant_that_does_not_answer_in_time_costs_nothing() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    stage.done("restaurant.reserve_ticket").await;
    stage.done("payment.authorize").await;
    stage.pass(299);
    assert_eq!(stage.sweep().await, 0);
    stage.pass(2);
    assert_eq!(stage.sweep().await, 1);
    stage.done("payment.void").await;
    stage.done("restaurant.cancel_ticket").await;
    assert_eq!(stage.status(order).await, "rejected");
    assert_eq!(stage.count("payment.capture").await, 0);
}

#[tokio::test]
async fn a_saga_goes_on_from_its_row_after_its_process_died() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    stage.cancel.cancel();
    let other = stage.replica();
    other.pass(4);
    assert_eq!(other.sweep().await, 1);
    assert_eq!(other.count("restaurant.reserve_ticket").await, 2);
    other.done("restaurant.reserve_ticket").await;
    other.done("payment.authorize").await;
    other.kitchen(order, "accept").await;
    other.done("payment.capture").await;
    assert_eq!(other.status(order).await, "confirmed");
}

#[tokio::test]
async fn two_sweepers_move_each_due_saga_once() {
    let stage = Stage::new().await;
    for _ in 0..20 {
        stage.place().await;
    }
    let other = stage.replica();
    stage.pass(4);
    other.pass(4);
    let (one, two) = tokio::join!(stage.sweep(), other.sweep());
    assert_eq!(one + two, 20);
    assert_eq!(stage.count("restaurant.reserve_ticket").await, 40);
}

#[tokio::test]
async fn a_payment_that_never_answers_is_voided_and_the_order_rejected() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    stage.done("restaurant.reserve_ticket").await;
    for wait in [4, 7, 13] {
        stage.pass(wait);
        assert_eq!(stage.sweep().await, 1);
    }
    assert_eq!(stage.count("payment.authorize").await, 3);
    stage.done("payment.void").await;
    stage.done("restaurant.cancel_ticket").await;
    assert_eq!(
        stage.order(order).await["reason"],
        "authorize_payment_timeout"
    );
}

#[tokio::test]
async fn a_delivery_that_fails_pays_the_customer_back() {
    let stage = Stage::new().await;
    let order = stage.confirmed().await;
    let snapshot = delivery(&stage, order, Uuid::now_v7());
    stage
        .tell(&Outgoing::event(
            snapshot.delivery_id,
            9,
            &delivery::Failed(snapshot),
        ))
        .await;
    stage.done("payment.refund").await;
    stage.done("restaurant.cancel_ticket").await;
    assert_eq!(stage.status(order).await, "cancelled");
}

#[tokio::test]
async fn an_admin_finds_a_stuck_saga_and_tries_again() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    stage.done("restaurant.reserve_ticket").await;
    stage
        .post(
            &format!("/api/orders/{order}/cancel"),
            &stage.customer,
            &json!({}),
        )
        .await;
    for _ in 0..8 {
        stage.pass(61);
        assert_eq!(stage.sweep().await, 1);
    }
    let admin = identity(Role::Admin);
    let stuck = stage.get("/api/sagas?state=stuck", &admin).await.body;
    let saga = &stuck["items"][0];
    assert_eq!(saga["orderId"], order.to_string());
    assert_eq!(
        saga["steps"].as_array().unwrap().last().unwrap()["attempts"],
        9
    );
    let retry = format!("/api/sagas/{}/retry", saga["id"].as_str().unwrap());
    let retried = stage.post(&retry, &admin, &json!({})).await;
    assert_eq!(
        (retried.status.as_u16(), retried.body["state"].as_str()),
        (200, Some("compensating"))
    );
    stage.done("payment.void").await;
    stage.done("restaurant.cancel_ticket").await;
    assert_eq!(stage.status(order).await, "cancelled");
    assert_eq!(stage.post(&retry, &admin, &json!({})).await.status, 409);
}

#[tokio::test]
async fn an_admin_undoes_a_running_order() {
    let stage = Stage::new().await;
    let order = stage.confirmed().await;
    let admin = identity(Role::Admin);
    let saga = stage
        .get(&format!("/api/orders/{order}/saga"), &admin)
        .await
        .body["id"]
        .clone();
    let path = format!("/api/sagas/{}/compensate", saga.as_str().unwrap());
    let answer = stage.post(&path, &admin, &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body["state"].as_str()),
        (200, Some("compensating"))
    );
    for key in [
        "driver.cancel_delivery",
        "payment.refund",
        "restaurant.cancel_ticket",
    ] {
        stage.done(key).await;
    }
    assert_eq!(stage.status(order).await, "cancelled");
    assert_eq!(stage.post(&path, &admin, &json!({})).await.status, 409);
}
