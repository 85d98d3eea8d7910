//! One key, one effect, one answer.

use quickbite_http::idempotency::{Begin, IdempotencyStore, Scope, StoredResponse};
use quickbite_postgres::PgIdempotency;
use quickbite_postgres::testing::fresh_database;
use sqlx::PgPool;
use sqlx::migrate::Migrator;

const BODY: [u8; 32] = [1; 32];
const OTHER_BODY: [u8; 32] = [2; 32];

async fn store() -> (PgPool, PgIdempotency) {
    let pool = fresh_database(&Migrator::with_migrations(Vec::new())).await;
    (pool.clone(), PgIdempotency::new(pool))
}

fn scope(key: &str) -> Scope {
    Scope {
        caller: "someone".into(),
        operation: "POST /things".into(),
        key: key.into(),
    }
}

fn answer() -> StoredResponse {
    StoredResponse {
        status: 201,
        headers: vec![("location".into(), "/things/1".into())],
        body: b"{\"id\": 1}".to_vec(),
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_another_body_does_not() {
    let (_, store) = store().await;
    let scope = scope("a");
    assert_eq!(store.begin(&scope, &BODY).await.unwrap(), Begin::Started);
    assert_eq!(store.begin(&scope, &BODY).await.unwrap(), Begin::InProgress);
    store.complete(&scope, &answer()).await.unwrap();
    assert_eq!(
        store.begin(&scope, &BODY).await.unwrap(),
        Begin::Replay(answer())
    );
    assert_eq!(
        store.begin(&scope, &OTHER_BODY).await.unwrap(),
        Begin::Mismatch
    );
}

#[tokio::test]
async fn an_abandoned_claim_can_be_taken_again() {
    let (_, store) = store().await;
    let scope = scope("a");
    store.begin(&scope, &BODY).await.unwrap();
    store.abandon(&scope).await.unwrap();
    assert_eq!(store.begin(&scope, &BODY).await.unwrap(), Begin::Started);
}

#[tokio::test]
async fn the_claim_of_a_dead_process_lapses_after_a_minute_and_an_answer_after_a_day() {
    let (pool, store) = store().await;
    let (claimed, answered) = (scope("claimed"), scope("answered"));
    store.begin(&claimed, &BODY).await.unwrap();
    store.begin(&answered, &BODY).await.unwrap();
    store.complete(&answered, &answer()).await.unwrap();
    let age = |span: &'static str| {
        sqlx::query("UPDATE idempotency_keys SET locked_at = now() - $1::interval, created_at = now() - $1::interval")
            .bind(span)
            .execute(&pool)
    };
    age("61 seconds").await.unwrap();
    assert_eq!(store.begin(&claimed, &BODY).await.unwrap(), Begin::Started);
    assert!(matches!(
        store.begin(&answered, &BODY).await.unwrap(),
        Begin::Replay(_)
    ));
    age("25 hours").await.unwrap();
    assert_eq!(store.begin(&answered, &BODY).await.unwrap(), Begin::Started);
}

#[tokio::test]
async fn of_many_at_once_one_starts() {
    let (_, store) = store().await;
    let scope = scope("a");
    let attempts = (0..20).map(|_| {
        let (store, scope) = (store.clone(), scope.clone());
        tokio::spawn(async move { store.begin(&scope, &BODY).await.unwrap() })
    });
    let mut started = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        started += u32::from(attempt.await.unwrap() == Begin::Started);
    }
    assert_eq!(started, 1);
}
