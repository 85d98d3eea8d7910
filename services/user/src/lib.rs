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

use std::convert::identity;

use anyhow::Context;
use quickbite_events::Broker;
use quickbite_events::outbox::Relay;
use quickbite_http::{Clock, Health, Process, Program, Service, openapi};
use quickbite_postgres::PostgresArgs;
use quickbite_resilience::Redis;
use utoipa::openapi::OpenApi;

use crate::config::ServeArgs;
use crate::passwords::Passwords;
use crate::revocations::Announcer;
use crate::state::AppState;

/// The schema of this service.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// This service.
pub const SERVICE: Service = quickbite_http::service!("user");

/// Its program.
#[derive(Debug)]
pub struct UserService;

impl Program for UserService {
    const SERVICE: Service = SERVICE;
    type Serve = ServeArgs;
    type Migrate = PostgresArgs;

    fn openapi() -> OpenApi {
        openapi::document(&SERVICE, routes::router(identity, identity))
    }

    async fn serve(process: Process, args: ServeArgs) -> anyhow::Result<()> {
        let clock = Clock::system();
        let verifier = args.internal.verifier(SERVICE.name, clock.clone())?;
        let pool = quickbite_postgres::connect_lazy(&args.postgres)?;
        let redis = Redis::connect(&args.redis_url).context("REDIS_URL")?;
        let broker = Broker::connect(&args.amqp, SERVICE.name);
        let passwords = Passwords::new().context("hashing a password")?;
        let ttl = args.tokens.access_ttl();
        let announcer = Announcer::new(pool.clone(), redis.clone(), ttl, clock.clone());
        let (told, pooled) = (announcer.clone(), pool.clone());
        let state = AppState::new(&args.tokens, pooled, passwords, told, clock)?;

        let background = &process.background;
        let relay = Relay::new(pool.clone(), broker.clone(), SERVICE.name);
        background.spawn_last(|last| relay.run(last));
        background.spawn(|stop| announcer.run(stop));
        if let Some(admin) = args.bootstrap.account()? {
            background.spawn(|stop| bootstrap::ensure(admin, state.clone(), stop));
        }

        // Without Redis or the broker everything is still answered: revocations and facts wait in
        // the database.
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
pub fn router(state: AppState) -> axum::Router {
    let (sealed, plain) = (state.sealed_answers(), state.plain_answers());
    let routes = routes::router(
        |creating| creating.route_layer(sealed),
        |creating| creating.route_layer(plain),
    );
    openapi::serve(&SERVICE, routes, state)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::UserService>(checked_in);
    }
}
