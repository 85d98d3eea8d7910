//! Who is told what, over which channel; event consumers.
//!
//! A fact becomes notifications in one transaction (`events → rules → store`); a worker brings them out over the
//! channels, retries, and dead-letters what cannot be delivered.

pub mod channels;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod routes;
pub mod state;
pub mod store;
pub mod wakes;
pub mod worker;

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::{Clock, Health};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use channels::{Channel, Email, InApp, Webhooks};
use config::{ChannelArgs, SERVICE, ServeArgs};
use events::Facts;
use state::AppState;
use store::{MIGRATOR, Store};
use wakes::Wakes;
use worker::Worker;

/// Facts that are handled at the same time.
const PREFETCH: u16 = 20;
/// How long background work may take to end after the last request.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The service's OpenAPI document.
pub fn openapi() -> OpenApi {
    document().1
}

/// All routes with their document, over `state`.
pub fn router(state: AppState) -> Router {
    let (routes, document) = document();
    routes
        .with_state(state)
        .merge(quickbite_http::openapi::router(document))
}

fn document() -> (Router<AppState>, OpenApi) {
    let (routes, paths) = routes::router().split_for_parts();
    let info = InfoBuilder::new()
        .title("QuickBite notification-service")
        .version(SERVICE.version)
        .build();
    (routes, OpenApiBuilder::from(paths).info(info).build())
}

/// The channels that this configuration has; in-app is always one.
///
/// # Errors
/// When the mail server's URL, the sender or the TLS roots cannot be used.
pub fn channels(
    args: &ChannelArgs,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<Vec<Box<dyn Channel>>> {
    let mut channels: Vec<Box<dyn Channel>> = vec![Box::new(InApp::new(store.clone()))];
    if let Some(url) = &args.smtp_url {
        channels.push(Box::new(Email::new(url, &args.mail_from)?));
    }
    let webhooks =
        Webhooks::new(args.reach(), clock.clone()).context("the webhook client cannot be made")?;
    channels.push(Box::new(webhooks));
    Ok(channels)
}

/// Serves until SIGTERM.
///
/// # Errors
/// When the configuration cannot be used or an address is taken. A store or broker that is away is no error: the
/// process is unready until it comes.
pub async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
    let pool = quickbite_postgres::connect_lazy(&args.postgres)?;
    let store = Store::new(pool.clone());
    let channels = channels(&args.channels, &store, &clock)?;
    let worker = Worker::new(
        store.clone(),
        channels,
        args.channels.retry_rules(),
        clock.clone(),
    );
    let broker = Broker::connect(&args.amqp, SERVICE.name);
    let stop = CancellationToken::new();
    let state = AppState {
        store,
        wakes: Wakes::default(),
        reach: args.channels.reach(),
        clock,
        draining: stop.clone(),
    };

    let last = CancellationToken::new();
    let tasks = spawn_background(&state, &worker, &broker, &stop, &last);

    let health = health(pool, broker);
    quickbite_http::serve(
        SERVICE,
        args.server,
        health,
        Some(verifier),
        router(state),
        stop.clone(),
    )
    .await?;
    stop.cancel();
    last.cancel();
    if tokio::time::timeout(STOP_WITHIN, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("background work did not end within {STOP_WITHIN:?}");
    }
    Ok(())
}

/// Starts what runs beside the requests. Consumer and worker end with `stop`; the relay sends what they enqueued
/// last, so it ends with `last`.
pub fn spawn_background(
    state: &AppState,
    worker: &Worker,
    broker: &Broker,
    stop: &CancellationToken,
    last: &CancellationToken,
) -> TaskTracker {
    let tasks = TaskTracker::new();
    let pool = state.store.pool().clone();
    tasks.spawn(Relay::new(pool.clone(), broker.clone(), SERVICE.name).run(last.clone()));
    tasks.spawn(state.wakes.clone().run(pool, worker.clone(), stop.clone()));
    tasks.spawn(worker.clone().run(stop.clone()));
    let facts = Facts {
        store: state.store.clone(),
        worker: worker.clone(),
        clock: state.clock.clone(),
    };
    let (consumer, ended) = (broker.clone(), stop.clone());
    tasks.spawn(async move {
        consumer
            .consume(queue::NOTIFICATION_FACTS, PREFETCH, facts, ended)
            .await
    });
    tasks.close();
    tasks
}

/// PostgreSQL is needed; without the broker inboxes are still read, so it only degrades.
fn health(pool: sqlx::PgPool, broker: Broker) -> Health {
    Health::new()
        .check("postgres", move || {
            let pool = pool.clone();
            async move {
                let ready = quickbite_postgres::schema_ready(&pool, &MIGRATOR).await?;
                anyhow::ensure!(ready, "migrations have not run yet");
                Ok(())
            }
        })
        .optional("rabbitmq", move || {
            let broker = broker.clone();
            async move { Ok(broker.health().await?) }
        })
}
