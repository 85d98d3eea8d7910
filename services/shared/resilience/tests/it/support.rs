//! A real Redis for each test, under names of its own, and a cable to it that can be cut.

use std::sync::Arc;
use std::time::Duration;

use quickbite_resilience::{Clock, Redis, SystemClock};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

fn url() -> String {
    std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL must name a Redis server, e.g. redis://127.0.0.1:6379")
}

/// Connected to the server.
pub(crate) async fn redis() -> Redis {
    connect(&url()).await
}

async fn connect(url: &str) -> Redis {
    let redis = Redis::connect(&SecretString::from(url)).expect("a Redis URL");
    tokio::time::timeout(Duration::from_secs(5), redis.ready())
        .await
        .expect("Redis answers within 5 s");
    redis
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// A key that no other test or run uses.
pub(crate) fn unique(name: &str) -> String {
    format!("test:{name}:{}", uuid::Uuid::now_v7())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nothing gets through, nothing is closed.
    Silent,
    /// Every connection is closed, new ones too.
    Cut,
}

/// A TCP relay before the server.
pub(crate) struct Cable {
    state: watch::Sender<State>,
    url: String,
}

impl Cable {
    pub(crate) async fn laid() -> Self {
        let mut target = url::Url::parse(&url()).expect("a URL");
        let server = format!(
            "{}:{}",
            target.host_str().unwrap_or("127.0.0.1"),
            target.port().unwrap_or(6379)
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        target.set_host(Some("127.0.0.1")).expect("a host");
        target.set_port(Some(port)).expect("a port");
        let (state, watched) = watch::channel(State::Whole);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server.clone(), watched.clone()));
            }
        });
        Self {
            state,
            url: target.to_string(),
        }
    }

    pub(crate) async fn redis(&self) -> Redis {
        connect(&self.url).await
    }

    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn relay(client: TcpStream, server: String, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut ending = state.clone();
    tokio::select! {
        () = pump(from_client, to_server, state.clone()) => {}
        () = pump(from_server, to_client, state) => {}
        _ = ending.wait_for(|s| *s == State::Cut) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|s| *s != State::Silent).await.is_err()
            || to.write_all(&buffer[..n]).await.is_err()
        {
            return;
        }
    }
}
