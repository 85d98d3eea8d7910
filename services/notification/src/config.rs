//! What a notification-service process may be told.

use std::time::Duration;

use clap::Args;
use quickbite_events::AmqpArgs;
use quickbite_http::InternalArgs;
use quickbite_postgres::PostgresArgs;
use secrecy::SecretString;

use crate::channels::Reach;
use crate::domain::backoff::RetryRules;

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
    /// How notifications go out.
    #[command(flatten)]
    pub channels: ChannelArgs,
}

/// How notifications go out.
#[derive(Debug, Args)]
pub struct ChannelArgs {
    /// The mail server, as `smtps://user:password@host:465`; no e-mail is sent without.
    #[arg(long, env = "SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<SecretString>,
    /// Sender of e-mails.
    #[arg(
        long,
        env = "MAIL_FROM",
        default_value = "QuickBite <no-reply@quickbite.dev>"
    )]
    pub mail_from: String,
    /// Lets webhooks lead to private addresses: for development only.
    #[arg(long, env = "WEBHOOK_ALLOW_PRIVATE", default_value_t = false)]
    pub webhook_allow_private: bool,
    /// Attempts before a delivery is dead-lettered.
    #[arg(long, env = "DELIVERY_MAX_ATTEMPTS", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=50))]
    pub delivery_max_attempts: u32,
    /// Milliseconds before the first repetition; each further one waits four times as long.
    #[arg(long, env = "DELIVERY_RETRY_BASE_MS", default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub delivery_retry_base_ms: u64,
}

impl ChannelArgs {
    /// Where webhooks may lead.
    pub fn reach(&self) -> Reach {
        if self.webhook_allow_private {
            Reach::Anywhere
        } else {
            Reach::Public
        }
    }

    /// When a failed delivery is tried again.
    pub fn retry_rules(&self) -> RetryRules {
        RetryRules {
            max_attempts: self.delivery_max_attempts,
            base: Duration::from_millis(self.delivery_retry_base_ms),
        }
    }
}
