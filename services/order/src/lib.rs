//! Orders, the order saga, live order status.
//!
//! routes → domain ← store; only this file wires them.

pub mod conductor;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
mod figures;
pub mod live;
pub mod routes;
pub mod state;
pub mod store;
pub mod sweeper;

use std::convert::identity;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::idempotency::layer;
use quickbite_http::{Background, Clock, Health, Process, Program, Service, openapi};
use quickbite_postgres::{PgIdempotency, PostgresArgs};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::conductor::Conductor;
use crate::config::{Rules, ServeArgs};
use crate::events::{Facts, Replies};
use crate::live::Live;
use crate::state::AppState;
use crate::store::{MIGRATIONS, Orders, Projections};

/// This service.
pub const SERVICE: Service = quickbite_http::service!("order");
/// How long an order waits for a restaurant whose opening is still on its way here.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Below the pool's size: a handler needs a connection, and requests need some too.
const PREFETCH: u16 = 8;

/// Its program.
#[derive(Debug)]
pub struct OrderService;

impl Program for OrderService {
    const SERVICE: Service = SERVICE;
    type Serve = ServeArgs;
    type Migrate = PostgresArgs;

    fn openapi() -> OpenApi {
        openapi::document(&SERVICE, routes::router(identity))
    }

    async fn serve(process: Process, args: ServeArgs) -> anyhow::Result<()> {
        let clock = Clock::system();
        let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
        let pool = quickbite_postgres::connect_lazy(&args.postgres)?;
        let broker = Broker::connect(&args.amqp, SERVICE.name);
        let background = &process.background;
        let app = AppState::new(pool.clone(), args.rules, clock, background.stop());
        spawn_background(background, &app, &pool, &broker);
        background.spawn(|stop| app.live.clone().follow_positions(args.redis_url, stop));

        // Without the broker orders are taken and wait in the outbox.
        let health = Health::new()
            .check("postgres", quickbite_postgres::probe(&pool, &MIGRATIONS))
            .optional("rabbitmq", broker.probe());
        process.serve(health, Some(verifier), router(app)).await
    }

    async fn migrate(postgres: PostgresArgs) -> anyhow::Result<()> {
        Ok(quickbite_postgres::migrate(&postgres, &MIGRATIONS).await?)
    }
}

/// All routes over `app`.
pub fn router(app: AppState) -> Router {
    let keyed = layer(Arc::new(app.idempotency.clone()));
    let routes = routes::router(|creating| creating.route_layer(keyed));
    openapi::serve(&SERVICE, routes, app)
}

/// Starts the outbox relay, both consumers, the sweeper and the ear on the database.
pub fn spawn_background(background: &Background, app: &AppState, pool: &PgPool, broker: &Broker) {
    let AppState {
        conductor,
        orders,
        projections,
        live,
        ..
    } = app.clone();
    let relay = Relay::new(pool.clone(), broker.clone(), SERVICE.name);
    background.spawn_last(|last| relay.run(last));
    // Last: a request that is still being answered may wait for a restaurant to become known.
    background.spawn_last(|last| live.follow_database(pool.clone(), last));
    background.spawn(|stop| sweeper::sweep(conductor.clone(), orders, stop));
    let replies = Replies {
        conductor: conductor.clone(),
    };
    let facts = Facts {
        conductor,
        projections,
    };
    let consumer = broker.clone();
    background.spawn(|stop| consumer.consume(queue::ORDER_REPLIES, PREFETCH, replies, stop));
    let consumer = broker.clone();
    background.spawn(|stop| consumer.consume(queue::ORDER_FACTS, PREFETCH, facts, stop));
}

impl AppState {
    /// The application on `pool`; `stop` ends its streams.
    #[must_use]
    pub fn new(pool: PgPool, rules: Rules, clock: Clock, stop: CancellationToken) -> Self {
        let orders = Orders::new(pool.clone());
        Self {
            conductor: Conductor::new(orders.clone(), clock.clone(), rules.timeouts()),
            orders,
            projections: Projections::new(pool.clone()),
            live: Live::default(),
            idempotency: PgIdempotency::new(pool),
            rules,
            catch_up: CATCH_UP,
            clock,
            stop,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::OrderService>(checked_in);
    }
}
