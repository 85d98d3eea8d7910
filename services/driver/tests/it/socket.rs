//! The driver's socket: offers down, positions up, across replicas, ended by the drain.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use quickbite_auth::Identity;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::stage::Stage;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(stage: &Stage, who: &Identity) -> Socket {
    let url = format!("{}/ws/drivers/me", stage.base.replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("authorization", stage.authorization(who).parse().unwrap());
    connect_async(request).await.unwrap().0
}

/// The next JSON message within five seconds.
async fn next(socket: &mut Socket) -> Value {
    let text = async {
        loop {
            match socket
                .next()
                .await
                .expect("the socket is open")
                .expect("a message")
            {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), text)
        .await
        .expect("a message came in time")
}

#[tokio::test]
async fn an_offer_made_by_one_replica_reaches_a_socket_on_another() {
    let stage = Stage::new().await;
    let other = stage.replica().await;
    let driver = stage.driver(100.0).await;
    let mut socket = open(&other, &driver).await;
    let (order_id, _) = stage.create().await;
    let offer = next(&mut socket).await;
    assert_eq!(
        (&offer["type"], &offer["offer"]["orderId"]),
        (&json!("offer"), &json!(order_id)),
        "{offer}"
    );
    let id = stage.accept(&driver).await;
    let taken = next(&mut socket).await;
    assert_eq!(
        (&taken["type"], &taken["delivery"]["status"]),
        (&json!("delivery"), &json!("assigned"))
    );
    assert_eq!(taken["delivery"]["id"], json!(id));
}

#[tokio::test]
async fn a_socket_that_opens_late_is_told_the_open_offer_and_its_end() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    stage.create().await;
    let id = stage.offer(&driver).await["deliveryId"].clone();
    let mut socket = open(&stage, &driver).await;
    assert_eq!(next(&mut socket).await["offer"]["deliveryId"], id);
    stage
        .push(
            &format!("/api/deliveries/{}/decline", id.as_str().unwrap()),
            &driver,
        )
        .await;
    assert_eq!(
        next(&mut socket).await,
        json!({"type": "offer_ended", "deliveryId": id})
    );
}

#[tokio::test]
async fn positions_go_up_and_nonsense_is_answered_without_closing() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let mut socket = open(&stage, &driver).await;
    let position = json!({"type": "location", "lat": 52.5, "lng": 13.4, "recordedAt": "2026-11-24T08:00:00Z", "seq": 1});
    for (up, down) in [
        (json!("nonsense"), "error"),
        (json!({"type": "location", "lat": 999}), "error"),
        (json!({"type": "dance"}), "error"),
        (position.clone(), "taken"),
        (position, "taken"),
    ] {
        socket.send(Message::text(up.to_string())).await.unwrap();
        let answer = next(&mut socket).await;
        assert_eq!(answer["type"], json!(down), "{up} → {answer}");
    }
    assert_eq!(
        stage
            .app
            .store()
            .driver(driver.user_id)
            .await
            .unwrap()
            .unwrap()
            .last_seq,
        Some(1)
    );
}

#[tokio::test]
async fn the_drain_ends_sockets_with_a_reason_to_come_back() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let mut socket = open(&stage, &driver).await;
    stage.stop.cancel();
    let close = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let Message::Close(Some(frame)) = close else {
        panic!("{close:?}")
    };
    assert_eq!(u16::from(frame.code), 1012);
}
