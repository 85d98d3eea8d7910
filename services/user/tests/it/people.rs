//! Registering, logging in, one's own account.

use http::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, World};

fn body(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "name": "Ann", "phone": "+49 30 123456"})
}

#[tokio::test]
async fn a_new_account_is_signed_in_at_once_and_is_a_customer() {
    let world = World::new().await;
    let answer = world
        .post("/api/users/register", body("Ann@Example.org"))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let user = &answer.body["user"];
    assert_eq!(user["email"], "ann@example.org");
    assert_eq!(user["role"], "customer");
    assert_eq!(user["phone"], "+49 30 123456");
    assert_eq!(user["disabled"], false);
    assert_eq!(answer.body["expiresIn"], 3600);
    let location = format!("/api/users/{}", user["id"].as_str().unwrap());
    assert_eq!(answer.headers["location"], location);
    assert_eq!(
        world.identity(&answer).user_id.to_string(),
        user["id"].as_str().unwrap()
    );
    assert!(!answer.body.to_string().contains("argon2"));
}

#[tokio::test]
async fn registering_is_told_to_the_others_with_the_account() {
    let world = World::new().await;
    let person = world.register("driver").await;
    let (kind, subject, sequence, data) = world.facts().await.remove(0);
    assert_eq!(
        (kind.as_str(), subject, sequence),
        ("user.registered", person.id, 1)
    );
    assert_eq!(
        data,
        json!({"userId": person.id, "email": person.email, "name": "Ann", "role": "driver"})
    );
}

#[tokio::test]
async fn one_mailbox_has_one_account_in_any_spelling() {
    let world = World::new().await;
    world
        .post("/api/users/register", body("ann@example.org"))
        .await;
    let again = world
        .post("/api/users/register", body(" ANN@example.org"))
        .await;
    assert_eq!(
        (again.status.as_u16(), &again.body["code"]),
        (409, &json!("email_taken"))
    );
    assert_eq!(world.types_of_facts().await, ["user.registered"]);
}

#[tokio::test]
async fn of_twenty_at_once_with_one_address_one_gets_the_account() {
    let world = World::new().await;
    let all = (0..20).map(|_| world.post("/api/users/register", body("ann@example.org")));
    let answers = futures::future::join_all(all).await;
    let of = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((of(201), of(409)), (1, 19));
}

#[tokio::test]
async fn every_field_that_breaks_a_rule_is_named() {
    let world = World::new().await;
    let bad = json!({"email": "ann", "password": PASSWORD, "name": " ", "phone": "x"});
    let answer = world.post("/api/users/register", bad).await;
    assert_eq!(answer.status, 422);
    let fields: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["email", "name", "phone"]);
}

#[tokio::test]
async fn passwords_that_break_the_rules_are_refused() {
    let world = World::new().await;
    for password in ["short", "ann@example.org", &"x".repeat(129)] {
        let bad = json!({"email": "ann@example.org", "password": password, "name": "Ann"});
        let answer = world.post("/api/users/register", bad).await;
        assert_eq!(answer.status, 422, "{password}");
        assert_eq!(answer.body["errors"][0]["field"], "password");
        assert!(
            !answer.body.to_string().contains("xxxx"),
            "a password is not repeated"
        );
    }
}

#[tokio::test]
async fn nobody_can_register_as_an_admin() {
    let world = World::new().await;
    let bad = json!({"email": "a@example.org", "password": PASSWORD, "name": "A", "role": "admin"});
    let answer = world.post("/api/users/register", bad).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["errors"][0]["field"]),
        (422, &json!("role"))
    );
}

#[tokio::test]
async fn logging_in_gives_a_session_of_its_own() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let answer = world.login(&person.email.to_uppercase(), PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let identity = world.identity(&answer);
    assert_eq!(identity.user_id, person.id);
    assert_ne!(identity.session, person.identity.session);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let mut answers = Vec::new();
    for (email, password) in [
        (person.email.as_str(), "wrong password"),
        ("nobody@example.org", PASSWORD),
        ("x", ""),
    ] {
        let mut answer = world.login(email, password).await;
        assert_eq!(answer.status, 401);
        answer.body["correlationId"] = Value::Null;
        answers.push(answer.body);
    }
    assert_eq!(answers[0]["code"], "invalid_credentials");
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn one_can_read_and_change_ones_own_account() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let me = Some(&person.identity);
    let change = json!({"name": " Anna ", "phone": "030 99999"});
    let changed = world
        .call(me, Method::PATCH, "/api/users/me", Some(change))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let shown = world.call(me, Method::GET, "/api/users/me", None).await;
    assert_eq!(shown.body, changed.body);
    assert_eq!(
        (&shown.body["name"], &shown.body["phone"]),
        (&json!("Anna"), &json!("030 99999"))
    );
}

#[tokio::test]
async fn an_absent_phone_stays_and_a_null_one_goes() {
    let world = World::new().await;
    let answer = world
        .post("/api/users/register", body("ann@example.org"))
        .await;
    let me = world.identity(&answer);
    let patch = async |change: Value| {
        world
            .call(Some(&me), Method::PATCH, "/api/users/me", Some(change))
            .await
            .body
    };
    assert_eq!(patch(json!({})).await["phone"], "+49 30 123456");
    assert_eq!(patch(json!({"phone": null})).await["phone"], Value::Null);
}

#[tokio::test]
async fn a_changed_password_works_and_the_old_one_does_not() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another password"});
    let path = "/api/users/me/password";
    let answer = world
        .call(Some(&person.identity), Method::POST, path, Some(change))
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(world.login(&person.email, PASSWORD).await.status, 401);
    assert_eq!(
        world.login(&person.email, "another password").await.status,
        200
    );
}

#[tokio::test]
async fn a_password_changes_only_for_who_knows_it_and_only_to_a_good_one() {
    let world = World::new().await;
    let person = world.register("customer").await;
    let path = "/api/users/me/password";
    let change = async |current: &str, new: &str| {
        let body = json!({"currentPassword": current, "newPassword": new});
        world
            .call(Some(&person.identity), Method::POST, path, Some(body))
            .await
    };
    let wrong = change("wrong password", "another password").await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.body["code"]),
        (403, &json!("wrong_password"))
    );
    let weak = change(PASSWORD, "short").await;
    assert_eq!(weak.body["errors"][0]["field"], "newPassword");
    assert_eq!(world.login(&person.email, PASSWORD).await.status, 200);
}
