//! What a driver-service process may be told.

use std::time::Duration;

use clap::Args;
use quickbite_events::AmqpArgs;
use quickbite_http::InternalArgs;
use quickbite_postgres::PostgresArgs;
use secrecy::SecretString;

use crate::domain::dispatch::DispatchRules;

/// For `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Who may call.
    #[command(flatten)]
    pub internal: InternalArgs,
    /// The database.
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// The broker.
    #[command(flatten)]
    pub amqp: AmqpArgs,
    /// Redis, as `redis://user:password@host:6379`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// How offers are made.
    #[command(flatten)]
    pub dispatch: DispatchArgs,
}

/// How offers are made.
#[derive(Clone, Copy, Debug, Args)]
pub struct DispatchArgs {
    /// Seconds that a driver has to answer an offer.
    #[arg(long, env = "OFFER_TTL_SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub offer_ttl_seconds: u64,
    /// How far from the restaurant drivers are asked, kilometres.
    #[arg(long, env = "SEARCH_RADIUS_KM", default_value_t = 10.0, value_parser = radius)]
    pub search_radius_km: f64,
}

impl From<DispatchArgs> for DispatchRules {
    fn from(args: DispatchArgs) -> Self {
        let DispatchArgs {
            offer_ttl_seconds,
            search_radius_km,
        } = args;
        Self {
            radius_m: search_radius_km * 1000.0,
            offer_ttl: Duration::from_secs(offer_ttl_seconds),
        }
    }
}

fn radius(text: &str) -> Result<f64, String> {
    let radius: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if radius > 0.0 && radius <= 500.0 {
        Ok(radius)
    } else {
        Err("must be above 0 and at most 500".into())
    }
}
