//! Restaurants, embedded menus, text and geo search.
//!
//! `routes → domain ← store`, with the `catalogue` between routes and store: it owns the cache, and
//! that a write is followed by its invalidation. This file wires them.

pub mod catalogue;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod routes;
pub mod state;
pub mod store;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use quickbite_auth::Clock;
use quickbite_events::{Broker, queue};
use quickbite_http::idempotency::IdempotencyStore;
use quickbite_http::{Health, openapi, shutdown};
use quickbite_resilience::Redis;
use quickbite_resilience::cache::CacheAside;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use catalogue::Catalogue;
use config::{SERVICE, ServeArgs};
use events::Commands;
use state::AppState;
use store::Mongo;
use store::idempotency::MongoIdempotency;
use store::outbox::Outbox;
use store::restaurants::RestaurantStore;
use store::tickets::TicketStore;

/// Commands that are worked on at the same time.
const PREFETCH: u16 = 32;

/// The routes with their state, as served behind the shared layers.
pub fn api(state: AppState, idempotency: Arc<dyn IdempotencyStore>) -> Router {
    let (router, document) = routes::router(idempotency)
        .with_state(state)
        .split_for_parts();
    router.merge(openapi::router(routes::described(document)))
}

/// Runs relay and consumer in the background until `cancel`.
pub fn spawn_messaging(
    tasks: &TaskTracker,
    broker: &Broker,
    outbox: Outbox,
    tickets: TicketStore,
    clock: &Clock,
    cancel: &CancellationToken,
) {
    tasks.spawn(outbox.relay(broker.clone(), clock.clone(), cancel.clone()));
    let (broker, cancel) = (broker.clone(), cancel.clone());
    tasks.spawn(async move {
        broker
            .consume(
                queue::RESTAURANT_COMMANDS,
                PREFETCH,
                Commands::new(tickets),
                cancel,
            )
            .await;
    });
}

/// Serves until SIGTERM.
///
/// # Errors
/// When the configuration is wrong or an address cannot be listened on; never because a store is away.
pub async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let stop = shutdown::on_signal();
    let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
    let mongo = Mongo::connect(&args.mongo.mongodb_uri)
        .await
        .context("MONGODB_URI")?;
    let redis = Redis::connect(&args.redis_url).context("REDIS_URL")?;
    let broker = Broker::connect(&args.amqp, SERVICE.name);

    let outbox = Outbox::new(&mongo);
    let restaurants = RestaurantStore::new(mongo.clone(), outbox.clone());
    let tickets = TicketStore::new(mongo.clone(), outbox.clone(), clock.clone());
    let tasks = TaskTracker::new();
    spawn_messaging(&tasks, &broker, outbox, tickets, &clock, &stop);

    let cache = CacheAside::new(redis.clone());
    let catalogue = Catalogue::new(restaurants, cache, args.cache, clock.clone());
    let idempotency = Arc::new(MongoIdempotency::new(&mongo, clock.clone()));
    let routes = api(AppState { catalogue, clock }, idempotency);
    let health = health(mongo, redis, broker);
    quickbite_http::serve(SERVICE, args.server, health, Some(verifier), routes, stop).await?;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Without MongoDB nothing works; without Redis reads are slower; without the broker messages wait.
fn health(mongo: Mongo, redis: Redis, broker: Broker) -> Health {
    Health::new()
        .check("mongodb", move || {
            let mongo = mongo.clone();
            async move { store::migrate::schema_ready(&mongo).await }
        })
        .optional("redis", move || {
            let up = redis.is_up();
            async move { up.then_some(()).context("no connection") }
        })
        .optional("rabbitmq", move || {
            let broker = broker.clone();
            async move { Ok(broker.health().await?) }
        })
}
