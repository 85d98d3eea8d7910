//! Accounts, passwords, tokens and signing keys, addresses.
//!
//! `routes` translate HTTP, `domain` decides, `store` remembers; this file only wires them.

pub mod bootstrap;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod passwords;
pub mod revocations;
pub mod routes;
pub mod state;
pub mod store;

use std::sync::Arc;

use anyhow::Context;
use quickbite_events::Broker;
use quickbite_events::outbox::Relay;
use quickbite_http::{Clock, Health, Service};
use quickbite_resilience::Redis;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::config::ServeArgs;
use crate::passwords::Passwords;
use crate::revocations::Announcer;
use crate::state::AppState;

/// The schema of this service.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// What this service is called.
pub const SERVICE: Service = Service {
    name: "user",
    version: env!("CARGO_PKG_VERSION"),
};

/// Runs the service until it is told to stop.
///
/// # Errors
/// When keys or addresses cannot be used; never because a store is away.
pub async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let stop = CancellationToken::new();
    let pool = quickbite_postgres::connect_lazy(&args.postgres)?;
    let redis = Redis::connect(&args.redis_url).context("REDIS_URL")?;
    let broker = Broker::connect(&args.amqp, SERVICE.name);
    let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
    let passwords = Passwords::new().context("hashing a password")?;
    let announcer = Announcer::new(
        pool.clone(),
        redis.clone(),
        args.access_ttl(),
        clock.clone(),
    );
    let state = AppState::new(
        &args.tokens,
        pool.clone(),
        passwords,
        announcer.clone(),
        clock,
    )?;

    tokio::spawn(Relay::new(pool.clone(), broker.clone(), SERVICE.name).run(stop.clone()));
    tokio::spawn(announcer.run(stop.clone()));
    if let Some(admin) = args.bootstrap.account()? {
        tokio::spawn(bootstrap::ensure(admin, state.clone(), stop.clone()));
    }
    let health = health(pool, redis, broker);
    let (routes, _) = routes::router(state);
    quickbite_http::serve(SERVICE, args.server, health, Some(verifier), routes, stop).await
}

/// Unready without the database or its schema. Without Redis or the broker everything is still
/// answered: revocations and facts wait in the database.
fn health(pool: PgPool, redis: Redis, broker: Broker) -> Health {
    let pool = Arc::new(pool);
    Health::new()
        .check("postgres", move || {
            let pool = Arc::clone(&pool);
            async move {
                let ready = quickbite_postgres::schema_ready(&pool, &MIGRATIONS).await?;
                anyhow::ensure!(ready, "migrations are missing");
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
