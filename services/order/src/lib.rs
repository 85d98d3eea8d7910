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

use anyhow::Context;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::{Clock, Health, Service, shutdown};
use quickbite_postgres::PostgresArgs;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::conductor::Conductor;
use crate::config::Config;
use crate::events::{Facts, Replies};
use crate::live::Live;
use crate::state::AppState;
use crate::store::{MIGRATIONS, Orders, Projections};

/// Who this is.
pub const SERVICE: Service = Service {
    name: "order",
    version: env!("CARGO_PKG_VERSION"),
};
/// Below the pool's size: a handler needs a connection, and requests need some too.
const PREFETCH: u16 = 8;

/// Makes role, database and schema.
///
/// # Errors
/// See [`quickbite_postgres::MigrateError`].
pub async fn migrate(args: &PostgresArgs) -> anyhow::Result<()> {
    quickbite_postgres::migrate(args, &MIGRATIONS)
        .await
        .context("the database could not be brought up to date")
}

/// Serves until told to stop.
///
/// # Errors
/// When something that it needs to start is missing or wrong.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let stop = shutdown::on_signal();
    let verifier = config.internal.verifier(SERVICE.name, Clock::system())?;
    let pool = quickbite_postgres::connect_lazy(&config.postgres)?;
    let broker = Broker::connect(&config.amqp, SERVICE.name);
    let app = AppState::new(pool.clone(), config.rules, Clock::system(), stop.clone());
    let background = CancellationToken::new();
    let tasks = spawn_background(&app, &pool, &broker, &background);
    tasks.spawn(
        app.live
            .clone()
            .follow_positions(config.redis_url, background.clone()),
    );
    let health = health(&pool, &broker);
    let routes = routes::router(app);
    quickbite_http::serve(SERVICE, config.server, health, Some(verifier), routes, stop).await?;
    background.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// The outbox relay, both consumers, the sweeper and the ear on the database.
pub fn spawn_background(
    app: &AppState,
    pool: &PgPool,
    broker: &Broker,
    cancel: &CancellationToken,
) -> TaskTracker {
    let AppState {
        conductor,
        orders,
        projections,
        live,
        ..
    } = app.clone();
    let tasks = TaskTracker::new();
    tasks.spawn(Relay::new(pool.clone(), broker.clone(), SERVICE.name).run(cancel.clone()));
    tasks.spawn(sweeper::sweep(conductor.clone(), orders, cancel.clone()));
    tasks.spawn(live.follow_database(pool.clone(), cancel.clone()));
    let replies = Replies {
        conductor: conductor.clone(),
    };
    let facts = Facts {
        conductor,
        projections,
    };
    for_queue(&tasks, broker, queue::ORDER_REPLIES, replies, cancel);
    for_queue(&tasks, broker, queue::ORDER_FACTS, facts, cancel);
    tasks
}

fn for_queue<H: quickbite_events::Handler + 'static>(
    tasks: &TaskTracker,
    broker: &Broker,
    queue: &'static str,
    handler: H,
    cancel: &CancellationToken,
) {
    let (broker, cancel) = (broker.clone(), cancel.clone());
    tasks.spawn(async move { broker.consume(queue, PREFETCH, handler, cancel).await });
}

/// Without the database nothing works; without the broker orders are taken and wait in the outbox.
fn health(pool: &PgPool, broker: &Broker) -> Health {
    let (pool, broker) = (pool.clone(), broker.clone());
    Health::new()
        .check("postgres", move || {
            let pool = pool.clone();
            async move {
                let ready = quickbite_postgres::schema_ready(&pool, &MIGRATIONS).await?;
                anyhow::ensure!(ready, "its migrations have not run yet");
                Ok(())
            }
        })
        .optional("rabbitmq", move || {
            let broker = broker.clone();
            async move { Ok(broker.health().await?) }
        })
}

/// What handlers and background tasks share.
pub type Rules = config::Rules;

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
            idempotency: quickbite_postgres::PgIdempotency::new(pool),
            rules,
            clock,
            stop,
        }
    }
}
