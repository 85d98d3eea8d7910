//! Lists, searches and places, and the cache before them.

use axum::http::Method;
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, unique_word};

#[tokio::test]
async fn a_change_is_in_the_next_read_on_every_replica_though_the_old_value_was_cached() {
    let stage = Stage::new().await;
    let other = stage.replica().await;
    let (_, path) = stage.restaurant(json!({})).await;
    assert_eq!(stage.get(&path).await.header("x-cache"), "miss");
    assert_eq!(other.get(&path).await.header("x-cache"), "hit");
    for n in 0..5 {
        let name = format!("Name {n}");
        stage
            .send(Method::PATCH, &path, json!({ "name": name }))
            .await;
        let read = other.get(&path).await;
        assert_eq!(
            (read.text("/name"), read.header("x-cache")),
            (name.as_str(), "miss")
        );
    }
    assert_eq!(stage.get(&path).await.header("x-cache"), "hit");
    stage.send(Method::DELETE, &path, Value::Null).await;
    assert_eq!(other.get(&path).await.status, 404);
}

#[tokio::test]
async fn lists_and_searches_show_a_change_at_once() {
    let stage = Stage::new().await;
    let word = unique_word();
    let by_cuisine = format!("/api/restaurants?cuisine={}&open=true", word.to_uppercase());
    let by_word = format!("/api/restaurants/search?q={word}");
    assert!(stage.get(&by_cuisine).await.ids().is_empty());
    assert!(stage.get(&by_word).await.ids().is_empty());
    let (id, path) = stage.restaurant(json!({ "cuisine": [word] })).await;
    assert!(
        stage.get(&by_cuisine).await.ids().is_empty(),
        "it is closed"
    );
    assert_eq!(stage.get(&by_word).await.ids(), [id.to_string()]);
    stage
        .send(Method::POST, &format!("{path}/open"), Value::Null)
        .await;
    assert_eq!(stage.get(&by_cuisine).await.ids(), [id.to_string()]);
    let mine = stage
        .ask(
            Some(&stage.owner),
            Method::GET,
            "/api/restaurants/mine",
            &[],
            None,
        )
        .await;
    assert_eq!(mine.ids(), [id.to_string()]);
    stage.send(Method::DELETE, &path, Value::Null).await;
    assert!(stage.get(&by_cuisine).await.ids().is_empty());
    assert!(stage.get(&by_word).await.ids().is_empty());
}

#[tokio::test]
async fn pages_of_a_list_show_everything_once_newest_first() {
    let stage = Stage::new().await;
    let word = unique_word();
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(
            stage
                .restaurant(json!({ "cuisine": [word] }))
                .await
                .0
                .to_string(),
        );
    }
    made.reverse();
    let seen = all_pages(&stage, &format!("/api/restaurants?cuisine={word}&limit=3")).await;
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_search_finds_dishes_and_puts_a_name_before_a_description() {
    let stage = Stage::new().await;
    let word = unique_word();
    let (in_description, _) = stage
        .restaurant(json!({ "description": format!("Home of {word}") }))
        .await;
    let (in_name, _) = stage
        .restaurant(json!({ "name": format!("The {word}") }))
        .await;
    let (in_menu, path) = stage.restaurant(json!({})).await;
    let dish = json!({ "name": format!("{word} soup"), "price": 5 });
    stage
        .send(Method::POST, &format!("{path}/menu"), dish)
        .await;
    let expected = [in_name, in_menu, in_description].map(|id: Uuid| id.to_string());
    let path = format!("/api/restaurants/search?q=%20{}%20", word.to_uppercase());
    assert_eq!(stage.get(&path).await.ids(), expected);
    let paged = all_pages(&stage, &format!("/api/restaurants/search?q={word}&limit=1")).await;
    assert_eq!(paged, expected);
}

#[tokio::test]
async fn what_is_near_comes_nearest_first_with_its_distance_and_page_by_page() {
    let stage = Stage::new().await;
    let mut made = Vec::new();
    for n in [3, 1, 2, 1] {
        let mut at = crate::stage::restaurant()["address"].clone();
        at["location"] = json!({ "lat": 10.0 + f64::from(n) * 0.01, "lng": 20.0 });
        made.push((n, stage.restaurant(json!({ "address": at })).await.0));
    }
    stage.restaurant(json!({})).await; // far away
    made.sort_unstable();
    let expected: Vec<_> = made.iter().map(|(_, id)| id.to_string()).collect();
    let path = "/api/restaurants/nearby?lat=10&lng=20&radiusKm=5";
    let near = stage.get(path).await;
    assert_eq!(near.ids(), expected);
    let metres = near.body["items"][0]["distanceMeters"]
        .as_f64()
        .expect("a distance");
    assert!(
        (1_100.0..1_120.0).contains(&metres),
        "a hundredth of a degree is 1.11 km: {metres}"
    );
    assert_eq!(
        all_pages(&stage, &format!("{path}&limit=1")).await,
        expected
    );
    let close = stage
        .get("/api/restaurants/nearby?lat=10&lng=20&radiusKm=1.2")
        .await;
    assert_eq!(close.ids().len(), 2);
}

#[tokio::test]
async fn without_redis_reads_bypass_the_cache_and_writes_work() {
    let stage = Stage::without_redis().await;
    let (_, path) = stage.restaurant(json!({})).await;
    for name in ["One", "Two"] {
        let patched = stage
            .send(Method::PATCH, &path, json!({ "name": name }))
            .await;
        assert_eq!(patched.status, 200);
        let read = stage.get(&path).await;
        assert_eq!(
            (read.text("/name"), read.header("x-cache")),
            (name, "bypass")
        );
    }
    assert_eq!(
        stage.get("/api/restaurants").await.header("x-cache"),
        "bypass"
    );
}

#[tokio::test]
async fn a_thousand_readers_of_what_is_not_cached_all_get_it() {
    let stage = Stage::new().await;
    let other = stage.replica().await;
    let (id, path) = stage.restaurant(json!({})).await;
    let read = |n: u32| {
        if n.is_multiple_of(2) {
            stage.get(&path)
        } else {
            other.get(&path)
        }
    };
    let answers = join_all((0..1000).map(read)).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.text("/id") == id.to_string())
    );
}

#[tokio::test]
async fn no_bad_query_gets_more_than_a_4xx() {
    let stage = Stage::new().await;
    for query in [
        "?limit=0",
        "?limit=x",
        "?cursor=x",
        "?cursor=MQ",
        "?open=maybe",
        "/search",
        "/search?q=",
        "/search?q=%20",
        "/search?q=nul%00inside",
        "/nearby",
        "/nearby?lat=91&lng=0",
        "/nearby?lat=NaN&lng=0",
        "/nearby?lat=0&lng=0&radiusKm=0",
        "/nearby?lat=0&lng=0&radiusKm=inf",
        "/nearby?lat=0&lng=181",
    ] {
        let answer = stage.get(&format!("/api/restaurants{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.body);
    }
    for words in [
        "-pizza",
        "%22pizza",
        "%5C",
        "%24where",
        "a%23lock",
        "%F0%9F%8D%95",
        "the",
    ] {
        let answer = stage
            .get(&format!("/api/restaurants/search?q={words}"))
            .await;
        assert_eq!(answer.status, 200, "{words}: {}", answer.body);
    }
    assert_eq!(
        stage
            .get(&format!("/api/restaurants/{}", Uuid::now_v7()))
            .await
            .status,
        404
    );
    assert_eq!(stage.get("/api/restaurants/none").await.status, 404);
}

async fn all_pages(stage: &Stage, path: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut next = path.to_owned();
    for _ in 0..20 {
        let page = stage.get(&next).await;
        assert_eq!(page.status, 200, "{}", page.body);
        seen.extend(page.ids().into_iter().map(str::to_owned));
        match page.body["nextCursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => return seen,
        }
    }
    panic!("the pages do not end");
}
