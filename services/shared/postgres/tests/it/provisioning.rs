//! What a migration Job does.

use std::env;
use std::sync::LazyLock;

use clap::Parser;
use quickbite_postgres::testing::ADMIN_URL;
use quickbite_postgres::{NotReady, PostgresArgs, connect_lazy, migrate, probe};
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

static NONE: LazyLock<Migrator> = LazyLock::new(|| Migrator::with_migrations(Vec::new()));

fn name() -> String {
    // Its leading time lets leftovers be dropped.
    format!("test_{}", Uuid::now_v7().simple())
}

#[tokio::test]
async fn a_migration_makes_role_database_and_tables_and_may_run_again() {
    let (args, _) = arguments(&name(), "it's a \"pass/word\"%");
    migrate(&args, &NONE).await.unwrap();
    migrate(&args, &NONE).await.unwrap();
    let pool = connect_lazy(&args).unwrap();
    probe(&pool, &NONE)().await.expect("it is ready");
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
    let (before, old_url) = arguments(&name, "before");
    migrate(&before, &NONE).await.unwrap();
    let (after, _) = arguments(&name, "after");
    migrate(&after, &NONE).await.unwrap();
    let ready = probe(&connect_lazy(&after).unwrap(), &NONE)().await;
    ready.expect("the new password opens");
    assert!(
        PgConnection::connect(old_url.as_str()).await.is_err(),
        "the old password still works"
    );
}

#[tokio::test]
async fn one_service_cannot_look_into_the_database_of_another() {
    let (one, mut url) = arguments(&name(), "one");
    let (other, other_url) = arguments(&name(), "other");
    migrate(&one, &NONE).await.unwrap();
    migrate(&other, &NONE).await.unwrap();
    url.set_path(other_url.path());
    assert!(PgConnection::connect(url.as_str()).await.is_err());
}

#[tokio::test]
async fn a_database_without_its_migrations_is_not_ready() {
    let (args, url) = arguments(&name(), "pw");
    migrate(&args, &NONE).await.unwrap();
    let pool = connect_lazy(&args).unwrap();
    sqlx::raw_sql("DROP TABLE _shared_migrations")
        .execute(&pool)
        .await
        .unwrap();
    let ready = probe(&pool, &NONE)().await;
    assert!(
        matches!(ready, Err(NotReady::NotMigrated)),
        "{}",
        url.path()
    );
}
