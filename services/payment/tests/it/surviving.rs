//! A process that dies with a call under way, and the one that comes after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use quickbite_events::Outcome;
use quickbite_http::testing::eventually;
use quickbite_payment::provider::sandbox::Sandbox;
use quickbite_payment::provider::{Answer, Provider, ProviderError, Request};
use quickbite_payment::store::MIGRATIONS;
use quickbite_postgres::testing::fresh_database;
use uuid::Uuid;

use crate::stage::{Stage, authorize, capture, total};

/// Does what it is asked and takes the whole process with it.
struct Deadly {
    sandbox: Sandbox,
    struck: Arc<AtomicBool>,
}

#[async_trait]
impl Provider for Deadly {
    async fn call(&self, request: &Request) -> Result<Answer, ProviderError> {
        self.sandbox.call(request).await?;
        self.struck.store(true, Ordering::SeqCst);
        panic!("killed between the provider's effect and its record");
    }
}

#[tokio::test]
async fn a_call_whose_process_died_is_finished_by_another_with_one_effect() {
    let pool = fresh_database(&MIGRATIONS).await;
    let sandbox = Sandbox::new(pool.clone());
    let struck = Arc::new(AtomicBool::new(false));
    let deadly = Arc::new(Deadly {
        sandbox: sandbox.clone(),
        struck: Arc::clone(&struck),
    });
    let dying = Stage::on(pool.clone(), deadly);
    let order = Uuid::now_v7();
    let command = authorize(order, "tok_ok");
    dying.give(&command).await;
    eventually("the process died", async || struck.load(Ordering::SeqCst)).await;
    assert!(dying.replies(&command).await.is_empty());

    let next = Stage::on(pool, Arc::new(sandbox));
    next.pass(60); // its lease has run out
    assert_eq!(next.reply(&command).await.outcome, Outcome::Ok);
    assert_eq!(next.effect("authorize").await, (1, total()));
    assert_eq!(next.answer(&capture(order)).await.outcome, Outcome::Ok);
    assert_eq!(next.effect("capture").await, (1, total()));
    assert_eq!(
        next.facts().await,
        ["payment.authorized", "payment.captured"]
    );
}

/// Out of order for a while, for everything.
struct Broken {
    sandbox: Sandbox,
    broken: Arc<AtomicBool>,
}

#[async_trait]
impl Provider for Broken {
    async fn call(&self, request: &Request) -> Result<Answer, ProviderError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(ProviderError::OutOfOrder);
        }
        self.sandbox.call(request).await
    }
}

#[tokio::test]
async fn a_capture_is_tried_until_the_provider_is_back_however_long_that_takes() {
    let pool = fresh_database(&MIGRATIONS).await;
    let broken = Arc::new(AtomicBool::new(false));
    let sandbox = Sandbox::new(pool.clone());
    let stage = Stage::on(
        pool,
        Arc::new(Broken {
            sandbox,
            broken: Arc::clone(&broken),
        }),
    );
    let order = Uuid::now_v7();
    stage.answer(&authorize(order, "tok_ok")).await;
    broken.store(true, Ordering::SeqCst);
    let command = capture(order);
    stage.give(&command).await;
    tokio::time::sleep(Duration::from_secs(5)).await; // all attempts in a row
    assert!(stage.replies(&command).await.is_empty(), "nobody knows yet");
    assert_eq!(stage.status(order).await, "authorized");
    broken.store(false, Ordering::SeqCst);
    stage.pass(60); // its rest is over
    assert_eq!(stage.reply(&command).await.outcome, Outcome::Ok);
    assert_eq!(stage.effect("capture").await, (1, total()));
}
