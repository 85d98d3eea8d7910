//! Restaurants and their cache, as a hungry client sees them.

use anyhow::{Result, ensure};
use quickbite_tests::{
    client::Api,
    people::{Kitchen, Person},
};
use serde_json::json;

async fn kitchen() -> Result<Kitchen> {
    let owner = Person::register(&Api::from_env(), "restaurant_owner").await?;
    Kitchen::open(&owner, false).await
}

#[tokio::test]
async fn the_second_read_comes_from_the_cache_and_a_write_is_seen_at_once() -> Result<()> {
    let kitchen = kitchen().await?;
    let api = &kitchen.owner.api;
    let path = format!("/api/restaurants/{}", kitchen.id);
    api.get(&path, None).await?;
    let second = api.get(&path, None).await?;
    ensure!(second.header("x-cache") == "hit", "{second:?}");
    for round in 0..5 {
        let name = format!("{} {round}", kitchen.name);
        kitchen
            .owner
            .api
            .call(
                reqwest::Method::PATCH,
                &path,
                Some(&kitchen.owner.token),
                &json!({"name": name}),
            )
            .await?
            .expect(200)?;
        let read = api.get(&path, None).await?.expect(200)?;
        ensure!(
            read["name"] == name.as_str(),
            "a stale name after a write that succeeded: {read}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_restaurant_is_found_by_name_dish_place_and_list() -> Result<()> {
    let kitchen = kitchen().await?;
    let api = &kitchen.owner.api;
    let word = kitchen
        .name
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    let (lat, lng) = kitchen.place;
    for path in [
        format!("/api/restaurants/search?q={word}"),
        format!("/api/restaurants/nearby?lat={lat}&lng={lng}&radiusKm=2"),
        "/api/restaurants?cuisine=italian&open=true&limit=100".to_owned(),
    ] {
        let found = api.get(&path, None).await?.expect(200)?;
        let listed = found["items"].as_array().is_some_and(|items| {
            items
                .iter()
                .any(|restaurant| restaurant["id"] == kitchen.id.as_str())
        });
        ensure!(
            listed || found["nextCursor"].is_string(),
            "{path} did not find it: {found}"
        );
    }
    let near = api
        .get(
            &format!("/api/restaurants/nearby?lat={lat}&lng={lng}&radiusKm=2"),
            None,
        )
        .await?
        .expect(200)?;
    ensure!(near["items"][0]["distanceMeters"].is_number(), "{near}");
    Ok(())
}

#[tokio::test]
async fn only_its_owner_changes_a_restaurant() -> Result<()> {
    let kitchen = kitchen().await?;
    let api = &kitchen.owner.api;
    let path = format!("/api/restaurants/{}", kitchen.id);
    let other = Person::register(api, "restaurant_owner").await?;
    let customer = Person::register(api, "customer").await?;
    let patch = json!({"name": "Mine now"});
    let method = reqwest::Method::PATCH;
    api.call(method.clone(), &path, None, &patch)
        .await?
        .expect(401)?;
    api.call(method.clone(), &path, Some(&customer.token), &patch)
        .await?
        .expect(403)?;
    let stranger = api.call(method, &path, Some(&other.token), &patch).await?;
    ensure!(
        matches!(stranger.status.as_u16(), 403 | 404),
        "{stranger:?}"
    );
    let read = api.get(&path, None).await?.expect(200)?;
    ensure!(
        read["name"] == kitchen.name.as_str(),
        "a refused change changed something: {read}"
    );
    Ok(())
}
