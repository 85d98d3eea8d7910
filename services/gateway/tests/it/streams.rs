use std::convert::Infallible;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

use crate::support::{Backend, before, uri};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_event_stream_passes_through_and_ends_with_the_drain() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        let first = futures::stream::once(async { Event::default().data("hello") });
        let events = first
            .chain(futures::stream::pending())
            .map(Ok::<_, Infallible>);
        Sse::new(events).into_response()
    });
    let world = before(&backend).start().await;
    let request = world.http.get(world.url("/api/orders/1/stream"));
    let mut response = request.send().await.unwrap();
    let first = tokio::time::timeout(SOON, response.chunk()).await.unwrap();
    assert_eq!(first.unwrap().unwrap(), "data: hello\n\n");
    world.stop.cancel();
    let end = tokio::time::timeout(SOON, response.chunk()).await.unwrap();
    assert!(matches!(end, Ok(None)), "a proper end, not {end:?}");
}

#[tokio::test]
async fn an_event_stream_outlives_the_time_limit_for_answers() {
    let backend = Backend::start().await;
    backend.behaves(|_| async {
        let late = futures::stream::once(async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            Ok::<_, Infallible>(Event::default().data("late"))
        });
        Sse::new(late).into_response()
    });
    let world = before(&backend)
        .breaker(serde_json::json!({ "timeoutMs": 100 }))
        .start()
        .await;
    assert_eq!(
        world.get("/api/orders/1/stream").await.body,
        "data: late\n\n"
    );
}

#[tokio::test]
async fn a_websocket_passes_through_and_ends_with_the_drain() {
    let backend = Backend::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let world = before(&backend)
        .upstreams(|u| u.upstream_driver = Some(uri(address)))
        .start()
        .await;
    let url = format!("ws://{}/ws/drivers/me", world.address);
    let (mut socket, _) = connect_async(url).await.unwrap();
    for text in ["up", "and down"] {
        socket.send(Message::text(text)).await.unwrap();
        let echo = tokio::time::timeout(SOON, socket.next()).await.unwrap();
        assert_eq!(echo.unwrap().unwrap(), Message::text(text));
    }
    world.stop.cancel();
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|message| message.is_err() || message.unwrap().is_close()));
}

#[tokio::test]
async fn a_service_that_refuses_an_upgrade_is_heard() {
    let backend = Backend::start().await;
    backend.answers(401, serde_json::json!({}));
    let world = before(&backend).start().await;
    let url = format!("ws://{}/ws/drivers/me", world.address);
    let refused = connect_async(url).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");
}
