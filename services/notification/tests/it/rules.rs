//! Facts become notifications, once.

use quickbite_events::payload::{restaurant, user};
use quickbite_events::{Handler, HandlerError, Outgoing};
use quickbite_notification::events::Facts;
use serde_json::json;

use crate::stage::{Cast, Stage, registered};

#[tokio::test]
async fn each_step_is_told_to_its_people_and_the_newest_comes_first() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    stage.tell(&registered(&cast.customer)).await;
    for fact in [cast.created(), cast.confirmed(), cast.delivered()] {
        stage.tell(&fact).await;
        stage.deliver().await;
    }
    assert_eq!(
        stage.kinds(&cast.customer).await,
        [
            "order.delivered",
            "order.confirmed",
            "order.created",
            "user.registered"
        ]
    );
    assert_eq!(
        stage.kinds(&cast.owner).await,
        ["order.delivered", "order.confirmed", "order.created"]
    );
    assert!(stage.kinds(&cast.driver).await.is_empty());
}

#[tokio::test]
async fn a_doubled_fact_is_told_once_also_when_both_come_at_the_same_time() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let other = stage.replica().await;
    let fact = cast.created();
    let copies = (0..10).map(|n| if n % 2 == 0 { &stage } else { &other }.tell(&fact));
    futures::future::join_all(copies).await;
    tokio::join!(stage.deliver(), other.deliver());
    assert_eq!(stage.kinds(&cast.customer).await, ["order.created"]);
    assert_eq!(
        stage.sent().await,
        ["notification.sent", "notification.sent"]
    );
}

#[tokio::test]
async fn the_restaurants_newest_name_is_in_the_text_whatever_order_facts_came_in() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    for (name, version) in [("Pizza Due", 2), ("Pizza Uno", 1)] {
        let snapshot: restaurant::RestaurantSnapshot = serde_json::from_value(json!({
            "restaurantId": cast.restaurant_id, "ownerId": cast.owner.user_id, "name": name, "currency": "EUR",
            "open": true, "autoAccept": true, "menu": [], "version": version, "address": {"street": "Main 1",
            "city": "Berlin", "postalCode": "10115", "location": {"lat": 52.5, "lng": 13.4}},
        }))
        .unwrap();
        stage
            .tell(&Outgoing::event(
                cast.restaurant_id,
                version,
                &restaurant::Updated(snapshot),
            ))
            .await;
    }
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    let (_, list) = stage.get("/api/notifications", &cast.customer).await;
    assert_eq!(
        list["items"][0]["body"],
        json!("We sent your order of 12.99 EUR to Pizza Due.")
    );
    assert_eq!(list["items"][0]["orderId"], json!(cast.order_id));
}

#[tokio::test]
async fn a_disabled_account_is_told_nothing_even_if_its_registration_comes_late() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let user_id = cast.customer.user_id;
    stage
        .tell(&Outgoing::event(user_id, 2, &user::Disabled { user_id }))
        .await;
    stage.tell(&registered(&cast.customer)).await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    assert!(stage.kinds(&cast.customer).await.is_empty());
    assert_eq!(stage.kinds(&cast.owner).await.len(), 1);
}

#[tokio::test]
async fn a_fact_of_another_shape_is_poison_and_an_unknown_one_is_nothing() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let facts = Facts {
        store: stage.app.store.clone(),
        worker: stage.worker.clone(),
        clock: stage.app.clock.clone(),
    };
    let mut broken = cast.created().envelope;
    broken.data = json!({"orderId": 7});
    assert!(matches!(
        facts.handle(broken).await,
        Err(HandlerError::Poison(_))
    ));
    let mut unknown = cast.created().envelope;
    unknown.kind = "order.teleported".into();
    assert!(facts.handle(unknown).await.is_ok());
}
