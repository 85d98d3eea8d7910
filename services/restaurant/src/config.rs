//! What the process is told: flags, or the environment.

use clap::{Args, Parser, Subcommand};
use quickbite_events::AmqpArgs;
use quickbite_http::{InternalArgs, ServerArgs, Service};
use quickbite_telemetry::TelemetryArgs;
use secrecy::SecretString;

use crate::catalogue::keys::CacheTtl;

/// Which service this is.
pub const SERVICE: Service = Service {
    name: "restaurant",
    version: env!("CARGO_PKG_VERSION"),
};

/// Restaurants, their menus, and the tickets of orders.
#[derive(Debug, Parser)]
#[command(name = "quickbite-restaurant", version)]
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
    pub mongo: MongoArgs,
    /// The cache, as `redis://user:password@host:6379`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// How long cached values are fresh.
    #[command(flatten)]
    pub cache: CacheTtl,
}

/// What migrating needs.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// The database.
    #[command(flatten)]
    pub mongo: MongoArgs,
    /// A user administrator's URI; with it the user of MONGODB_URI is made or updated.
    #[arg(long, env = "MONGODB_ADMIN_URI", hide_env_values = true)]
    pub mongodb_admin_uri: Option<SecretString>,
}

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub struct MongoArgs {
    /// A replica set, as `mongodb://user:password@host:27017/restaurant_service?replicaSet=rs0`.
    #[arg(long, env = "MONGODB_URI", hide_env_values = true)]
    pub mongodb_uri: SecretString,
}
