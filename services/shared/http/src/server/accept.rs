//! Listens, serves, drains.
//!
//! An accept loop of our own instead of `axum::serve`: that one has no time limit for request
//! headers (a client that sends one byte a minute would hold a connection for ever) and none for
//! the drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use quickbite_auth::InternalVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::app::tracked_app;
use super::args::{ServerArgs, Service};
use super::linger::lingering;
use crate::health::Health;
use crate::shutdown::signalled;

/// How long a client may take to send a request's head, the first one from the connection's begin.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// An HTTP/2 connection that is silent this long is asked whether somebody is there.
const PING_AFTER: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// More wait in the kernel's queue. Each costs a file descriptor and some buffers.
const MOST_CONNECTIONS: usize = 10_000;
/// What still runs this long after the drain began is dropped.
const DRAIN_CAP: Duration = Duration::from_secs(25);

/// Serves `routes` until SIGTERM, SIGINT or a cancelled `stop`, then drains: unready, wait for
/// `DRAIN_DELAY_SECONDS`, cancel `stop` (streams end), finish what runs, 25 s at most.
///
/// # Errors
/// When an address cannot be listened on.
pub(crate) async fn serve(
    service: Service,
    args: ServerArgs,
    health: Health,
    verifier: Option<InternalVerifier>,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address = args.http_addr(&service);
    let listener = listen(address, "HTTP_ADDR").await?;
    let metrics = listen(args.metrics_addr, "METRICS_ADDR").await?;
    tokio::spawn(async move { axum::serve(metrics, metrics_router()).await });
    tracing::info!(%address, version = service.version, "listening");
    serve_on(listener, service, args, health, verifier, routes, stop).await
}

/// [`serve`] on a listener that is there already, and without metrics; for tests.
///
/// # Errors
/// None at present.
pub(crate) async fn serve_on(
    listener: TcpListener,
    service: Service,
    args: ServerArgs,
    health: Health,
    verifier: Option<InternalVerifier>,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let writes = TaskTracker::new();
    let app = tracked_app(service, &health, verifier, routes, writes.clone());
    let connections = GracefulShutdown::new();
    let draining = CancellationToken::new();
    let drain = async {
        tokio::select! {
            () = signalled() => {}
            () = stop.cancelled() => {}
        }
        health.drain();
        draining.cancel();
        tracing::info!(delay = ?args.drain_delay(), "draining");
        tokio::time::sleep(args.drain_delay()).await;
        stop.cancel();
    };
    tokio::select! {
        () = accept(&listener, &app, &connections, &draining) => {}
        () = drain => {}
    }
    drop(listener);
    let finished = async {
        connections.shutdown().await;
        writes.close();
        writes.wait().await;
    };
    match tokio::time::timeout(DRAIN_CAP, finished).await {
        Ok(()) => tracing::info!("drained"),
        Err(_) => tracing::warn!("dropped what still ran after {DRAIN_CAP:?}"),
    }
    Ok(())
}

async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({variable})"))
}

fn metrics_router() -> Router {
    let exposition = || async {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        (
            [(header::CONTENT_TYPE, kind)],
            quickbite_telemetry::metrics::encode(),
        )
    };
    Router::new().route("/metrics", get(exposition))
}

async fn accept(
    listener: &TcpListener,
    app: &Router,
    connections: &GracefulShutdown,
    draining: &CancellationToken,
) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN);
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return; // only a closed semaphore refuses, and nobody closes it
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let client = (stream, peer, place);
                converse(client, app, connections, draining, &builder);
            }
            // Out of file descriptors, mostly: give connections time to end.
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn converse(
    (stream, peer, place): (TcpStream, SocketAddr, OwnedSemaphorePermit),
    app: &Router,
    connections: &GracefulShutdown,
    draining: &CancellationToken,
    builder: &Builder<TokioExecutor>,
) {
    // Small answers must not wait for a full packet.
    let _ = stream.set_nodelay(true);
    let (app, draining) = (app.clone(), draining.clone());
    let begun = CancellationToken::new();
    let has_begun = begun.clone();
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        begun.cancel();
        let (mut head, body) = request.into_parts();
        head.extensions.insert(ConnectInfo(peer));
        let body = lingering(&head.headers, body);
        let persistent = head.version <= http::Version::HTTP_11;
        let answer = app.clone().oneshot(hyper::Request::from_parts(head, body));
        let draining = draining.clone();
        async move {
            let mut response = answer.await?;
            // Whoever pools this connection must not send its next request into the end of it.
            if persistent
                && draining.is_cancelled()
                && response.status() != StatusCode::SWITCHING_PROTOCOLS
            {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), answer)
        .into_owned();
    let connection = connections.watch(connection);
    // Until the first request nothing in hyper limits the time: it first reads which HTTP it is.
    let silent = async move {
        let begun = tokio::time::timeout(HEADER_TIMEOUT, has_begun.cancelled()).await;
        if begun.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::spawn(async move {
        let _place = place;
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::debug!(error = &*error, "a connection broke");
            },
            () = silent => tracing::debug!("a connection on which nobody asked anything"),
        }
    });
}
