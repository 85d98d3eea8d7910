//! What a migration Job does.

use std::env;

use clap::Parser;
use quickbite_postgres::testing::ADMIN_URL;
use quickbite_postgres::{PostgresArgs, connect_lazy, migrate, schema_ready};
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use url::Url;
use uuid::Uuid;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    postgres: PostgresArgs,
}

/// Arguments for a new service with this name and password, as a Job gets them.
fn arguments(name: &str, password: &str) -> (PostgresArgs, Url) {
    let admin = env::var(ADMIN_URL)
        .unwrap_or_else(|_| panic!("{ADMIN_URL} must name a PostgreSQL server for this test"));
    let mut url = Url::parse(&admin).unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some(password)).unwrap();
    url.set_path(name);
    let cli = Cli::parse_from([
        "test",
        "--database-url",
        url.as_str(),
        "--database-admin-url",
        &admin,
    ]);
    (cli.postgres, url)
}

fn name() -> String {
    // Its leading time lets leftovers be dropped.
    format!("test_{}", Uuid::now_v7().simple())
}

#[tokio::test]
async fn a_migration_makes_role_database_and_tables_and_may_run_again() {
    let (args, _) = arguments(&name(), "it's a \"pass/word\"%");
    let none = Migrator::with_migrations(Vec::new());
    migrate(&args, &none).await.unwrap();
    migrate(&args, &none).await.unwrap();
    let pool = connect_lazy(&args).unwrap();
    assert!(schema_ready(&pool, &none).await.unwrap());
    for table in ["outbox", "inbox", "idempotency_keys"] {
        let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(table)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert!(there, "{table}");
    }
}

#[tokio::test]
async fn a_new_password_takes_effect_with_the_next_migration() {
    let name = name();
    let none = Migrator::with_migrations(Vec::new());
    let (before, old_url) = arguments(&name, "before");
    migrate(&before, &none).await.unwrap();
    let (after, _) = arguments(&name, "after");
    migrate(&after, &none).await.unwrap();
    assert!(
        schema_ready(&connect_lazy(&after).unwrap(), &none)
            .await
            .unwrap()
    );
    assert!(
        PgConnection::connect(old_url.as_str()).await.is_err(),
        "the old password still works"
    );
}

#[tokio::test]
async fn one_service_cannot_look_into_the_database_of_another() {
    let (one, mut url) = arguments(&name(), "one");
    let (other, other_url) = arguments(&name(), "other");
    let none = Migrator::with_migrations(Vec::new());
    migrate(&one, &none).await.unwrap();
    migrate(&other, &none).await.unwrap();
    url.set_path(other_url.path());
    assert!(PgConnection::connect(url.as_str()).await.is_err());
}

#[tokio::test]
async fn a_database_without_its_migrations_is_not_ready() {
    let (args, url) = arguments(&name(), "pw");
    let none = Migrator::with_migrations(Vec::new());
    migrate(&args, &none).await.unwrap();
    let pool = connect_lazy(&args).unwrap();
    sqlx::raw_sql("DROP TABLE _shared_migrations")
        .execute(&pool)
        .await
        .unwrap();
    assert!(!schema_ready(&pool, &none).await.unwrap(), "{}", url.path());
}
