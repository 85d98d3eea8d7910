use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures::{SinkExt, StreamExt};
use quickbite_auth::Role;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};
use uuid::Uuid;

use crate::identity::revoke;
use crate::support::{Backend, World, before, uri};

const SOON: Duration = Duration::from_secs(5);

/// Says hello and then nothing.
fn says_hello(backend: &Backend) {
    backend.behaves(|_| async {
        let first = futures::stream::once(async { Event::default().data("hello") });
        let events = first
            .chain(futures::stream::pending())
            .map(Ok::<_, Infallible>);
        Sse::new(events).into_response()
    });
}

async fn hear_hello(world: &World, token: Option<&str>) -> reqwest::Response {
    let mut request = world.http.get(world.url("/api/orders/1/stream"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let mut response = request.send().await.unwrap();
    let first = tokio::time::timeout(SOON, response.chunk()).await.unwrap();
    assert_eq!(first.unwrap().unwrap(), "data: hello\n\n");
    response
}

async fn ends_properly(mut stream: reqwest::Response) {
    let end = tokio::time::timeout(SOON, stream.chunk()).await.unwrap();
    assert!(matches!(end, Ok(None)), "a proper end, not {end:?}");
}

#[tokio::test]
async fn an_event_stream_passes_through_and_ends_with_the_drain() {
    let backend = Backend::start().await;
    says_hello(&backend);
    let world = before(&backend).start().await;
    let stream = hear_hello(&world, None).await;
    world.stop.cancel();
    ends_properly(stream).await;
}

#[tokio::test]
async fn an_event_stream_ends_with_its_token() {
    let backend = Backend::start().await;
    says_hello(&backend);
    let world = before(&backend).start().await;
    let token = world.token_for(Duration::from_secs(2), Uuid::now_v7(), Role::Customer);
    ends_properly(hear_hello(&world, Some(&token.text)).await).await;
}

#[tokio::test]
async fn an_event_stream_ends_with_its_session_and_others_go_on() {
    let backend = Backend::start().await;
    says_hello(&backend);
    let world = before(&backend).start().await;
    let (token, other) = (world.token(Role::Customer), world.token(Role::Customer));
    let stream = hear_hello(&world, Some(&token.text)).await;
    let mut others = hear_hello(&world, Some(&other.text)).await;
    revoke(&token.session.to_string()).await;
    ends_properly(stream).await;
    let more = tokio::time::timeout(Duration::from_millis(100), others.chunk()).await;
    assert!(more.is_err(), "still open, not {more:?}");
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

/// A driver-service whose socket sends back what it gets.
async fn echoing() -> SocketAddr {
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
    address
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn socket_of(world: &World, token: Option<&str>) -> Socket {
    let url = format!("ws://{}/ws/drivers/me", world.address);
    let mut request = url.into_client_request().unwrap();
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    let (mut socket, _) = connect_async(request).await.unwrap();
    for text in ["up", "and down"] {
        socket.send(Message::text(text)).await.unwrap();
        let echo = tokio::time::timeout(SOON, socket.next()).await.unwrap();
        assert_eq!(echo.unwrap().unwrap(), Message::text(text));
    }
    socket
}

async fn closes(mut socket: Socket) {
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|message| message.is_err() || message.unwrap().is_close()));
}

#[tokio::test]
async fn a_websocket_passes_through_and_ends_with_the_drain() {
    let backend = Backend::start().await;
    let address = echoing().await;
    let world = before(&backend)
        .upstreams(|u| u.upstream_driver = Some(uri(address)))
        .start()
        .await;
    let socket = socket_of(&world, None).await;
    world.stop.cancel();
    closes(socket).await;
}

#[tokio::test]
async fn a_websocket_ends_with_its_token_and_with_its_session() {
    for revoked in [false, true] {
        let backend = Backend::start().await;
        let address = echoing().await;
        let world = before(&backend)
            .upstreams(|u| u.upstream_driver = Some(uri(address)))
            .start()
            .await;
        let ttl = Duration::from_secs(if revoked { 600 } else { 2 });
        let token = world.token_for(ttl, Uuid::now_v7(), Role::Driver);
        let socket = socket_of(&world, Some(&token.text)).await;
        if revoked {
            revoke(&token.session.to_string()).await;
        }
        closes(socket).await;
    }
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
