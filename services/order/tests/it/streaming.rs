//! The live stream: across replicas, resumed, with the driver's positions.

use std::env;
use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;
use http::{HeaderValue, Method};
use redis::AsyncCommands;
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use crate::stage::Stage;

struct Events {
    body: BodyDataStream,
    buffer: String,
}

struct Event {
    name: String,
    id: Option<i64>,
    data: Value,
}

impl Events {
    async fn open(stage: &Stage, order: Uuid, after: Option<&'static str>) -> Self {
        let path = format!("/api/orders/{order}/stream");
        let mut request = stage.request(Method::GET, &path, &stage.customer, None);
        if let Some(id) = after {
            request
                .headers_mut()
                .insert("last-event-id", HeaderValue::from_static(id));
        }
        let response = stage.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body().into_data_stream(),
            buffer: String::new(),
        }
    }

    /// The next event; `None` at the stream's end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                        .map(str::trim)
                };
                let event = field("event").map(|name| Event {
                    name: name.to_owned(),
                    id: field("id").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(field("data").unwrap()).unwrap(),
                });
                self.buffer = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.body.next())
                .await
                .expect("an event in 10 s");
            self.buffer
                .push_str(std::str::from_utf8(&chunk?.unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_on_one_replica_shows_what_another_does_and_ends_with_the_order() {
    let stage = Stage::new().await;
    let other = stage.replica();
    let order = stage.confirmed().await;
    let mut events = Events::open(&other, order, None).await;
    let snapshot = events.next().await.unwrap();
    assert_eq!(
        (snapshot.name.as_str(), snapshot.data["status"].as_str()),
        ("snapshot", Some("confirmed"))
    );
    stage.kitchen(order, "preparing").await;
    let change = events.next().await.unwrap();
    assert_eq!(
        (change.name.as_str(), change.data["status"].as_str()),
        ("status", Some("preparing"))
    );
    assert_eq!(change.id, Some(snapshot.id.unwrap() + 1));
    stage.bring(order).await;
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event.data["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        seen,
        [
            "order.driver_assigned",
            "order.picked_up",
            "order.delivered"
        ]
    );
}

#[tokio::test]
async fn a_stream_that_is_resumed_gets_what_it_missed_and_nothing_twice() {
    let stage = Stage::new().await;
    let order = stage.confirmed().await;
    stage.kitchen(order, "preparing").await;
    // 1 created, 2 accepted, 3 confirmed, 4 preparing
    let mut events = Events::open(&stage, order, Some("2")).await;
    let ids = [
        events.next().await.unwrap().id,
        events.next().await.unwrap().id,
    ];
    assert_eq!(ids, [Some(3), Some(4)]);
    stage.kitchen(order, "ready").await;
    assert_eq!(events.next().await.unwrap().id, Some(5));
    let made_up = Events::open(&stage, order, Some("99"))
        .await
        .next()
        .await
        .unwrap();
    assert_eq!(made_up.name, "snapshot");
}

#[tokio::test]
async fn a_stream_shows_where_the_driver_is() {
    let url = env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL must name a Redis for this test");
    let stage = Stage::new().await;
    let order = stage.confirmed().await;
    let follow = stage
        .app
        .live
        .clone()
        .follow_positions(url.clone().into(), stage.cancel.clone());
    tokio::spawn(follow);
    let mut events = Events::open(&stage, order, None).await;
    events.next().await.unwrap();
    let mut redis = redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let tell = async {
        loop {
            let position =
                serde_json::json!({"orderId": order, "lat": 48.1, "lng": 11.2, "seq": 1})
                    .to_string();
            let _: i64 = redis
                .publish(format!("positions:{order}"), position)
                .await
                .unwrap();
            let _: i64 = redis
                .publish(format!("positions:{}", Uuid::now_v7()), "{}")
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let event = tokio::select! {
        event = events.next() => event.unwrap(),
        () = tell => unreachable!("it tells for ever"),
    };
    assert_eq!(
        (event.name.as_str(), event.data["lat"].as_f64(), event.id),
        ("position", Some(48.1), None)
    );
}

#[tokio::test]
async fn a_stream_ends_when_the_process_drains() {
    let stage = Stage::new().await;
    let order = stage.place().await;
    let mut events = Events::open(&stage, order, None).await;
    events.next().await.unwrap();
    stage.cancel.cancel();
    assert!(events.next().await.is_none());
}
