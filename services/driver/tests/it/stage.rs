//! driver-service on a database and key prefix of its own, asked as the gateway asks it.

use std::env;
use std::time::Duration;

use quickbite_auth::{Identity, Role};
use quickbite_driver::SERVICE;
use quickbite_driver::dispatcher::Dispatcher;
use quickbite_driver::domain::dispatch::DispatchRules;
use quickbite_driver::events::Commands;
use quickbite_driver::push::Push;
use quickbite_driver::router;
use quickbite_driver::state::AppState;
use quickbite_driver::store::{DriverIndex, MIGRATIONS, Store};
use quickbite_events::command::driver::{CancelDelivery, CreateDelivery};
use quickbite_events::payload::{Address, Location};
use quickbite_events::testing::outbox;
use quickbite_events::{Envelope, Handler, Outgoing, Reply};
use quickbite_http::Health;
use quickbite_http::testing::{MovableClock, TestGateway, appears, identity, serve};
use quickbite_postgres::testing::fresh_database;
use quickbite_resilience::Redis;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Seconds that an offer stands on the stage.
pub(crate) const OFFER_TTL: i64 = 30;

pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) app: AppState,
    pub(crate) base: String,
    pub(crate) prefix: String,
    pub(crate) redis: Redis,
    pub(crate) stop: CancellationToken,
    gateway: TestGateway,
    time: MovableClock,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let prefix = format!("test-{}:", Uuid::now_v7());
        let url =
            env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL must name a Redis for this test");
        let redis = Redis::connect(&url.into()).unwrap();
        redis.ready().await;
        let pool = fresh_database(&MIGRATIONS).await;
        Self::on(
            pool,
            redis,
            prefix,
            TestGateway::before(SERVICE.name),
            MovableClock::default(),
        )
        .await
    }

    /// A second replica on the same stores.
    pub(crate) async fn replica(&self) -> Self {
        let (pool, redis) = (self.pool.clone(), self.redis.clone());
        let (prefix, gateway) = (self.prefix.clone(), self.gateway.clone());
        Self::on(pool, redis, prefix, gateway, self.time.clone()).await
    }

    async fn on(
        pool: PgPool,
        redis: Redis,
        prefix: String,
        gateway: TestGateway,
        time: MovableClock,
    ) -> Self {
        let clock = time.clock();
        let rules = DispatchRules {
            radius_m: 10_000.0,
            offer_ttl: Duration::from_secs(OFFER_TTL.unsigned_abs()),
        };
        let index = DriverIndex::new(redis.clone(), prefix.clone());
        let dispatcher = Dispatcher::new(Store::new(pool.clone()), index, rules, clock.clone());
        dispatcher.rebuild_index().await.unwrap();
        let (push, stop) = (Push::default(), CancellationToken::new());
        tokio::spawn(push.clone().run(pool.clone(), stop.clone()));
        let app = AppState {
            dispatcher,
            push,
            clock,
            draining: stop.clone(),
        };
        let (verifier, routes) = (Some(gateway.verifier()), router(app.clone()));
        let address = serve(SERVICE, Health::new(), verifier, routes, stop.clone()).await;
        let base = format!("http://{address}");
        Self {
            pool,
            app,
            base,
            prefix,
            redis,
            stop,
            gateway,
            time,
        }
    }

    /// Time passes.
    pub(crate) fn pass(&self, seconds: i64) {
        self.time.pass(seconds);
    }

    pub(crate) fn authorization(&self, who: &Identity) -> String {
        self.gateway.authorization(Some(who))
    }

    pub(crate) async fn get(&self, path: &str, who: &Identity) -> (u16, Value) {
        self.send(reqwest::Method::GET, path, who, None).await
    }

    pub(crate) async fn post(&self, path: &str, who: &Identity, body: Value) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, who, Some(body))
            .await
    }

    /// A POST without a body.
    pub(crate) async fn push(&self, path: &str, who: &Identity) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, who, None).await
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        who: &Identity,
        body: Option<Value>,
    ) -> (u16, Value) {
        let request = reqwest::Client::new()
            .request(method, format!("{}{path}", self.base))
            .header("authorization", self.authorization(who));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// A driver who is online `north` metres north of the restaurant.
    pub(crate) async fn driver(&self, north: f64) -> Identity {
        let driver = identity(Role::Driver);
        self.online(&driver, north).await;
        driver
    }

    pub(crate) async fn online(&self, driver: &Identity, north: f64) {
        let location = json!({"lat": 52.5 + north / 111_000.0, "lng": 13.4});
        let (status, body) = self
            .post(
                "/api/drivers/me/online",
                driver,
                json!({"location": location}),
            )
            .await;
        assert_eq!(status, 200, "{body}");
    }

    /// The saga asks for a delivery; the command and its order.
    pub(crate) async fn create(&self) -> (Uuid, Envelope) {
        let order_id = Uuid::now_v7();
        let command = create_command(order_id);
        self.handle(&command).await;
        (order_id, command)
    }

    pub(crate) async fn handle(&self, command: &Envelope) {
        let commands = Commands {
            dispatcher: self.app.dispatcher.clone(),
            clock: self.app.clock.clone(),
        };
        commands.handle(command.clone()).await.unwrap();
    }

    /// The one open offer of a driver, once it is there.
    pub(crate) async fn offer(&self, driver: &Identity) -> Value {
        appears("an offer", async || {
            let (_, offers) = self.get("/api/drivers/me/offers", driver).await;
            offers["items"].get(0).cloned()
        })
        .await
    }

    pub(crate) async fn offers(&self, driver: &Identity) -> usize {
        self.get("/api/drivers/me/offers", driver).await.1["items"]
            .as_array()
            .unwrap()
            .len()
    }

    /// A driver takes the offer that he has; the delivery's id.
    pub(crate) async fn accept(&self, driver: &Identity) -> String {
        let id = self.offer(driver).await["deliveryId"]
            .as_str()
            .unwrap()
            .to_owned();
        let (status, body) = self
            .push(&format!("/api/deliveries/{id}/accept"), driver)
            .await;
        assert_eq!(status, 200, "{body}");
        id
    }

    /// Routing keys of all facts about an order's delivery, in order.
    pub(crate) async fn facts(&self, order_id: Uuid) -> Vec<String> {
        let sent = outbox(&self.pool).await;
        sent.into_iter()
            .filter(|sent| sent.envelope.data["orderId"] == json!(order_id))
            .filter(|sent| sent.routing_key.starts_with("delivery."))
            .map(|sent| sent.routing_key)
            .collect()
    }

    pub(crate) async fn replies(&self) -> Vec<Reply> {
        let sent = outbox(&self.pool).await;
        sent.iter()
            .filter(|sent| sent.routing_key == "reply.order")
            .map(|sent| sent.envelope.parse().unwrap())
            .collect()
    }

    pub(crate) async fn sweep(&self) {
        self.app.dispatcher.sweep().await.unwrap();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn create_command(order_id: Uuid) -> Envelope {
    let address = |lat| Address {
        label: None,
        street: "Main 1".into(),
        city: "Berlin".into(),
        postal_code: "10115".into(),
        location: Location { lat, lng: 13.4 },
    };
    let command = CreateDelivery {
        order_id,
        restaurant_id: Uuid::now_v7(),
        customer_id: Uuid::now_v7(),
        pickup: address(52.5),
        dropoff: address(52.52),
    };
    Outgoing::command(order_id, &command).envelope
}

pub(crate) fn cancel_command(order_id: Uuid) -> Envelope {
    Outgoing::command(
        order_id,
        &CancelDelivery {
            order_id,
            reason: Some("changed my mind".into()),
        },
    )
    .envelope
}
