//! restaurant-service on a database of its own, asked as the gateway asks it.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, Request};
use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use quickbite_auth::{Identity, Role};
use quickbite_events::Outgoing;
use quickbite_http::testing::{self, TestGateway, identity};
pub(crate) use quickbite_http::testing::{Answer, eventually};
use quickbite_http::{Clock, Health};
use quickbite_resilience::cache::CacheAside;
use quickbite_resilience::{Redis, SystemClock};
use quickbite_restaurant::catalogue::Catalogue;
use quickbite_restaurant::catalogue::keys::CacheTtl;
use quickbite_restaurant::state::AppState;
use quickbite_restaurant::store::Mongo;
use quickbite_restaurant::store::idempotency::MongoIdempotency;
use quickbite_restaurant::store::migrate::ensure_schema;
use quickbite_restaurant::store::outbox::Outbox;
use quickbite_restaurant::store::restaurants::RestaurantStore;
use quickbite_restaurant::store::tickets::TicketStore;
use quickbite_restaurant::{SERVICE, router};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

/// Databases that earlier tests left, dropped once they are this old: longer than any test runs, short
/// because MongoDB holds some twenty files open for each of them.
const LEFTOVER_AGE_SECONDS: u64 = 300;

pub(crate) fn required(name: &str) -> SecretString {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} must name a server for this test"))
        .into()
}

pub(crate) struct Stage {
    pub(crate) mongo: Mongo,
    pub(crate) outbox: Outbox,
    pub(crate) tickets: TicketStore,
    pub(crate) router: Router,
    pub(crate) gateway: TestGateway,
    pub(crate) owner: Identity,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with_redis(&required("TEST_REDIS_URL")).await
    }

    /// Nobody listens at its Redis.
    pub(crate) async fn without_redis() -> Self {
        Self::with_redis(&"redis://127.0.0.1:1".into()).await
    }

    async fn with_redis(redis: &SecretString) -> Self {
        let uri = required("TEST_MONGODB_URI");
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mongo = Mongo::connect_to(&uri, Some(&name))
            .await
            .expect("a MongoDB URI");
        drop_leftovers(&mongo).await;
        ensure_schema(&mongo)
            .await
            .expect("the test MongoDB answers");
        Self::on(mongo, redis, TestGateway::before(SERVICE.name)).await
    }

    async fn on(mongo: Mongo, redis: &SecretString, gateway: TestGateway) -> Self {
        let clock = Clock::system();
        let outbox = Outbox::new(&mongo);
        let restaurants = RestaurantStore::new(mongo.clone(), outbox.clone());
        let tickets = TicketStore::new(mongo.clone(), outbox.clone(), clock.clone());
        let redis = Redis::connect(redis).expect("a Redis URL");
        let _ = tokio::time::timeout(Duration::from_secs(2), redis.ready()).await;
        // A busy test machine must not look like a slow Redis.
        let cache = CacheAside::with(redis, Arc::new(SystemClock::new()), Duration::from_secs(5));
        let ttl = CacheTtl {
            list: 300,
            item: 600,
            search: 120,
        };
        let catalogue = Catalogue::new(restaurants, cache, ttl, clock.clone());
        let answers = MongoIdempotency::new(&mongo, clock.clone());
        let routes = router(AppState { catalogue, clock }, answers);
        let router = quickbite_http::app(SERVICE, &Health::new(), Some(gateway.verifier()), routes);
        Self {
            mongo,
            outbox,
            tickets,
            router,
            gateway,
            owner: identity(Role::RestaurantOwner),
        }
    }

    /// A second replica on the same stores.
    pub(crate) async fn replica(&self) -> Self {
        let mut other = Self::on(
            self.mongo.clone(),
            &required("TEST_REDIS_URL"),
            self.gateway.clone(),
        )
        .await;
        other.owner = self.owner;
        other
    }

    pub(crate) async fn ask(
        &self,
        who: Option<&Identity>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = self.gateway.pass_on(request, who, body.as_ref());
        testing::ask(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(None, Method::GET, path, &[], None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.ask(Some(&self.owner), method, path, &[], body).await
    }

    /// A restaurant of the owner; its path.
    pub(crate) async fn restaurant(&self, with: Value) -> (Uuid, String) {
        let mut body = restaurant();
        for (name, value) in with.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let made = self.send(Method::POST, "/api/restaurants", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let id = made.text("/id").parse().expect("an id");
        (id, format!("/api/restaurants/{id}"))
    }

    /// An open restaurant with one item at 12.99: restaurant, path, item.
    pub(crate) async fn open_restaurant(&self) -> (Uuid, String, Uuid) {
        let (id, path) = self.restaurant(json!({})).await;
        let item = json!({ "name": "Margherita", "price": "12.99" });
        let item = self.send(Method::POST, &format!("{path}/menu"), item).await;
        assert_eq!(item.status, 201, "{}", item.body);
        let opened = self
            .send(Method::POST, &format!("{path}/open"), Value::Null)
            .await;
        assert_eq!(opened.status, 200, "{}", opened.body);
        (id, path, item.text("/id").parse().expect("an id"))
    }

    /// Every message that the service wants sent, in order.
    pub(crate) async fn told(&self) -> Vec<Outgoing> {
        let outbox = self.mongo.database().collection::<Document>("outbox");
        let sorted = outbox.find(doc! {}).sort(doc! { "_id": 1 });
        let found: Vec<Document> = sorted
            .await
            .expect("a cursor")
            .try_collect()
            .await
            .expect("rows");
        let message = |found: &Document| {
            let text = found.get_str("message").expect("a message");
            serde_json::from_str(text).expect("an outgoing message")
        };
        found.iter().map(message).collect()
    }
}

pub(crate) fn restaurant() -> Value {
    json!({
        "name": "Luigi's",
        "description": "Wood-fired pizza",
        "cuisine": ["Italian"],
        "address": {
            "street": "Via Roma 1", "city": "Torino", "postalCode": "10121",
            "location": { "lat": 45.0703, "lng": 7.6869 },
        },
        "currency": "eur",
    })
}

/// A word that no other test uses: tests share a Redis, and lists are cached by their filter.
pub(crate) fn unique_word() -> String {
    let letter = |digit: u8| char::from(b'a' + digit % 16);
    Uuid::new_v4()
        .simple()
        .to_string()
        .bytes()
        .map(|b| letter(b.wrapping_sub(b'0')))
        .collect()
}

async fn drop_leftovers(mongo: &Mongo) {
    let client = mongo.database().client();
    let names = client
        .list_database_names()
        .await
        .expect("the test MongoDB answers");
    let second = |id: Uuid| id.get_timestamp().map_or(u64::MAX, |time| time.to_unix().0);
    let now = second(Uuid::now_v7());
    for name in names {
        let made = name
            .strip_prefix("test_")
            .and_then(|id| Uuid::parse_str(id).ok());
        if made.is_some_and(|made| now.saturating_sub(second(made)) > LEFTOVER_AGE_SECONDS) {
            let _ = client.database(&name).drop().await;
        }
    }
}
