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

use axum::Router;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::{Background, Clock, Health, Process, Program, Service, openapi};
use quickbite_postgres::PostgresArgs;
use sqlx::PgPool;
use utoipa::openapi::OpenApi;

use config::ServeArgs;
use events::Commands;
use provider::sandbox::Sandbox;
use state::AppState;
use store::MIGRATIONS;
use teller::Teller;

/// This service.
pub const SERVICE: Service = quickbite_http::service!("payment");
/// Commands that are written down at the same time.
const PREFETCH: u16 = 32;

/// Its program.
#[derive(Debug)]
pub struct PaymentService;

impl Program for PaymentService {
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
        let broker = Broker::connect(&args.amqp, SERVICE.name);
        let sandbox = Arc::new(Sandbox::new(pool.clone()));
        let teller = Teller::new(pool.clone(), sandbox, clock, args.provider.into());
        spawn_background(&process.background, &broker, &pool, &teller);

        // Without the broker messages wait.
        let health = Health::new()
            .check("postgres", quickbite_postgres::probe(&pool, &MIGRATIONS))
            .optional("rabbitmq", broker.probe());
        let routes = router(AppState { pool });
        process.serve(health, Some(verifier), routes).await
    }

    async fn migrate(postgres: PostgresArgs) -> anyhow::Result<()> {
        Ok(quickbite_postgres::migrate(&postgres, &MIGRATIONS).await?)
    }
}

/// All routes over `state`.
pub fn router(state: AppState) -> Router {
    openapi::serve(&SERVICE, routes::router(), state)
}

/// Starts relay, consumer and teller.
pub fn spawn_background(background: &Background, broker: &Broker, pool: &PgPool, teller: &Teller) {
    let relay = Relay::new(pool.clone(), broker.clone(), SERVICE.name);
    background.spawn_last(|last| relay.run(last));
    background.spawn(|stop| teller.clone().run(stop));
    let (consumer, commands) = (broker.clone(), Commands::new(teller.clone()));
    background.spawn(|stop| consumer.consume(queue::PAYMENT_COMMANDS, PREFETCH, commands, stop));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::PaymentService>(checked_in);
    }
}
