//! The pool: lazy, so that a process starts without its database, and with a limit on every wait.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const STATEMENT_TIMEOUT_MS: &str = "5000";
const IDLE_IN_TRANSACTION_TIMEOUT_MS: &str = "30000";

/// Where the database is.
#[derive(Clone, Debug, clap::Args)]
pub struct PostgresArgs {
    /// The service's own database, as `postgres://role:password@host:5432/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// A superuser's URL: only for `migrate`, which then makes the role and the database of DATABASE_URL.
    #[arg(long, env = "DATABASE_ADMIN_URL", hide_env_values = true)]
    pub database_admin_url: Option<SecretString>,
    /// Most connections that this process holds.
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", default_value_t = 10)]
    pub database_max_connections: u32,
}

/// A pool that connects on first use. Waiting for a connection ends after two seconds, a statement after five.
///
/// # Errors
/// When the URL does not parse; the error does not repeat it.
pub fn connect_lazy(args: &PostgresArgs) -> Result<PgPool, sqlx::Error> {
    let options = options(&args.database_url)?;
    Ok(PgPoolOptions::new()
        .max_connections(args.database_max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .connect_lazy_with(options))
}

/// The connect options of `url`, with the server-side limits.
pub(crate) fn options(url: &SecretString) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url
        .expose_secret()
        .parse()
        .map_err(|_| sqlx::Error::Configuration("DATABASE_URL is not a PostgreSQL URL".into()))?;
    Ok(options.options([
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        (
            "idle_in_transaction_session_timeout",
            IDLE_IN_TRANSACTION_TIMEOUT_MS,
        ),
    ]))
}
