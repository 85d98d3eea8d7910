//! Over a real socket: slow clients, bodies that nobody reads, the drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::SERVICE;
use crate::health::Health;
use crate::server::{ServerArgs, serve_on};

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

async fn start(routes: Router, stop: CancellationToken) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let args = ServerArgs {
        http_addr: None,
        metrics_addr: address,
        drain_delay_seconds: 0,
    };
    let serving = serve_on(
        listener,
        SERVICE,
        args,
        Health::new(),
        None,
        routes,
        stop.clone(),
    );
    Running {
        address,
        stop,
        ended: tokio::spawn(serving),
    }
}

impl Running {
    async fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn ends_soon(self) {
        let ended = tokio::time::timeout(Duration::from_secs(5), self.ended).await;
        ended.expect("drained in time").unwrap().unwrap();
    }
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .expect("the end")
        .unwrap();
    text
}

fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// `/slow` answers once it is told to.
fn slow(started: &Arc<Notify>, go: &Arc<Notify>) -> Router {
    let (started, go) = (Arc::clone(started), Arc::clone(go));
    let wait = move || async move {
        started.notify_one();
        go.notified().await;
        "done"
    };
    Router::new().route("/slow", routing::get(wait.clone()).post(wait))
}

#[tokio::test]
async fn a_request_that_runs_when_the_drain_begins_is_answered() {
    for method in ["GET", "POST"] {
        let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let running = start(slow(&started, &go), CancellationToken::new()).await;
        let stream = running.connect(&request(method, "/slow")).await;
        started.notified().await;
        running.stop.cancel();
        tokio::time::sleep(Duration::from_millis(50)).await;
        go.notify_one();
        let answer = read_all(stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
            "{answer}"
        );
        running.ends_soon().await;
    }
}

#[tokio::test]
async fn an_answer_during_the_drain_closes_its_connection() {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let running = start(slow(&started, &go), CancellationToken::new()).await;
    let ask = "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let stream = running.connect(ask).await;
    started.notified().await;
    running.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    go.notify_one();
    let answer = read_all(stream).await.to_ascii_lowercase();
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    running.ends_soon().await;
}

#[tokio::test]
async fn whoever_asks_nothing_is_not_waited_for() {
    let running = start(Router::new(), CancellationToken::new()).await;
    let ends = ["", "P", "PRI * HTTP/2.0\r\n", "GET / HT"].map(async |first| {
        let mut stream = running.connect(first).await;
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let ended = tokio::time::timeout(Duration::from_secs(60), end).await;
        assert!(ended.is_ok(), "no end after {first:?}");
    });
    futures::future::join_all(ends).await;
}

#[tokio::test]
async fn after_the_drain_began_nobody_new_is_let_in() {
    let running = start(Router::new(), CancellationToken::new()).await;
    let address = running.address;
    running.stop.cancel();
    running.ends_soon().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_write_whose_client_is_gone_is_finished_before_the_end() {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let running = start(slow(&started, &go), CancellationToken::new()).await;
    let stream = running.connect(&request("POST", "/slow")).await;
    started.notified().await;
    drop(stream);
    running.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!running.ended.is_finished(), "it waits for the write");
    go.notify_one();
    running.ends_soon().await;
}

#[tokio::test]
async fn streams_end_with_the_token_and_do_not_hold_the_drain() {
    let stop = CancellationToken::new();
    let until = stop.clone();
    let stream = move || async move {
        let tokens = futures::stream::iter([Ok::<_, std::io::Error>("first")])
            .chain(futures::stream::pending())
            .take_until(until.cancelled_owned());
        Body::from_stream(tokens)
    };
    let routes = Router::new().route("/stream", routing::get(stream));
    let running = start(routes, stop).await;
    let mut client = running.connect(&request("GET", "/stream")).await;
    let mut head = [0; 12];
    client.read_exact(&mut head).await.unwrap();
    running.stop.cancel();
    assert!(read_all(client).await.contains("first"));
    running.ends_soon().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_drain() {
    let running = start(Router::new(), CancellationToken::new()).await;
    let _idle = TcpStream::connect(running.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop.cancel();
    running.ends_soon().await;
}

#[tokio::test]
async fn garbage_instead_of_http_is_refused_and_the_server_lives_on() {
    let running = start(Router::new(), CancellationToken::new()).await;
    for garbage in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let _ = read_all(running.connect(garbage).await).await;
    }
    let answer = read_all(running.connect(&request("GET", "/livez")).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Larger than what the sockets' buffers hold, so that it can't be sent unless it is read.
const FAR_TOO_LARGE: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn a_body_that_is_refused_early_is_read_to_its_end_and_the_connection_goes_on() {
    let running = start(
        Router::new().route("/", routing::get(|| async { "next" })),
        CancellationToken::new(),
    )
    .await;
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {FAR_TOO_LARGE}\r\n\r\n");
    let mut stream = running.connect(&head).await;

    stream.write_all(&vec![b'x'; FAR_TOO_LARGE]).await.unwrap();
    stream
        .write_all(request("GET", "/").as_bytes())
        .await
        .unwrap();

    let answers = read_all(stream).await;
    assert!(answers.starts_with("HTTP/1.1 413 "), "{answers}");
    assert!(answers.ends_with("next"), "{answers}");
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_refused_without_being_told_to_go_on() {
    let running = start(Router::new(), CancellationToken::new()).await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {FAR_TOO_LARGE}\r\n\r\n"
    );

    let answer = read_all(running.connect(&head).await).await;

    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}
