//! What the process is told at start.

use std::time::Duration;

use quickbite_events::AmqpArgs;
use quickbite_http::InternalArgs;
use quickbite_postgres::PostgresArgs;
use rust_decimal::Decimal;
use secrecy::SecretString;

use crate::domain::saga::Timeouts;

/// Everything that `serve` needs.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// Who vouches for callers.
    #[command(flatten)]
    pub internal: InternalArgs,
    /// Where to remember.
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// Where to send and receive.
    #[command(flatten)]
    pub amqp: AmqpArgs,
    /// Redis, for live positions: `redis://user:password@host:6379`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// The rules of ordering.
    #[command(flatten)]
    pub rules: Rules,
}

/// The figures of ordering.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Rules {
    /// How long a restaurant may take to accept an order, in seconds.
    #[arg(long, env = "ACCEPTANCE_TIMEOUT_SECONDS", default_value_t = 300)]
    pub acceptance_timeout_seconds: u64,
    /// What a delivery costs, in the restaurant's currency.
    #[arg(long, env = "DELIVERY_FEE", default_value = "2.99")]
    pub delivery_fee: Decimal,
    /// The first wait for another service's answer, in seconds; it doubles with each of three attempts.
    #[arg(long, env = "ANSWER_TIMEOUT_SECONDS", default_value_t = 3)]
    pub answer_timeout_seconds: u64,
    /// How long an order may wait for its pick-up, and again be on its way, in seconds.
    #[arg(long, env = "DELIVERY_TIMEOUT_SECONDS", default_value_t = 7200)]
    pub delivery_timeout_seconds: u64,
}

impl Rules {
    /// The saga's waits.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            answer: Duration::from_secs(self.answer_timeout_seconds),
            acceptance: Duration::from_secs(self.acceptance_timeout_seconds),
            delivery: Duration::from_secs(self.delivery_timeout_seconds),
        }
    }
}
