//! What the process is told at its start. Everything that may change while it runs is in files.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::routing::Upstream;

/// The gateway's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct GatewayArgs {
    /// Redis for limits, fallbacks and revocations, with its password.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// Signing keys of the internal tokens, JSON.
    #[arg(long, env = "INTERNAL_SIGNING_KEYS_FILE")]
    pub internal_signing_keys_file: PathBuf,
    /// Public keys of the access tokens, JWKS.
    #[arg(long, env = "TOKEN_JWKS_FILE")]
    pub token_jwks_file: PathBuf,
    /// The `iss` that access tokens must have.
    #[arg(long, env = "TOKEN_ISSUER", default_value = "quickbite")]
    pub token_issuer: String,
    /// The `aud` that access tokens must have.
    #[arg(long, env = "TOKEN_AUDIENCE", default_value = "quickbite")]
    pub token_audience: String,
    /// Limits, breaker numbers and trusted proxies, JSON; re-read when it changes.
    #[arg(long, env = "GATEWAY_POLICY_FILE")]
    pub gateway_policy_file: Option<PathBuf>,
    /// What every Redis key of this gateway starts with.
    #[arg(long, env = "REDIS_PREFIX", default_value = "gw")]
    pub redis_prefix: String,
    /// Where the services are.
    #[command(flatten)]
    pub upstreams: UpstreamArgs,
}

/// One base URL per service; one that is not given is disabled.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct UpstreamArgs {
    /// Base URL of user-service, such as `http://quickbite-user:3001`.
    #[arg(long, env = "UPSTREAM_USER")]
    pub upstream_user: Option<http::Uri>,
    /// Base URL of restaurant-service.
    #[arg(long, env = "UPSTREAM_RESTAURANT")]
    pub upstream_restaurant: Option<http::Uri>,
    /// Base URL of order-service.
    #[arg(long, env = "UPSTREAM_ORDER")]
    pub upstream_order: Option<http::Uri>,
    /// Base URL of driver-service.
    #[arg(long, env = "UPSTREAM_DRIVER")]
    pub upstream_driver: Option<http::Uri>,
    /// Base URL of notification-service.
    #[arg(long, env = "UPSTREAM_NOTIFICATION")]
    pub upstream_notification: Option<http::Uri>,
    /// Base URL of payment-service.
    #[arg(long, env = "UPSTREAM_PAYMENT")]
    pub upstream_payment: Option<http::Uri>,
}

impl UpstreamArgs {
    /// The base URL of `upstream`, if it is enabled.
    pub fn of(&self, upstream: Upstream) -> Option<&http::Uri> {
        match upstream {
            Upstream::User => self.upstream_user.as_ref(),
            Upstream::Restaurant => self.upstream_restaurant.as_ref(),
            Upstream::Order => self.upstream_order.as_ref(),
            Upstream::Driver => self.upstream_driver.as_ref(),
            Upstream::Notification => self.upstream_notification.as_ref(),
            Upstream::Payment => self.upstream_payment.as_ref(),
        }
    }
}
