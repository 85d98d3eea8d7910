//! Every token of the sandbox, and every undo.

use futures::future::join_all;
use quickbite_events::command::payment::PaymentAuthorized;
use quickbite_events::{Outcome, Reply};
use quickbite_http::testing::eventually;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::stage::{Stage, authorize, capture, refund, total, void};

fn code(reply: &Reply) -> &str {
    assert_eq!(reply.outcome, Outcome::Rejected);
    reply.code.as_deref().expect("a code")
}

#[tokio::test]
async fn money_is_held_taken_and_given_back() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    let held = stage.answer(&authorize(order, "tok_ok")).await;
    assert_eq!(held.outcome, Outcome::Ok);
    let data: PaymentAuthorized =
        serde_json::from_value(held.data.expect("data")).expect("a payment's id");
    assert!(!data.payment_id.is_nil());
    assert_eq!(stage.answer(&capture(order)).await.outcome, Outcome::Ok);
    assert_eq!(stage.status(order).await, "captured");
    assert_eq!(stage.answer(&refund(order)).await.outcome, Outcome::Ok);
    assert_eq!(stage.status(order).await, "refunded");
    for call in ["authorize", "capture", "refund"] {
        assert_eq!(stage.effect(call).await, (1, total()), "{call}");
    }
    let facts = ["payment.authorized", "payment.captured", "payment.refunded"];
    assert_eq!(stage.facts().await, facts);
}

#[tokio::test]
async fn refusals_of_the_provider_are_declines_with_their_code() {
    let stage = Stage::new().await;
    for (token, expected) in [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_nobody_knows", "unknown_token"),
    ] {
        let order = Uuid::now_v7();
        let reply = stage.answer(&authorize(order, token)).await;
        assert_eq!(code(&reply), expected);
        assert_eq!(stage.status(order).await, "declined");
        assert_eq!(
            code(&stage.answer(&capture(order)).await),
            "payment_declined"
        );
        assert_eq!(stage.answer(&void(order)).await.outcome, Outcome::Ok);
    }
    assert_eq!(stage.effect("authorize").await.0, 0);
}

#[tokio::test]
async fn a_flaky_provider_is_asked_until_it_works_and_holds_once() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    let reply = stage.answer(&authorize(order, "tok_flaky")).await;
    assert_eq!(reply.outcome, Outcome::Ok);
    assert_eq!(stage.effect("authorize").await, (1, total()));
}

#[tokio::test]
async fn a_provider_without_an_answer_fails_the_payment_and_the_hold_is_released() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    let reply = stage.answer(&authorize(order, "tok_timeout")).await;
    assert_eq!(code(&reply), "payment_timeout");
    assert_eq!(stage.status(order).await, "failed");
    eventually("nobody asked for it, yet it is released", async || {
        stage.effect("void").await == (1, total())
    })
    .await;
    assert_eq!(stage.answer(&void(order)).await.outcome, Outcome::Ok);
    assert_eq!(stage.effect("void").await.0, 1);
    assert_eq!(stage.facts().await, ["payment.failed"]);
}

#[tokio::test]
async fn a_capture_that_fails_leaves_a_hold_that_a_void_releases() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    stage.answer(&authorize(order, "tok_capture_fails")).await;
    assert_eq!(code(&stage.answer(&capture(order)).await), "capture_failed");
    assert_eq!(stage.status(order).await, "failed");
    assert_eq!(stage.answer(&void(order)).await.outcome, Outcome::Ok);
    assert_eq!(stage.status(order).await, "voided");
    assert_eq!(stage.effect("capture").await, (0, Decimal::ZERO));
    assert_eq!(stage.effect("void").await.0, 1);
}

#[tokio::test]
async fn voiding_what_was_captured_gives_it_back() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    stage.answer(&authorize(order, "tok_ok")).await;
    stage.answer(&capture(order)).await;
    assert_eq!(stage.answer(&void(order)).await.outcome, Outcome::Ok);
    assert_eq!(stage.status(order).await, "refunded");
    assert_eq!(stage.effect("refund").await, (1, total()));
}

#[tokio::test]
async fn an_undo_that_overtakes_its_authorisation_stops_it() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    assert_eq!(stage.answer(&void(order)).await.outcome, Outcome::Ok);
    assert_eq!(
        code(&stage.answer(&authorize(order, "tok_ok")).await),
        "payment_voided"
    );
    assert_eq!(stage.effect("authorize").await.0, 0);
}

#[tokio::test]
async fn a_capture_of_nothing_is_refused_and_does_not_spoil_the_order() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    assert_eq!(
        code(&stage.answer(&capture(order)).await),
        "payment_not_found"
    );
    stage.answer(&authorize(order, "tok_ok")).await;
    assert_eq!(stage.answer(&capture(order)).await.outcome, Outcome::Ok);
}

#[tokio::test]
async fn an_undo_sent_while_the_authorisation_runs_comes_after_it() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    let (hold, undo) = (authorize(order, "tok_flaky"), void(order));
    stage.give(&hold).await;
    stage.give(&undo).await;
    assert_eq!(stage.reply(&hold).await.outcome, Outcome::Ok);
    assert_eq!(stage.reply(&undo).await.outcome, Outcome::Ok);
    assert_eq!(stage.status(order).await, "voided");
    assert_eq!(
        (
            stage.effect("authorize").await.0,
            stage.effect("void").await.0
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn commands_repeated_and_doubled_at_once_have_one_effect_and_one_answer_each() {
    let stage = Stage::new().await;
    let order = Uuid::now_v7();
    let first = authorize(order, "tok_flaky");
    let second = authorize(order, "tok_flaky");
    join_all((0..6).map(|n| stage.give(if n % 2 == 0 { &first } else { &second }))).await;
    for command in [&first, &second] {
        assert_eq!(stage.reply(command).await.outcome, Outcome::Ok);
    }
    let captures: Vec<_> = (0..5).map(|_| capture(order)).collect();
    join_all(captures.iter().map(|command| stage.give(command))).await;
    for command in &captures {
        assert_eq!(stage.reply(command).await.outcome, Outcome::Ok);
        assert_eq!(stage.replies(command).await.len(), 1);
    }
    assert_eq!(stage.replies(&first).await.len(), 1);
    assert_eq!(stage.effect("authorize").await, (1, total()));
    assert_eq!(stage.effect("capture").await, (1, total()));
    assert_eq!(
        stage.facts().await,
        ["payment.authorized", "payment.captured"]
    );
}
