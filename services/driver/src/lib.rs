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

use anyhow::Context;
use axum::Router;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::{Background, Clock, Health, Process, Program, Service, openapi};
use quickbite_postgres::PostgresArgs;
use quickbite_resilience::Redis;
use utoipa::openapi::OpenApi;

use config::ServeArgs;
use dispatcher::Dispatcher;
use events::{Commands, Facts};
use push::Push;
use state::AppState;
use store::{DriverIndex, MIGRATIONS, Store};

/// This service.
pub const SERVICE: Service = quickbite_http::service!("driver");
/// Messages of one queue that are handled at the same time.
const PREFETCH: u16 = 20;

/// Its program.
#[derive(Debug)]
pub struct DriverService;

impl Program for DriverService {
    const SERVICE: Service = SERVICE;
    type Serve = ServeArgs;
    type Migrate = PostgresArgs;

    fn openapi() -> OpenApi {
        openapi::document(&SERVICE, routes::router())
    }

    async fn serve(process: Process, args: ServeArgs) -> anyhow::Result<()> {
        let clock = Clock::system();
        let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
        let pool = quickbite_postgres::connect_lazy(&args.postgres)?;
        let redis = Redis::connect(&args.redis_url).context("REDIS_URL")?;
        let broker = Broker::connect(&args.amqp, SERVICE.name);
        let (store, index) = (
            Store::new(pool.clone()),
            DriverIndex::new(redis.clone(), ""),
        );
        let state = AppState {
            dispatcher: Dispatcher::new(store, index, args.dispatch.into(), clock.clone()),
            push: Push::default(),
            clock,
            draining: process.background.stop(),
        };
        spawn_background(&process.background, &state, &broker);

        // Without Redis or the broker requests are still answered.
        let health = Health::new()
            .check("postgres", quickbite_postgres::probe(&pool, &MIGRATIONS))
            .optional("redis", redis.probe())
            .optional("rabbitmq", broker.probe());
        process.serve(health, Some(verifier), router(state)).await
    }

    async fn migrate(postgres: PostgresArgs) -> anyhow::Result<()> {
        Ok(quickbite_postgres::migrate(&postgres, &MIGRATIONS).await?)
    }
}

/// All routes over `state`.
pub fn router(state: AppState) -> Router {
    openapi::serve(&SERVICE, routes::router(), state)
}

/// Starts the outbox relay, both consumers, the sweep and what wakes sockets.
pub fn spawn_background(background: &Background, state: &AppState, broker: &Broker) {
    let (dispatcher, clock) = (state.dispatcher.clone(), state.clock.clone());
    let pool = state.store().pool().clone();
    let relay = Relay::new(pool.clone(), broker.clone(), SERVICE.name);
    background.spawn_last(|last| relay.run(last));
    background.spawn(|stop| state.push.clone().run(pool, stop));
    background.spawn(|stop| dispatcher.clone().run(stop));
    let commands = Commands {
        dispatcher: dispatcher.clone(),
        clock: clock.clone(),
    };
    let facts = Facts { dispatcher, clock };
    let consumer = broker.clone();
    background.spawn(|stop| consumer.consume(queue::DRIVER_COMMANDS, PREFETCH, commands, stop));
    let consumer = broker.clone();
    background.spawn(|stop| consumer.consume(queue::DRIVER_FACTS, PREFETCH, facts, stop));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::DriverService>(checked_in);
    }
}
