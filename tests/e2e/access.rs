//! Who may call what: every protected endpoint against no token and against each wrong role.

use anyhow::{Result, ensure};
use quickbite_tests::{client::Api, people::Person};
use reqwest::Method;
use serde_json::json;

const ID: &str = "0190d6c0-0000-7000-8000-000000000000";

/// Method, path, and the roles that may get past the door (what they meet behind it is another
/// matter: 404, 409 and 422 are fine).
fn protected() -> Vec<(Method, String, &'static [&'static str])> {
    const ANY: &[&str] = &["customer", "restaurant_owner", "driver"];
    const NONE: &[&str] = &[];
    let row = |method, path: &str, roles| (method, path.replace("{id}", ID), roles);
    let (get, post) = (Method::GET, Method::POST);
    vec![
        row(get.clone(), "/api/users/me", ANY),
        row(get.clone(), "/api/users/me/addresses", ANY),
        row(get.clone(), "/api/users", NONE),
        row(get.clone(), "/api/users/{id}", NONE),
        row(get.clone(), "/api/restaurants/mine", &["restaurant_owner"]),
        row(post.clone(), "/api/restaurants", &["restaurant_owner"]),
        row(
            post.clone(),
            "/api/restaurants/{id}/open",
            &["restaurant_owner"],
        ),
        row(
            post.clone(),
            "/api/restaurants/{id}/menu",
            &["restaurant_owner"],
        ),
        row(post.clone(), "/api/orders", &["customer"]),
        row(get.clone(), "/api/orders/{id}", ANY),
        row(
            post.clone(),
            "/api/orders/{id}/accept",
            &["restaurant_owner"],
        ),
        row(post.clone(), "/api/orders/{id}/cancel", &["customer"]),
        row(get.clone(), "/api/orders/{id}/saga", NONE),
        row(get.clone(), "/api/sagas?state=stuck", NONE),
        row(post.clone(), "/api/sagas/{id}/retry", NONE),
        row(post.clone(), "/api/drivers/me/offline", &["driver"]),
        row(post.clone(), "/api/drivers/me/location", &["driver"]),
        row(get.clone(), "/api/drivers/me/offers", &["driver"]),
        row(
            get.clone(),
            "/api/drivers/nearby?lat=1&lng=1&radiusKm=1",
            NONE,
        ),
        row(post, "/api/deliveries/{id}/accept", &["driver"]),
        row(get.clone(), "/api/notifications", ANY),
        row(get.clone(), "/api/notifications/dead-letters", NONE),
        row(get.clone(), "/api/notifications/preferences", ANY),
        row(get, "/api/admin/circuits", NONE),
    ]
}

#[tokio::test]
async fn no_one_gets_in_where_they_do_not_belong() -> Result<()> {
    let api = Api::from_env();
    let mut people = Vec::new();
    for role in ["customer", "restaurant_owner", "driver"] {
        people.push((role, Person::register(&api, role).await?));
    }
    let mut wrong = Vec::new();
    for (method, path, roles) in protected() {
        let anonymous = api.call(method.clone(), &path, None, &json!({})).await?;
        if anonymous.status != 401 {
            wrong.push(format!(
                "{method} {path} without a token: {}",
                anonymous.status
            ));
        }
        for (role, person) in &people {
            let reply = api
                .call(method.clone(), &path, Some(&person.token), &json!({}))
                .await?;
            let status = reply.status.as_u16();
            let fine = if roles.contains(role) {
                status != 401 && status != 403 && status < 500
            } else {
                status == 403
            };
            if !fine {
                wrong.push(format!(
                    "{method} {path} as {role}: {status} {}",
                    reply.body
                ));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_client_cannot_name_itself_by_header() -> Result<()> {
    let api = Api::from_env();
    let request = api
        .request(Method::GET, "/api/users/me")
        .header("x-user-id", ID)
        .header("x-user-role", "admin");
    api.send(request).await?.expect(401)?;
    Ok(())
}

#[tokio::test]
async fn the_first_admin_comes_from_the_custom_resource() -> Result<()> {
    let api = Api::from_env();
    let (email, password) = crate::platform::bootstrap_admin().await?;
    let admin = Person::login(&api, &email, &password).await?;
    let circuits = admin.get("/api/admin/circuits").await?.expect(200)?;
    ensure!(circuits.to_string().contains("restaurant"), "{circuits}");
    admin.get("/api/users?limit=1").await?.expect(200)?;
    Ok(())
}
