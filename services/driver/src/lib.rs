//! Drivers, shifts, offers, deliveries, live positions.
//!
//! `routes → domain ← store`, wired here. PostgreSQL holds the truth, Redis an index of who is where and the channel of
//! live positions, RabbitMQ brings the order saga's commands and takes the facts.

pub mod config;
pub mod dispatcher;
pub mod domain;
pub mod error;
pub mod events;
pub mod push;
pub mod routes;
pub mod state;
pub mod store;

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::{Clock, Health};
use quickbite_resilience::Redis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use config::{SERVICE, ServeArgs};
use dispatcher::Dispatcher;
use events::{Commands, Facts};
use push::Push;
use state::AppState;
use store::{DriverIndex, MIGRATOR, Store};

/// Messages of one queue that are handled at the same time.
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
        .title("QuickBite driver-service")
        .version(SERVICE.version)
        .build();
    (routes, OpenApiBuilder::from(paths).info(info).build())
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
    let redis = Redis::connect(&args.redis_url).context("REDIS_URL")?;
    let broker = Broker::connect(&args.amqp, SERVICE.name);
    let stop = CancellationToken::new();
    let store = Store::new(pool.clone());
    let index = DriverIndex::new(redis.clone(), "");
    let dispatcher = Dispatcher::new(store, index, args.dispatch.into(), clock.clone());
    let state = AppState {
        dispatcher,
        push: Push::default(),
        clock,
        draining: stop.clone(),
    };

    let last = CancellationToken::new();
    let tasks = spawn_background(&state, &broker, &stop, &last);

    let health = health(pool, redis, broker);
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

/// Starts what runs beside the requests. Consumers and the sweep end with `stop`; the relay sends what the last
/// requests enqueued, so it ends with `last`.
pub fn spawn_background(
    state: &AppState,
    broker: &Broker,
    stop: &CancellationToken,
    last: &CancellationToken,
) -> TaskTracker {
    let tasks = TaskTracker::new();
    let (dispatcher, clock) = (state.dispatcher.clone(), state.clock.clone());
    let pool = state.store().pool().clone();
    tasks.spawn(Relay::new(pool.clone(), broker.clone(), SERVICE.name).run(last.clone()));
    tasks.spawn(state.push.clone().run(pool, stop.clone()));
    tasks.spawn(dispatcher.clone().run(stop.clone()));
    let commands = Commands {
        dispatcher: dispatcher.clone(),
        clock: clock.clone(),
    };
    let facts = Facts { dispatcher, clock };
    let (commanded, ended) = (broker.clone(), stop.clone());
    tasks.spawn(async move {
        commanded
            .consume(queue::DRIVER_COMMANDS, PREFETCH, commands, ended)
            .await
    });
    let (followed, ended) = (broker.clone(), stop.clone());
    tasks.spawn(async move {
        followed
            .consume(queue::DRIVER_FACTS, PREFETCH, facts, ended)
            .await
    });
    tasks.close();
    tasks
}

/// PostgreSQL is needed; without Redis or the broker requests are still answered, so they only degrade.
fn health(pool: sqlx::PgPool, redis: Redis, broker: Broker) -> Health {
    Health::new()
        .check("postgres", move || {
            let pool = pool.clone();
            async move {
                let ready = quickbite_postgres::schema_ready(&pool, &MIGRATOR).await?;
                anyhow::ensure!(ready, "migrations have not run yet");
                Ok(())
            }
        })
        .optional("redis", move || {
            let up = redis.is_up();
            async move {
                anyhow::ensure!(up, "not connected");
                Ok(())
            }
        })
        .optional("rabbitmq", move || {
            let broker = broker.clone();
            async move { Ok(broker.health().await?) }
        })
}
