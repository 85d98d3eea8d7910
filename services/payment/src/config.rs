//! What the process is told: flags, or the environment.

use std::time::Duration;

use clap::Args;
use quickbite_events::AmqpArgs;
use quickbite_http::InternalArgs;
use quickbite_postgres::PostgresArgs;

use crate::teller::Patience;

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
    pub postgres: PostgresArgs,
    /// How patient to be with the provider.
    #[command(flatten)]
    pub provider: ProviderArgs,
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
