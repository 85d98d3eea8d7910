//! Makes a service's role, database and schema. Repeating it changes nothing; two at once wait for each other.

use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, PgPool};
use url::Url;

use crate::pool::PostgresArgs;

/// Tables that every service has: outbox, inbox, idempotency keys.
static SHARED: Migrator = sqlx::migrate!("./migrations");
const SHARED_TABLE: &str = "_shared_migrations";
/// Any constant: provisioning of all services takes turns on it.
const PROVISION_LOCK: i64 = 0x7162_7072_6f76;

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A URL lacks a part that is needed.
    #[error("{0} needs a user, a password and a database name")]
    Url(&'static str),
    /// The role or database could not be made.
    #[error("cannot provision the role and the database")]
    Provision(#[source] sqlx::Error),
    /// No connection as the service's role.
    #[error("cannot connect to the service's database")]
    Connect(#[source] sqlx::Error),
    /// A migration failed.
    #[error("a migration failed")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// Ensures role, password and database of DATABASE_URL when an admin URL is given, then runs the shared migrations
/// and `own` as the service's role.
///
/// # Errors
/// See [`MigrateError`]; what was done before stays, and the next run goes on from there.
pub async fn migrate(args: &PostgresArgs, own: &Migrator) -> Result<(), MigrateError> {
    if let Some(admin) = &args.database_admin_url {
        provision(admin, &args.database_url).await?;
    }
    let options: PgConnectOptions = args
        .database_url
        .expose_secret()
        .parse()
        .map_err(|_| MigrateError::Url("DATABASE_URL"))?;
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(MigrateError::Connect)?;
    run(&mut connection, own).await?;
    connection.close().await.map_err(MigrateError::Connect)
}

/// Runs the shared migrations and `own` on one connection.
pub(crate) async fn run(connection: &mut PgConnection, own: &Migrator) -> Result<(), MigrateError> {
    shared()
        .run(&mut *connection)
        .await
        .map_err(MigrateError::Migrate)?;
    own.run(&mut *connection)
        .await
        .map_err(MigrateError::Migrate)
}

/// Why a service cannot work on its database now.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// A migration that this binary knows has not run.
    #[error("the database is not migrated yet")]
    NotMigrated,
    /// The database does not answer.
    #[error("the database does not answer")]
    Away(#[from] sqlx::Error),
}

/// The health check of a service on `pool`: the database answers, and all migrations that this binary knows have run.
pub fn probe(
    pool: &PgPool,
    own: &'static Migrator,
) -> impl Fn() -> BoxFuture<'static, Result<(), NotReady>> + use<> {
    let pool = pool.clone();
    move || {
        let pool = pool.clone();
        Box::pin(async move { ready(&pool, own).await })
    }
}

async fn ready(pool: &PgPool, own: &Migrator) -> Result<(), NotReady> {
    let mut connection = pool.acquire().await?;
    let migrated = applied(&mut connection, &shared(), SHARED_TABLE).await?
        && applied(&mut connection, own, "_sqlx_migrations").await?;
    migrated.then_some(()).ok_or(NotReady::NotMigrated)
}

fn shared() -> Migrator {
    let mut migrator = Migrator::with_migrations(SHARED.iter().cloned().collect());
    migrator.dangerous_set_table_name(SHARED_TABLE);
    migrator
}

async fn applied(
    connection: &mut PgConnection,
    known: &Migrator,
    table: &str,
) -> Result<bool, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(false);
    }
    let done = connection
        .list_applied_migrations(table)
        .await
        .map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
    Ok(known.iter().all(|migration| {
        done.iter()
            .any(|applied| applied.version == migration.version)
    }))
}

async fn provision(admin: &SecretString, service: &SecretString) -> Result<(), MigrateError> {
    let wanted = Wanted::parse(service)?;
    let options: PgConnectOptions = admin
        .expose_secret()
        .parse()
        .map_err(|_| MigrateError::Url("DATABASE_ADMIN_URL"))?;
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(MigrateError::Provision)?;
    let outcome = wanted
        .ensure(&mut connection)
        .await
        .map_err(MigrateError::Provision);
    let _ = connection.close().await;
    outcome
}

/// What DATABASE_URL names.
struct Wanted {
    role: String,
    password: String,
    database: String,
}

impl Wanted {
    fn parse(url: &SecretString) -> Result<Self, MigrateError> {
        const INCOMPLETE: MigrateError = MigrateError::Url("DATABASE_URL");
        let url = Url::parse(url.expose_secret()).map_err(|_| INCOMPLETE)?;
        let options: PgConnectOptions = url.as_str().parse().map_err(|_| INCOMPLETE)?;
        let password = url.password().and_then(percent_decoded).ok_or(INCOMPLETE)?;
        let role = options.get_username().to_owned();
        let database = options.get_database().ok_or(INCOMPLETE)?.to_owned();
        Ok(Self {
            role,
            password,
            database,
        })
    }

    async fn ensure(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(PROVISION_LOCK)
            .execute(&mut *connection)
            .await?;
        let Self {
            role,
            password,
            database,
        } = self;
        let known = exists(
            connection,
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)",
            role,
        )
        .await?;
        let verb = if known { "ALTER" } else { "CREATE" };
        statement(
            connection,
            &format!("{verb} ROLE %I LOGIN PASSWORD %L"),
            role,
            password,
        )
        .await?;
        if !exists(
            connection,
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)",
            database,
        )
        .await?
        {
            statement(connection, "CREATE DATABASE %I OWNER %I", database, role).await?;
        }
        // No other service's role may look in.
        statement(
            connection,
            "REVOKE CONNECT ON DATABASE %I FROM PUBLIC",
            database,
            role,
        )
        .await
    }
}

async fn exists(
    connection: &mut PgConnection,
    query: &'static str,
    name: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(query)
        .bind(name)
        .fetch_one(connection)
        .await
}

/// DDL takes no parameters: the server's own `format` quotes them first.
async fn statement(
    connection: &mut PgConnection,
    template: &str,
    first: &str,
    second: &str,
) -> Result<(), sqlx::Error> {
    let sql: String = sqlx::query_scalar("SELECT format($1, $2, $3)")
        .bind(template)
        .bind(first)
        .bind(second)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
}

/// The text that a URL's part stands for; `None` when it is not UTF-8.
fn percent_decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let value =
            escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_as_it_was_before_it_was_put_into_the_url() {
        let wanted = Wanted::parse(&"postgres://u:a%2Fb+c%25=%C3%A9@h:5432/d".into()).unwrap();
        assert_eq!(
            (
                wanted.role.as_str(),
                wanted.password.as_str(),
                wanted.database.as_str()
            ),
            ("u", "a/b+c%=é", "d")
        );
    }

    #[test]
    fn a_url_without_a_password_is_refused() {
        assert!(matches!(
            Wanted::parse(&"postgres://u@h/d".into()),
            Err(MigrateError::Url("DATABASE_URL"))
        ));
    }
}
