//! What the process is told: flags, or the environment.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use quickbite_events::AmqpArgs;
use quickbite_http::{InternalArgs, ServerArgs, Service};
use quickbite_postgres::PostgresArgs;
use quickbite_telemetry::TelemetryArgs;

use crate::teller::Patience;

/// Which service this is.
pub const SERVICE: Service = Service {
    name: "payment",
    version: env!("CARGO_PKG_VERSION"),
};

/// Authorises, captures, voids and refunds.
#[derive(Debug, Parser)]
#[command(name = "quickbite-payment", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the process can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves until SIGTERM.
    Serve(Box<ServeArgs>),
    /// Brings the database up to date and ends.
    Migrate(MigrateArgs),
    /// Prints the OpenAPI document.
    Openapi,
    /// Asks the running process whether it lives.
    Healthcheck(ServerArgs),
}

/// What serving needs.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// Where to listen.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Who is believed.
    #[command(flatten)]
    pub internal: InternalArgs,
    /// The broker.
    #[command(flatten)]
    pub amqp: AmqpArgs,
    /// The database.
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// How patient to be with the provider.
    #[command(flatten)]
    pub provider: ProviderArgs,
}

/// What migrating needs.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// The database.
    #[command(flatten)]
    pub postgres: PostgresArgs,
}

/// How patient the service is with the provider.
#[derive(Debug, Clone, Copy, Args)]
pub struct ProviderArgs {
    /// Milliseconds that one call to the provider may take.
    #[arg(long, env = "PROVIDER_TIMEOUT_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub provider_timeout_ms: u64,
    /// Attempts at an authorisation before the payment fails.
    #[arg(long, env = "PROVIDER_AUTHORIZE_ATTEMPTS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub provider_authorize_attempts: u32,
}

impl From<ProviderArgs> for Patience {
    fn from(args: ProviderArgs) -> Self {
        Self {
            timeout: Duration::from_millis(args.provider_timeout_ms),
            authorize_attempts: args.provider_authorize_attempts,
        }
    }
}
