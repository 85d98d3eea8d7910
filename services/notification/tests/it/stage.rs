//! notification-service on a database of its own, asked as the gateway asks it.

use std::time::Duration;

use quickbite_auth::{Identity, Role};
use quickbite_events::payload::{order, user};
use quickbite_events::testing::outbox;
use quickbite_events::{Handler, Outgoing};
use quickbite_http::Health;
use quickbite_http::testing::{MovableClock, TestGateway, identity, serve};
use quickbite_notification::SERVICE;
use quickbite_notification::channels::{Channel, InApp, Reach, Webhooks};
use quickbite_notification::domain::backoff::RetryRules;
use quickbite_notification::events::Facts;
use quickbite_notification::router;
use quickbite_notification::state::AppState;
use quickbite_notification::store::{MIGRATIONS, Store};
use quickbite_notification::wakes::Wakes;
use quickbite_notification::worker::Worker;
use quickbite_postgres::testing::fresh_database;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const RULES: RetryRules = RetryRules {
    max_attempts: 3,
    base: Duration::from_secs(10),
};

pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) app: AppState,
    pub(crate) worker: Worker,
    pub(crate) base: String,
    pub(crate) stop: CancellationToken,
    gateway: TestGateway,
    time: MovableClock,
}

impl Stage {
    /// Webhooks may lead to the test's own server.
    pub(crate) async fn new() -> Self {
        Self::reaching(Reach::Anywhere).await
    }

    pub(crate) async fn reaching(reach: Reach) -> Self {
        let pool = fresh_database(&MIGRATIONS).await;
        Self::on(
            pool,
            reach,
            TestGateway::before(SERVICE.name),
            MovableClock::default(),
        )
        .await
    }

    /// A second replica on the same database.
    pub(crate) async fn replica(&self) -> Self {
        Self::on(
            self.pool.clone(),
            self.app.reach,
            self.gateway.clone(),
            self.time.clone(),
        )
        .await
    }

    async fn on(pool: PgPool, reach: Reach, gateway: TestGateway, time: MovableClock) -> Self {
        // A process's one TLS provider, as in main.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = time.clock();
        let store = Store::new(pool.clone());
        let channels: Vec<Box<dyn Channel>> = vec![
            Box::new(InApp::new(store.clone())),
            Box::new(Webhooks::new(reach, clock.clone()).unwrap()),
        ];
        let worker = Worker::new(store.clone(), channels, RULES, clock.clone());
        let (wakes, stop) = (Wakes::default(), CancellationToken::new());
        tokio::spawn(
            wakes
                .clone()
                .run(pool.clone(), worker.clone(), stop.clone()),
        );
        let app = AppState {
            store,
            wakes,
            reach,
            clock,
            draining: stop.clone(),
        };
        let (verifier, routes) = (Some(gateway.verifier()), router(app.clone()));
        let address = serve(SERVICE, Health::new(), verifier, routes, stop.clone()).await;
        let base = format!("http://{address}");
        Self {
            pool,
            app,
            worker,
            base,
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

    pub(crate) async fn post(&self, path: &str, who: &Identity) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, who, None).await
    }

    pub(crate) async fn put(&self, path: &str, who: &Identity, body: Value) -> (u16, Value) {
        self.send(reqwest::Method::PUT, path, who, Some(body)).await
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
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A fact arrives.
    pub(crate) async fn tell(&self, fact: &Outgoing) {
        let facts = Facts {
            store: self.app.store.clone(),
            worker: self.worker.clone(),
            clock: self.app.clock.clone(),
        };
        facts.handle(fact.envelope.clone()).await.unwrap();
    }

    /// Whatever is due is brought out.
    pub(crate) async fn deliver(&self) {
        while self.worker.work_once().await.unwrap() > 0 {}
    }

    /// The kinds in a user's inbox, newest first.
    pub(crate) async fn kinds(&self, who: &Identity) -> Vec<String> {
        let (code, list) = self.get("/api/notifications?limit=100", who).await;
        assert_eq!(code, 200, "{list}");
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["kind"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Routing keys that the service wants sent.
    pub(crate) async fn sent(&self) -> Vec<String> {
        let sent = outbox(&self.pool).await;
        sent.into_iter().map(|sent| sent.routing_key).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The people of one order.
pub(crate) struct Cast {
    pub(crate) order_id: Uuid,
    pub(crate) restaurant_id: Uuid,
    pub(crate) customer: Identity,
    pub(crate) owner: Identity,
    pub(crate) driver: Identity,
}

impl Cast {
    pub(crate) fn new() -> Self {
        Self {
            order_id: Uuid::now_v7(),
            restaurant_id: Uuid::now_v7(),
            customer: identity(Role::Customer),
            owner: identity(Role::RestaurantOwner),
            driver: identity(Role::Driver),
        }
    }

    fn snapshot(&self, status: &str) -> order::OrderSnapshot {
        let snapshot = json!({
            "orderId": self.order_id, "customerId": self.customer.user_id, "restaurantId": self.restaurant_id,
            "restaurantOwnerId": self.owner.user_id, "driverId": self.driver.user_id, "status": status,
            "total": "12.99", "currency": "EUR", "at": "2026-11-24T08:00:00Z",
        });
        serde_json::from_value(snapshot).unwrap()
    }

    pub(crate) fn created(&self) -> Outgoing {
        Outgoing::event(self.order_id, 1, &order::Created(self.snapshot("pending")))
    }

    pub(crate) fn confirmed(&self) -> Outgoing {
        Outgoing::event(
            self.order_id,
            2,
            &order::Confirmed(self.snapshot("confirmed")),
        )
    }

    pub(crate) fn delivered(&self) -> Outgoing {
        Outgoing::event(
            self.order_id,
            3,
            &order::Delivered(self.snapshot("delivered")),
        )
    }
}

pub(crate) fn registered(who: &Identity) -> Outgoing {
    let fact = user::Registered {
        user_id: who.user_id,
        email: "ada@example.com".into(),
        name: "Ada".into(),
        role: who.role.to_string(),
    };
    Outgoing::event(who.user_id, 1, &fact)
}
