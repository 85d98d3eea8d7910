//! What the process is told: flags, or the environment.

use clap::Args;
use quickbite_events::AmqpArgs;
use quickbite_http::InternalArgs;
use secrecy::SecretString;

use crate::catalogue::keys::CacheTtl;

/// What serving needs.
#[derive(Debug, Args)]
pub struct ServeArgs {
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
