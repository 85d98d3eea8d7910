//! What admins see and change, and how the first one comes to be.

use http::Method;
use quickbite_user::bootstrap::{self, AdminAccount};
use quickbite_user::domain::{Email, Password};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Answer, PASSWORD, Person, World};

async fn patch(world: &World, admin: &Person, id: Uuid, change: Value) -> Answer {
    let path = format!("/api/users/{id}");
    world
        .call(Some(&admin.identity), Method::PATCH, &path, Some(change))
        .await
}

#[tokio::test]
async fn a_disabled_account_is_signed_out_everywhere_and_cannot_sign_in() {
    let world = World::new().await;
    let (admin, person) = (world.admin().await, world.register("customer").await);
    let answer = patch(&world, &admin, person.id, json!({"disabled": true})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["disabled"]),
        (200, &json!(true))
    );
    assert!(world.is_revoked(person.identity.session.unwrap()).await);
    assert_eq!(world.refresh(&person.refresh_token).await.status, 401);
    let login = world.login(&person.email, PASSWORD).await;
    assert_eq!(
        (login.status.as_u16(), &login.body["code"]),
        (403, &json!("account_disabled"))
    );
    let guess = world.login(&person.email, "wrong password").await;
    assert_eq!(guess.body["code"], "invalid_credentials");
}

#[tokio::test]
async fn disabling_is_told_once_to_the_others() {
    let world = World::new().await;
    let (admin, person) = (world.admin().await, world.register("customer").await);
    for _ in 0..2 {
        patch(&world, &admin, person.id, json!({"disabled": true})).await;
    }
    let facts = world.facts().await;
    let (kind, subject, sequence, data) = facts.last().unwrap();
    assert_eq!(
        (kind.as_str(), *subject, *sequence),
        ("user.disabled", person.id, 2)
    );
    assert_eq!(*data, json!({"userId": person.id}));
    assert_eq!(facts.len(), 3);
}

#[tokio::test]
async fn an_account_can_be_enabled_again() {
    let world = World::new().await;
    let (admin, person) = (world.admin().await, world.register("customer").await);
    patch(&world, &admin, person.id, json!({"disabled": true})).await;
    patch(&world, &admin, person.id, json!({"disabled": false})).await;
    assert_eq!(world.login(&person.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn another_role_ends_the_sessions_that_carry_the_old_one() {
    let world = World::new().await;
    let (admin, person) = (world.admin().await, world.register("customer").await);
    let answer = patch(&world, &admin, person.id, json!({"role": "driver"})).await;
    assert_eq!(answer.body["role"], "driver");
    assert!(world.is_revoked(person.identity.session.unwrap()).await);
    let again = world.login(&person.email, PASSWORD).await;
    assert_eq!(world.identity(&again).role, quickbite_auth::Role::Driver);
}

#[tokio::test]
async fn admins_cannot_lock_themselves_out() {
    let world = World::new().await;
    let admin = world.admin().await;
    for change in [json!({"disabled": true}), json!({"role": "customer"})] {
        let answer = patch(&world, &admin, admin.id, change).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (409, &json!("own_account"))
        );
    }
}

#[tokio::test]
async fn unknown_accounts_and_unknown_roles_are_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    let unknown = patch(&world, &admin, Uuid::now_v7(), json!({"disabled": true})).await;
    assert_eq!(unknown.body["code"], "user_not_found");
    let role = patch(&world, &admin, admin.id, json!({"role": "root"})).await;
    assert_eq!(
        (role.status.as_u16(), &role.body["errors"][0]["field"]),
        (422, &json!("role"))
    );
}

#[tokio::test]
async fn accounts_are_listed_newest_first_page_by_page_and_filtered() {
    let world = World::new().await;
    let admin = world.admin().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(json!(world.register("driver").await.id));
    }
    ids.reverse();
    let get = async |path: &str| {
        world
            .call(Some(&admin.identity), Method::GET, path, None)
            .await
            .body
    };
    let first = get("/api/users?role=driver&limit=2").await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = get(&format!("/api/users?role=driver&limit=2&cursor={cursor}")).await;
    let seen: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|user| user["id"].clone())
        .collect();
    assert_eq!(seen, ids);
    assert_eq!(second["nextCursor"], Value::Null);
    let one = get(&format!("/api/users?email={}", admin.email)).await;
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
}

const ROOT: &str = "root@example.org";

/// A process starts that is told this password for the first admin.
async fn start(world: &World, password: &str) {
    let email = Email::parse(ROOT).unwrap();
    let password = Password::choose(password.into(), &email).unwrap();
    let account = AdminAccount { email, password };
    bootstrap::ensure(account, world.state.clone(), CancellationToken::new()).await;
}

#[tokio::test]
async fn the_first_admin_is_made_once() {
    let world = World::new().await;
    start(&world, PASSWORD).await;
    start(&world, PASSWORD).await;
    let login = world.login(ROOT, PASSWORD).await;
    assert_eq!(login.status, 200, "{}", login.body);
    assert_eq!(login.body["user"]["role"], "admin");
    assert_eq!(world.types_of_facts().await, ["user.registered"]);
}

#[tokio::test]
async fn a_password_that_the_first_admin_chose_survives_a_restart() {
    let world = World::new().await;
    start(&world, PASSWORD).await;
    let login = world.login(ROOT, PASSWORD).await;
    let id = login.body["user"]["id"].as_str().unwrap().parse().unwrap();
    let chosen = world
        .state
        .passwords
        .hash(Password::attempt("chosen by me".into()));
    let (chosen, old) = (
        chosen.await.unwrap(),
        world.state.store.user(id).await.unwrap(),
    );
    let (old, now) = (old.unwrap().password_hash, world.state.clock.now());
    let change = world
        .state
        .store
        .change_password(id, &old, &chosen, None, now);
    change.await.unwrap().unwrap();

    start(&world, PASSWORD).await;

    assert_eq!(world.login(ROOT, "chosen by me").await.status, 200);
    assert_eq!(world.login(ROOT, PASSWORD).await.status, 401);
}

#[tokio::test]
async fn another_configured_password_counts_again_and_ends_the_sessions() {
    let world = World::new().await;
    start(&world, PASSWORD).await;
    let login = world.login(ROOT, PASSWORD).await;

    start(&world, "another password").await;

    assert_eq!(world.login(ROOT, "another password").await.status, 200);
    assert_eq!(world.login(ROOT, PASSWORD).await.status, 401);
    let token = login.body["refreshToken"].as_str().unwrap();
    assert_eq!(world.refresh(token).await.status, 401);
}
