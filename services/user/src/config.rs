//! What the process is told by its environment.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use quickbite_auth::SigningKeys;
use quickbite_events::AmqpArgs;
use quickbite_http::InternalArgs;
use quickbite_postgres::PostgresArgs;
use secrecy::SecretString;

use crate::bootstrap::AdminAccount;
use crate::domain::{Email, Password};

/// Everything that `serve` needs.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Accounts are there.
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// Facts go there.
    #[command(flatten)]
    pub amqp: AmqpArgs,
    /// Who vouches for callers.
    #[command(flatten)]
    pub internal: InternalArgs,
    /// How tokens are made.
    #[command(flatten)]
    pub tokens: TokenArgs,
    /// The first admin.
    #[command(flatten)]
    pub bootstrap: BootstrapArgs,
    /// Redis, by which gateways learn of revocations: `redis://user:password@host:6379`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
}

/// How tokens are made.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// Private keys of access tokens, as the operator makes them; the first one signs.
    #[arg(long, env = "TOKEN_SIGNING_KEYS_FILE")]
    pub token_signing_keys_file: PathBuf,
    /// `iss` of access tokens.
    #[arg(long, env = "TOKEN_ISSUER", default_value = "quickbite")]
    pub token_issuer: String,
    /// `aud` of access tokens.
    #[arg(long, env = "TOKEN_AUDIENCE", default_value = "quickbite")]
    pub token_audience: String,
    /// How long an access token lives.
    #[arg(
        long,
        env = "ACCESS_TOKEN_TTL_SECONDS",
        default_value_t = 604_800,
        value_parser = clap::value_parser!(u32).range(60..)
    )]
    pub access_token_ttl_seconds: u32,
    /// How long a refresh token lives.
    #[arg(
        long,
        env = "REFRESH_TOKEN_TTL_SECONDS",
        default_value_t = 2_592_000,
        value_parser = clap::value_parser!(u32).range(60..)
    )]
    pub refresh_token_ttl_seconds: u32,
}

impl TokenArgs {
    /// How long an access token lives.
    #[must_use]
    pub fn access_ttl(&self) -> Duration {
        Duration::from_secs(self.access_token_ttl_seconds.into())
    }

    /// How long a refresh token lives.
    #[must_use]
    pub fn refresh_ttl(&self) -> Duration {
        Duration::from_secs(self.refresh_token_ttl_seconds.into())
    }

    /// The private keys.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable key.
    pub fn signing_keys(&self) -> anyhow::Result<SigningKeys> {
        let file = &self.token_signing_keys_file;
        let text = std::fs::read_to_string(file).with_context(|| {
            format!("TOKEN_SIGNING_KEYS_FILE {} cannot be read", file.display())
        })?;
        SigningKeys::from_json(&text).context("TOKEN_SIGNING_KEYS_FILE holds no usable keys")
    }
}

/// The first admin, made at start if there is no such account. Both or none.
#[derive(Debug, Clone, clap::Args)]
pub struct BootstrapArgs {
    /// The first admin's e-mail address.
    #[arg(
        long,
        env = "BOOTSTRAP_ADMIN_EMAIL",
        requires = "bootstrap_admin_password"
    )]
    pub bootstrap_admin_email: Option<String>,
    /// The first admin's password.
    #[arg(
        long,
        env = "BOOTSTRAP_ADMIN_PASSWORD",
        hide_env_values = true,
        requires = "bootstrap_admin_email"
    )]
    pub bootstrap_admin_password: Option<SecretString>,
}

impl BootstrapArgs {
    /// The account to make, if one is asked for.
    ///
    /// # Errors
    /// When e-mail address or password break the rules of accounts.
    pub fn account(&self) -> anyhow::Result<Option<AdminAccount>> {
        let (Some(email), Some(password)) =
            (&self.bootstrap_admin_email, &self.bootstrap_admin_password)
        else {
            return Ok(None);
        };
        let email = Email::parse(email).context("BOOTSTRAP_ADMIN_EMAIL")?;
        let password =
            Password::choose(password.clone(), &email).context("BOOTSTRAP_ADMIN_PASSWORD")?;
        Ok(Some(AdminAccount { email, password }))
    }
}
