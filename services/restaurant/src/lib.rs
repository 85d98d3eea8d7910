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

use std::convert::identity;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use quickbite_events::{Broker, queue};
use quickbite_http::idempotency::layer;
use quickbite_http::{Background, Clock, Health, Process, Program, Service, openapi};
use quickbite_resilience::Redis;
use quickbite_resilience::cache::CacheAside;
use utoipa::openapi::OpenApi;

use catalogue::Catalogue;
use config::{MigrateArgs, ServeArgs};
use events::Commands;
use state::AppState;
use store::Mongo;
use store::idempotency::MongoIdempotency;
use store::outbox::Outbox;
use store::restaurants::RestaurantStore;
use store::tickets::TicketStore;

/// This service.
pub const SERVICE: Service = quickbite_http::service!("restaurant");
/// Commands that are worked on at the same time.
const PREFETCH: u16 = 32;

/// Its program.
#[derive(Debug)]
pub struct RestaurantService;

impl Program for RestaurantService {
    const SERVICE: Service = SERVICE;
    type Serve = ServeArgs;
    type Migrate = MigrateArgs;

    fn openapi() -> OpenApi {
        openapi::document(&SERVICE, routes::router(identity))
    }

    async fn serve(process: Process, args: ServeArgs) -> anyhow::Result<()> {
        let clock = Clock::system();
        let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
        let mongo = Mongo::connect(&args.mongo.mongodb_uri)
            .await
            .context("MONGODB_URI")?;
        let redis = Redis::connect(&args.redis_url).context("REDIS_URL")?;
        let broker = Broker::connect(&args.amqp, SERVICE.name);

        let outbox = Outbox::new(&mongo);
        let restaurants = RestaurantStore::new(mongo.clone(), outbox.clone());
        let tickets = TicketStore::new(mongo.clone(), outbox.clone(), clock.clone());
        spawn_background(&process.background, &broker, outbox, tickets, &clock);

        let cache = CacheAside::new(redis.clone());
        let catalogue = Catalogue::new(restaurants, cache, args.cache, clock.clone());
        let answers = MongoIdempotency::new(&mongo, clock.clone());
        let routes = router(AppState { catalogue, clock }, answers);
        // Without Redis reads are slower; without the broker messages wait.
        let health = Health::new()
            .check("mongodb", mongo.probe())
            .optional("redis", redis.probe())
            .optional("rabbitmq", broker.probe());
        process.serve(health, Some(verifier), routes).await
    }

    async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
        store::migrate::migrate(&args.mongo.mongodb_uri, args.mongodb_admin_uri.as_ref()).await
    }
}

/// All routes over `state`.
pub fn router(state: AppState, answers: MongoIdempotency) -> Router {
    let keyed = layer(Arc::new(answers));
    let routes = routes::router(|creating| creating.route_layer(keyed));
    openapi::serve(&SERVICE, routes, state)
}

/// Starts relay and consumer.
pub fn spawn_background(
    background: &Background,
    broker: &Broker,
    outbox: Outbox,
    tickets: TicketStore,
    clock: &Clock,
) {
    background.spawn_last(|last| outbox.relay(broker.clone(), clock.clone(), last));
    let (consumer, commands) = (broker.clone(), Commands::new(tickets));
    background.spawn(|stop| consumer.consume(queue::RESTAURANT_COMMANDS, PREFETCH, commands, stop));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::RestaurantService>(checked_in);
    }
}
