//! The HTTP contract: inbox, preferences, who may.

use quickbite_auth::Role;
use quickbite_http::testing::identity;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Cast, Stage};

const PREFERENCES: &str = "/api/notifications/preferences";

#[tokio::test]
async fn reading_takes_a_notification_out_of_the_unread_ones() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    stage.tell(&cast.created()).await;
    stage.tell(&cast.confirmed()).await;
    stage.deliver().await;
    let (_, unread) = stage
        .get("/api/notifications?unread=true", &cast.customer)
        .await;
    assert_eq!(unread["items"].as_array().unwrap().len(), 2);
    let path = format!(
        "/api/notifications/{}/read",
        unread["items"][0]["id"].as_str().unwrap()
    );
    assert_eq!(stage.post(&path, &cast.owner).await.0, 404, "not his");
    let (code, read) = stage.post(&path, &cast.customer).await;
    assert_eq!((code, &read["read"]), (200, &json!(true)));
    assert_eq!(
        stage.post(&path, &cast.customer).await.1["readAt"],
        read["readAt"],
        "the first time counts"
    );
    for (filter, count) in [("true", 1), ("false", 1)] {
        let (_, list) = stage
            .get(
                &format!("/api/notifications?unread={filter}"),
                &cast.customer,
            )
            .await;
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{filter}");
    }
}

#[tokio::test]
async fn the_inbox_is_paged_newest_first() {
    let (stage, mut cast) = (Stage::new().await, Cast::new());
    let customer = cast.customer;
    let mut orders = Vec::new();
    for _ in 0..5 {
        cast = Cast {
            customer,
            ..Cast::new()
        };
        stage.tell(&cast.created()).await;
        stage.deliver().await;
        orders.insert(0, json!(cast.order_id));
    }
    let (mut seen, mut path) = (Vec::new(), "/api/notifications?limit=2".to_owned());
    loop {
        let (_, page) = stage.get(&path, &customer).await;
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["orderId"].clone()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/notifications?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, orders);
}

#[tokio::test]
async fn preferences_hold_for_what_comes_after_them() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let defaults = json!({"inApp": true, "email": true, "webhook": null});
    assert_eq!(
        stage.get(PREFERENCES, &cast.customer).await,
        (200, defaults)
    );
    stage.tell(&cast.created()).await;
    let quiet = json!({"inApp": false, "email": false, "webhook": null});
    assert_eq!(
        stage.put(PREFERENCES, &cast.customer, quiet.clone()).await,
        (200, quiet.clone())
    );
    assert_eq!(stage.get(PREFERENCES, &cast.customer).await.1, quiet);
    stage.tell(&cast.confirmed()).await;
    stage.deliver().await;
    assert_eq!(stage.kinds(&cast.customer).await, ["order.created"]);
}

#[tokio::test]
async fn a_made_secret_is_shown_once_and_stays_with_its_url() {
    let (stage, who) = (Stage::new().await, identity(Role::Customer));
    let body = json!({"webhook": {"url": "https://hooks.example/a"}});
    let (_, made) = stage.put(PREFERENCES, &who, body.clone()).await;
    assert!(made["webhook"]["secret"].as_str().unwrap().len() >= 40);
    let shown = json!({"url": "https://hooks.example/a"});
    assert_eq!(stage.get(PREFERENCES, &who).await.1["webhook"], shown);
    assert_eq!(
        stage.put(PREFERENCES, &who, body).await.1["webhook"],
        shown,
        "kept, so not made again"
    );
    let other = json!({"webhook": {"url": "https://hooks.example/b"}});
    let (_, second) = stage.put(PREFERENCES, &who, other).await;
    assert_ne!(second["webhook"]["secret"], Value::Null);
}

#[tokio::test]
async fn garbage_is_refused_by_name_and_never_a_500() {
    let (stage, who) = (Stage::new().await, identity(Role::Driver));
    for body in [
        json!(7),
        json!({"inApp": "yes"}),
        json!({"webhook": "https://a.example"}),
        json!({"webhook": {"url": "nonsense"}}),
        json!({"webhook": {"url": "ftp://a.example/x"}}),
        json!({"webhook": {"url": "https://u:p@a.example/"}}),
        json!({"webhook": {"url": "https://a.example/", "secret": "short"}}),
    ] {
        assert_eq!(
            stage.put(PREFERENCES, &who, body.clone()).await.0,
            422,
            "{body}"
        );
    }
    for path in ["?unread=maybe", "?limit=0", "?cursor=nonsense"] {
        assert_eq!(
            stage
                .get(&format!("/api/notifications{path}"), &who)
                .await
                .0,
            422,
            "{path}"
        );
    }
    for id in ["nonsense".to_owned(), Uuid::now_v7().to_string()] {
        assert_eq!(
            stage
                .post(&format!("/api/notifications/{id}/read"), &who)
                .await
                .0,
            404
        );
    }
}

#[tokio::test]
async fn dead_letters_are_for_admins_and_nothing_is_for_strangers() {
    let stage = Stage::new().await;
    for role in [Role::Customer, Role::RestaurantOwner, Role::Driver] {
        assert_eq!(
            stage
                .get("/api/notifications/dead-letters", &identity(role))
                .await
                .0,
            403
        );
    }
    let admin = identity(Role::Admin);
    assert_eq!(
        stage.get("/api/notifications/dead-letters", &admin).await.0,
        200
    );
    let unknown = format!(
        "/api/notifications/dead-letters/{}/redeliver",
        Uuid::now_v7()
    );
    assert_eq!(stage.post(&unknown, &admin).await.0, 404);
    let anonymous = reqwest::get(format!("{}/api/notifications", stage.base))
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 401);
}
