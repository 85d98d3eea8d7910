//! Authorise, capture, void and refund through a provider trait; a sandbox provider ships.
//!
//! `routes → domain ← store`; the `teller` carries commands through provider and store. This file
//! wires them.

pub mod config;
pub mod domain;
pub mod events;
pub mod provider;
pub mod routes;
pub mod state;
pub mod store;
pub mod teller;

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use quickbite_auth::Clock;
use quickbite_events::{Broker, outbox, queue};
use quickbite_http::{Health, openapi, shutdown};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use config::{SERVICE, ServeArgs};
use events::Commands;
use provider::sandbox::Sandbox;
use state::AppState;
use store::MIGRATIONS;
use teller::Teller;

/// Commands that are written down at the same time.
const PREFETCH: u16 = 32;

/// The routes with their state, as served behind the shared layers.
pub fn api(state: AppState) -> Router {
    let (router, document) = routes::router().with_state(state).split_for_parts();
    router.merge(openapi::router(routes::described(document)))
}

/// Runs relay, consumer and teller in the background until `cancel`.
pub fn spawn_messaging(
    tasks: &TaskTracker,
    broker: &Broker,
    pool: &PgPool,
    teller: &Teller,
    cancel: &CancellationToken,
) {
    let relay = outbox::Relay::new(pool.clone(), broker.clone(), SERVICE.name);
    tasks.spawn(relay.run(cancel.clone()));
    let (resuming, stop) = (teller.clone(), cancel.clone());
    tasks.spawn(async move { resuming.run(stop).await });
    let (broker, teller, cancel) = (broker.clone(), teller.clone(), cancel.clone());
    tasks.spawn(async move {
        broker
            .consume(
                queue::PAYMENT_COMMANDS,
                PREFETCH,
                Commands::new(teller),
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
    let pool = quickbite_postgres::connect_lazy(&args.postgres).context("DATABASE_URL")?;
    let broker = Broker::connect(&args.amqp, SERVICE.name);
    let sandbox = Arc::new(Sandbox::new(pool.clone()));
    let teller = Teller::new(pool.clone(), sandbox, clock, args.provider.into());
    let tasks = TaskTracker::new();
    spawn_messaging(&tasks, &broker, &pool, &teller, &stop);

    let routes = api(AppState { pool: pool.clone() });
    let health = health(pool, broker);
    quickbite_http::serve(SERVICE, args.server, health, Some(verifier), routes, stop).await?;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Without PostgreSQL nothing works; without the broker messages wait.
fn health(pool: PgPool, broker: Broker) -> Health {
    Health::new()
        .check("postgres", move || {
            let pool = pool.clone();
            async move {
                let ready = quickbite_postgres::schema_ready(&pool, &MIGRATIONS).await?;
                ensure!(ready, "the database is not migrated");
                Ok(())
            }
        })
        .optional("rabbitmq", move || {
            let broker = broker.clone();
            async move { Ok(broker.health().await?) }
        })
}
