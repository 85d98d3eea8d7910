//! Accounts and tokens through the ingress.

use std::time::Duration;

use anyhow::{Result, ensure};
use quickbite_tests::{client::Api, people::Person, wait::until};
use serde_json::json;

#[tokio::test]
async fn a_token_that_is_missing_or_bad_is_told_apart() -> Result<()> {
    let api = Api::from_env();
    let missing = api.get("/api/users/me", None).await?;
    ensure!(
        missing.body["message"] == "Access token required",
        "{missing:?}"
    );
    missing.expect(401)?;
    let bad = api.get("/api/users/me", Some("not.a.token")).await?;
    ensure!(bad.body["message"] == "Invalid or expired token", "{bad:?}");
    bad.expect(403)?;
    Ok(())
}

#[tokio::test]
async fn logging_out_ends_the_token_within_a_second() -> Result<()> {
    let person = Person::register(&Api::from_env(), "customer").await?;
    person.get("/api/users/me").await?.expect(200)?;
    person
        .post("/api/users/logout", &json!({}))
        .await?
        .expect(204)?;
    until(
        "the token to stop working",
        Duration::from_secs(1),
        || person.get("/api/users/me"),
        |reply| reply.status == 403,
    )
    .await?;
    let refresh = json!({"refreshToken": person.refresh_token});
    person
        .api
        .post("/api/users/refresh", None, &refresh)
        .await?
        .expect(401)?;
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_family() -> Result<()> {
    let person = Person::register(&Api::from_env(), "customer").await?;
    let old = json!({"refreshToken": person.refresh_token});
    let fresh = person
        .api
        .post("/api/users/refresh", None, &old)
        .await?
        .expect(200)?;
    let reused = person.api.post("/api/users/refresh", None, &old).await?;
    ensure!(reused.code() == "refresh_reused", "{reused:?}");
    reused.expect(401)?;
    let next = json!({"refreshToken": fresh["refreshToken"]});
    person
        .api
        .post("/api/users/refresh", None, &next)
        .await?
        .expect(401)?;
    Ok(())
}

#[tokio::test]
async fn nobody_makes_themselves_an_admin() -> Result<()> {
    let api = Api::from_env();
    let body = json!({
        "email": "mallory@example.com", "password": "long enough", "name": "M", "role": "admin",
    });
    let reply = api.post("/api/users/register", None, &body).await?;
    ensure!(reply.status == 422 || reply.status == 403, "{reply:?}");
    Ok(())
}

#[tokio::test]
async fn an_address_is_kept_and_removed() -> Result<()> {
    let person = Person::register(&Api::from_env(), "customer").await?;
    let mut address = quickbite_tests::people::address((48.1, 11.5));
    address["label"] = json!("home");
    let saved = person
        .post("/api/users/me/addresses", &address)
        .await?
        .expect(201)?;
    let list = person.get("/api/users/me/addresses").await?.expect(200)?;
    ensure!(list["items"][0]["id"] == saved["id"], "{list}");
    let path = format!(
        "/api/users/me/addresses/{}",
        saved["id"].as_str().unwrap_or_default()
    );
    person
        .api
        .call(
            reqwest::Method::DELETE,
            &path,
            Some(&person.token),
            &json!({}),
        )
        .await?
        .expect(204)?;
    Ok(())
}
