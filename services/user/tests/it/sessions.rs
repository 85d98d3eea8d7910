//! Refreshing, reuse, logging out, and what gateways are told.

use std::time::Duration;

use futures::StreamExt;
use http::Method;
use quickbite_http::testing::eventually;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{PASSWORD, World};

#[tokio::test]
async fn a_refresh_gives_a_new_pair_of_the_same_session() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let answer = world.refresh(&person.refresh_token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let renewed = world.person(&answer);
    assert_eq!(renewed.identity.session, person.identity.session);
    assert_ne!(renewed.refresh_token, person.refresh_token);
    assert_eq!(world.refresh(&renewed.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_token_that_comes_twice_ends_its_whole_session() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let renewed = world.person(&world.refresh(&person.refresh_token).await);
    let reused = world.refresh(&person.refresh_token).await;
    assert_eq!(
        (reused.status.as_u16(), &reused.body["code"]),
        (401, &json!("refresh_reused"))
    );
    let after = world.refresh(&renewed.refresh_token).await;
    assert_eq!(
        (after.status.as_u16(), &after.body["code"]),
        (401, &json!("invalid_refresh_token"))
    );
    assert!(world.is_revoked(person.identity.session.unwrap()).await);
}

#[tokio::test]
async fn reuse_in_one_session_leaves_the_others_alone() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let other = world.person(&world.login(&person.email, PASSWORD).await);
    world.refresh(&person.refresh_token).await;
    world.refresh(&person.refresh_token).await;
    assert_eq!(world.refresh(&other.refresh_token).await.status, 200);
}

#[tokio::test]
async fn of_ten_at_once_with_one_token_one_is_renewed() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let all = (0..10).map(|_| world.refresh(&person.refresh_token));
    let answers = futures::future::join_all(all).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1
    );
    assert!(
        answers
            .iter()
            .all(|answer| [200, 401].contains(&answer.status.as_u16()))
    );
}

#[tokio::test]
async fn a_refresh_token_ends_after_its_time() {
    let world = World::new().await;
    let person = world.register("customer").await;
    world.wait(86_399 - 5);
    let renewed = world.person(&world.refresh(&person.refresh_token).await);
    world.wait(86_401);
    let late = world.refresh(&renewed.refresh_token).await;
    assert_eq!(late.body["code"], "invalid_refresh_token");
}

#[tokio::test]
async fn tokens_that_were_never_issued_are_refused() {
    let world = World::new().await;
    let made_up = "A".repeat(43);
    for token in ["", "x", "ü", made_up.as_str(), &"A".repeat(5000)] {
        let answer = world.refresh(token).await;
        assert_eq!(answer.status, 401, "{token}");
        assert_eq!(answer.body["code"], "invalid_refresh_token");
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_and_tells_gateways_at_once() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let session = person.identity.session.unwrap();
    let mut subscriber = world.redis.subscriber().await.unwrap();
    subscriber.subscribe("auth:revocations").await.unwrap();

    let path = "/api/users/logout";
    let answer = world
        .call(Some(&person.identity), Method::POST, path, None)
        .await;
    assert_eq!(answer.status, 204);
    assert!(world.is_revoked(session).await);
    let told = async {
        let mut messages = subscriber.on_message();
        while let Some(message) = messages.next().await {
            if message.get_payload::<String>().unwrap() == session.to_string() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(1), told)
        .await
        .expect("told within a second");
    let after = world.refresh(&person.refresh_token).await;
    assert_eq!(after.body["code"], "invalid_refresh_token");
}

#[tokio::test]
async fn a_revocation_is_kept_in_redis_for_as_long_as_an_access_token_can_live() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let session = person.identity.session.unwrap();
    world
        .call(
            Some(&person.identity),
            Method::POST,
            "/api/users/logout",
            None,
        )
        .await;
    let mut ttl = redis::cmd("TTL");
    ttl.arg(format!("auth:revoked:{session}"));
    let left: i64 = world
        .redis
        .command(Duration::from_secs(2), &ttl)
        .await
        .unwrap();
    assert!((3590..=3601).contains(&left), "{left}");
}

#[tokio::test]
async fn logging_out_twice_is_as_good_as_once() {
    let world = World::new().await;
    let person = world.register("customer").await;
    for _ in 0..2 {
        let path = "/api/users/logout";
        let answer = world
            .call(Some(&person.identity), Method::POST, path, None)
            .await;
        assert_eq!(answer.status, 204);
    }
}

#[tokio::test]
async fn a_new_password_ends_every_session_but_the_one_that_changed_it() {
    let world = World::new().await;
    let here = world.register("customer").await;
    let there = world.person(&world.login(&here.email, PASSWORD).await);
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another password"});
    let path = "/api/users/me/password";
    world
        .call(Some(&here.identity), Method::POST, path, Some(change))
        .await;
    assert!(world.is_revoked(there.identity.session.unwrap()).await);
    assert!(!world.is_revoked(here.identity.session.unwrap()).await);
    assert_eq!(world.refresh(&there.refresh_token).await.status, 401);
    assert_eq!(world.refresh(&here.refresh_token).await.status, 200);
}

#[tokio::test]
async fn what_redis_missed_is_announced_by_the_loop() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let session = person.identity.session.unwrap();
    // As if the process had died between its commit and the announcement.
    sqlx::query("UPDATE sessions SET revoked_at = now(), revoked_because = 'logout' WHERE id = $1")
        .bind(session)
        .execute(&world.pool)
        .await
        .unwrap();
    assert!(!world.is_revoked(session).await);
    let stop = CancellationToken::new();
    let running = tokio::spawn(world.state.announcer.clone().run(stop.clone()));
    eventually("it is announced", async || world.is_revoked(session).await).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.state.store.unannounced().await.unwrap(), []);
}

#[tokio::test]
async fn sessions_are_forgotten_once_nothing_of_them_can_live() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let now = world.state.clock.now();
    assert_eq!(world.state.store.forget_sessions(now).await.unwrap(), 0);
    world.wait(86_400 + 5);
    let now = world.state.clock.now();
    assert_eq!(world.state.store.forget_sessions(now).await.unwrap(), 1);
    assert_eq!(world.refresh(&person.refresh_token).await.status, 401);
}
