//! What order-service knows of restaurants and addresses.

use std::time::Duration;

use quickbite_events::Outgoing;
use quickbite_events::payload::restaurant::{Closed, Deleted, RestaurantSnapshot};
use quickbite_events::payload::user::{AddressDeleted, AddressSaved};
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Stage, address, eventually, opened};

fn closed(restaurant: &RestaurantSnapshot, version: i64) -> Outgoing {
    let snapshot = RestaurantSnapshot {
        open: false,
        version,
        ..restaurant.clone()
    };
    Outgoing::event(snapshot.restaurant_id, version, &Closed(snapshot))
}

impl Stage {
    async fn refusal(&self) -> (u16, String) {
        let answer = self.post("/api/orders", &self.customer, &self.cart()).await;
        (
            answer.status.as_u16(),
            answer.body["code"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

#[tokio::test]
async fn an_order_waits_a_moment_for_a_restaurant_that_just_opened() {
    let stage = Stage::waiting(Duration::from_secs(30)).await;
    let later = async {
        eventually("the order waits", || async {
            stage.app.live.listeners() > 0
        })
        .await;
        stage.tell(&opened(&stage.restaurant)).await;
    };
    let (order, ()) = tokio::join!(stage.place(), later);
    assert_eq!(stage.order(order).await["status"], "pending");
}

#[tokio::test]
async fn a_restaurant_that_is_unknown_closed_or_deleted_serves_nobody() {
    let stage = Stage::empty().await;
    assert_eq!(stage.refusal().await, (404, "restaurant_not_found".into()));
    stage.tell(&closed(&stage.restaurant, 4)).await;
    assert_eq!(stage.refusal().await, (422, "restaurant_closed".into()));
    // What is older than what is known changes nothing.
    stage.tell(&opened(&stage.restaurant)).await;
    assert_eq!(stage.refusal().await, (422, "restaurant_closed".into()));
    let RestaurantSnapshot {
        restaurant_id,
        owner_id,
        ..
    } = stage.restaurant;
    stage
        .tell(&Outgoing::event(
            restaurant_id,
            5,
            &Deleted {
                restaurant_id,
                owner_id,
            },
        ))
        .await;
    assert_eq!(stage.refusal().await, (404, "restaurant_not_found".into()));
}

#[tokio::test]
async fn a_sold_out_item_is_refused_by_name() {
    let stage = Stage::empty().await;
    let mut restaurant = stage.restaurant.clone();
    restaurant.menu[1].available = false;
    stage.tell(&opened(&restaurant)).await;
    assert_eq!(stage.refusal().await, (422, "item_unavailable".into()));
}

#[tokio::test]
async fn a_saved_address_can_be_named_until_it_is_deleted_and_only_by_its_owner() {
    let stage = Stage::new().await;
    let (user_id, address_id) = (stage.customer.user_id, Uuid::now_v7());
    let mut cart = stage.cart();
    cart["deliveryAddress"] = json!(null);
    cart["addressId"] = json!(address_id);
    let saved = AddressSaved {
        user_id,
        address_id,
        address: address(),
    };
    let saved = Outgoing::event(address_id, 1, &saved);
    stage.tell(&saved).await;
    let placed = stage.post("/api/orders", &stage.customer, &cart).await;
    assert_eq!(placed.body["deliveryAddress"]["street"], "1 Test Street");
    let stranger = quickbite_http::testing::identity(quickbite_auth::Role::Customer);
    assert_eq!(
        stage.post("/api/orders", &stranger, &cart).await.body["code"],
        "address_not_found"
    );

    stage
        .tell(&Outgoing::event(
            address_id,
            2,
            &AddressDeleted {
                user_id,
                address_id,
            },
        ))
        .await;
    stage.tell(&saved).await;
    assert_eq!(
        stage
            .post("/api/orders", &stage.customer, &cart)
            .await
            .status,
        404
    );
}
