//! Who is told what, over which channel; event consumers.
//!
//! A fact becomes notifications in one transaction (`events → rules → store`); a worker brings them out over the
//! channels, retries, and dead-letters what cannot be delivered.

pub mod channels;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod routes;
pub mod state;
pub mod store;
pub mod wakes;
pub mod worker;

use anyhow::Context;
use axum::Router;
use quickbite_events::outbox::Relay;
use quickbite_events::{Broker, queue};
use quickbite_http::{Background, Clock, Health, Process, Program, Service, openapi};
use quickbite_postgres::PostgresArgs;
use utoipa::openapi::OpenApi;

use channels::{Channel, Email, InApp, Webhooks};
use config::{ChannelArgs, ServeArgs};
use events::Facts;
use state::AppState;
use store::{MIGRATIONS, Store};
use wakes::Wakes;
use worker::Worker;

/// This service.
pub const SERVICE: Service = quickbite_http::service!("notification");
/// Facts that are handled at the same time.
const PREFETCH: u16 = 20;

/// Its program.
#[derive(Debug)]
pub struct NotificationService;

impl Program for NotificationService {
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
        let store = Store::new(pool.clone());
        let channels = channels(&args.channels, &store, &clock)?;
        let retries = args.channels.retry_rules();
        let worker = Worker::new(store.clone(), channels, retries, clock.clone());
        let state = AppState {
            store,
            wakes: Wakes::default(),
            reach: args.channels.reach(),
            clock,
            draining: process.background.stop(),
        };
        spawn_background(&process.background, &state, &worker, &broker);

        // Without the broker inboxes are still read.
        let health = Health::new()
            .check("postgres", quickbite_postgres::probe(&pool, &MIGRATIONS))
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

/// The channels that this configuration has; in-app is always one.
///
/// # Errors
/// When the mail server's URL, the sender or the TLS roots cannot be used.
pub fn channels(
    args: &ChannelArgs,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<Vec<Box<dyn Channel>>> {
    let mut channels: Vec<Box<dyn Channel>> = vec![Box::new(InApp::new(store.clone()))];
    if let Some(url) = &args.smtp_url {
        channels.push(Box::new(Email::new(url, &args.mail_from)?));
    }
    let webhooks =
        Webhooks::new(args.reach(), clock.clone()).context("the webhook client cannot be made")?;
    channels.push(Box::new(webhooks));
    Ok(channels)
}

/// Starts the outbox relay, the consumer, the worker and what wakes it and the streams.
pub fn spawn_background(
    background: &Background,
    state: &AppState,
    worker: &Worker,
    broker: &Broker,
) {
    let pool = state.store.pool().clone();
    let relay = Relay::new(pool.clone(), broker.clone(), SERVICE.name);
    background.spawn_last(|last| relay.run(last));
    background.spawn(|stop| state.wakes.clone().run(pool, worker.clone(), stop));
    background.spawn(|stop| worker.clone().run(stop));
    let facts = Facts {
        store: state.store.clone(),
        worker: worker.clone(),
        clock: state.clock.clone(),
    };
    let consumer = broker.clone();
    background.spawn(|stop| consumer.consume(queue::NOTIFICATION_FACTS, PREFETCH, facts, stop));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::NotificationService>(checked_in);
    }
}
