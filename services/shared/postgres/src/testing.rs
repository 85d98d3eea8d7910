//! A database of its own for each test, on a real server.

use std::env;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool};
use uuid::Uuid;

use crate::migrate::run;

/// Names the server that tests use, with admin rights.
pub const ADMIN_URL: &str = "TEST_POSTGRES_ADMIN_URL";
/// Databases that earlier tests left, dropped once they are this old.
const LEFTOVER_AGE_SECONDS: u64 = 3600;

/// A new, empty database with the shared tables and `migrations`.
///
/// # Panics
/// When TEST_POSTGRES_ADMIN_URL is unset or its server does not answer: such a test fails, it is not skipped.
pub async fn fresh_database(migrations: &Migrator) -> PgPool {
    let url = env::var(ADMIN_URL)
        .unwrap_or_else(|_| panic!("{ADMIN_URL} must name a PostgreSQL server for this test"));
    let admin: PgConnectOptions = url
        .parse()
        .unwrap_or_else(|_| panic!("{ADMIN_URL} is not a PostgreSQL URL"));
    let mut connection = PgConnection::connect_with(&admin)
        .await
        .expect("the test PostgreSQL answers");
    drop_leftovers(&mut connection).await;
    // The id's leading time makes the age readable from the name.
    let name = format!("test_{}", Uuid::now_v7().simple());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .expect("a test database is created");
    let _ = connection.close().await;
    let options = admin.database(&name);
    let mut connection = PgConnection::connect_with(&options)
        .await
        .expect("the test database answers");
    run(&mut connection, migrations)
        .await
        .expect("the migrations run");
    let _ = connection.close().await;
    PgPoolOptions::new()
        .max_connections(10)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options)
}

async fn drop_leftovers(connection: &mut PgConnection) {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'")
            .fetch_all(&mut *connection)
            .await
            .unwrap_or_default();
    let now = Uuid::now_v7()
        .get_timestamp()
        .map_or(0, |time| time.to_unix().0);
    for name in names {
        let made = name
            .strip_prefix("test_")
            .and_then(|id| Uuid::parse_str(id).ok())
            .and_then(|id| id.get_timestamp())
            .map_or(now, |time| time.to_unix().0);
        if now.saturating_sub(made) > LEFTOVER_AGE_SECONDS {
            let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
            let _ = sqlx::raw_sql(drop).execute(&mut *connection).await;
        }
    }
}
