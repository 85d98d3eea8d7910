//! A wire to the broker that a test can cut, and whose answers it can swallow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
struct Wire {
    cut: Arc<AtomicBool>,
    deaf: Arc<AtomicBool>,
    alive: Arc<std::sync::Mutex<CancellationToken>>,
}

pub(crate) struct Proxy {
    wire: Wire,
    url: String,
}

impl Proxy {
    /// A wire to the broker at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let mut parsed = url::Url::parse(url).unwrap();
        let target = format!(
            "{}:{}",
            parsed.host_str().unwrap(),
            parsed.port().unwrap_or(5672)
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        parsed.set_host(Some("127.0.0.1")).unwrap();
        parsed
            .set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let wire = Wire::default();
        tokio::spawn(serve(listener, target, wire.clone()));
        Self {
            wire,
            url: parsed.into(),
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Breaks every connection and lets no new one through.
    pub(crate) fn cut(&self) {
        self.wire.cut.store(true, Ordering::SeqCst);
        self.wire.alive.lock().unwrap().cancel();
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        *self.wire.alive.lock().unwrap() = CancellationToken::new();
        self.wire.cut.store(false, Ordering::SeqCst);
    }

    /// Swallows what the broker says on connections that there are; new ones are whole.
    pub(crate) fn deafen(&self) {
        self.wire.deaf.store(true, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, target: String, wire: Wire) {
    while let Ok((client, _)) = listener.accept().await {
        if wire.cut.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(server) = TcpStream::connect(&target).await else {
            continue;
        };
        wire.deaf.store(false, Ordering::SeqCst);
        let alive = wire.alive.lock().unwrap().clone();
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        tokio::spawn(copy(
            client_read,
            server_write,
            alive.clone(),
            Arc::default(),
        ));
        tokio::spawn(copy(server_read, client_write, alive, wire.deaf.clone()));
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    alive: CancellationToken,
    deaf: Arc<AtomicBool>,
) {
    let mut buffer = [0; 8192];
    loop {
        let read = tokio::select! {
            () = alive.cancelled() => return,
            read = from.read(&mut buffer) => read,
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(_) if deaf.load(Ordering::SeqCst) => {}
            Ok(length) => {
                if to.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
