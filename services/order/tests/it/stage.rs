//! order-service on a database of its own, asked as the gateway asks it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use jiff::Timestamp;
use quickbite_auth::{Identity, Role};
use quickbite_events::payload::restaurant::{MenuItem, Opened, RestaurantSnapshot};
use quickbite_events::payload::{Address, Location};
use quickbite_events::testing::outbox;
use quickbite_events::{Envelope, Handler, Outgoing};
pub(crate) use quickbite_http::testing::{Answer, eventually};
use quickbite_http::testing::{MovableClock, TestGateway, ask, identity};
use quickbite_http::{Clock, Health};
use quickbite_order::config::Rules;
use quickbite_order::events::{Facts, Replies};
use quickbite_order::state::AppState;
use quickbite_order::store::MIGRATIONS;
use quickbite_order::{SERVICE, router};
use quickbite_postgres::testing::fresh_database;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) app: AppState,
    pub(crate) router: Router,
    pub(crate) gateway: TestGateway,
    pub(crate) restaurant: RestaurantSnapshot,
    pub(crate) customer: Identity,
    pub(crate) owner: Identity,
    pub(crate) cancel: CancellationToken,
    time: MovableClock,
}

impl Stage {
    /// An open restaurant that order-service knows.
    pub(crate) async fn new() -> Self {
        let stage = Self::empty().await;
        stage.tell(&opened(&stage.restaurant)).await;
        stage
    }

    /// A restaurant that order-service has not heard of yet.
    pub(crate) async fn empty() -> Self {
        Self::waiting(Duration::from_secs(1)).await
    }

    /// The same, and orders wait this long for the restaurant to become known.
    pub(crate) async fn waiting(catch_up: Duration) -> Self {
        let pool = fresh_database(&MIGRATIONS).await;
        Self::on(pool, TestGateway::before(SERVICE.name), catch_up)
    }

    fn on(pool: PgPool, gateway: TestGateway, catch_up: Duration) -> Self {
        let time = MovableClock::default();
        let cancel = CancellationToken::new();
        let rules = Rules {
            acceptance_timeout_seconds: 300,
            delivery_fee: "2.99".parse().unwrap(),
            answer_timeout_seconds: 3,
            delivery_timeout_seconds: 7200,
        };
        let mut app = AppState::new(pool.clone(), rules, time.clock(), cancel.clone());
        app.catch_up = catch_up;
        tokio::spawn(
            app.live
                .clone()
                .follow_database(pool.clone(), cancel.clone()),
        );
        let routes = router(app.clone());
        let router = quickbite_http::app(SERVICE, &Health::new(), Some(gateway.verifier()), routes);
        let owner = identity(Role::RestaurantOwner);
        let restaurant = restaurant(owner.user_id);
        let customer = identity(Role::Customer);
        Self {
            pool,
            app,
            router,
            gateway,
            restaurant,
            customer,
            owner,
            cancel,
            time,
        }
    }

    /// A second replica on the same database, with the same people.
    pub(crate) fn replica(&self) -> Self {
        let mut other = Self::on(self.pool.clone(), self.gateway.clone(), self.app.catch_up);
        other.restaurant = self.restaurant.clone();
        (other.customer, other.owner) = (self.customer, self.owner);
        other
    }

    /// Time passes.
    pub(crate) fn pass(&self, seconds: i64) {
        self.time.pass(seconds);
    }

    /// A fact arrives.
    pub(crate) async fn tell(&self, fact: &Outgoing) {
        let (conductor, projections) = (self.app.conductor.clone(), self.app.projections.clone());
        Facts {
            conductor,
            projections,
        }
        .handle(fact.envelope.clone())
        .await
        .unwrap();
    }

    /// A reply arrives.
    pub(crate) async fn reply(&self, reply: &Outgoing) {
        Replies {
            conductor: self.app.conductor.clone(),
        }
        .handle(reply.envelope.clone())
        .await
        .unwrap();
    }

    /// Every message that order-service wants sent, in order.
    pub(crate) async fn outbox(&self) -> Vec<Outgoing> {
        outbox(&self.pool).await
    }

    /// The newest command with this key.
    pub(crate) async fn command(&self, key: &str) -> Envelope {
        let newest = self
            .outbox()
            .await
            .into_iter()
            .rfind(|message| message.routing_key == key);
        newest
            .unwrap_or_else(|| panic!("no {key} was sent"))
            .envelope
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        self.outbox()
            .await
            .into_iter()
            .map(|message| message.routing_key)
            .collect()
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        who: &Identity,
        body: Option<&Value>,
    ) -> Request<Body> {
        let request = Request::builder().method(method).uri(path);
        self.gateway.pass_on(request, Some(who), body)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        ask(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str, who: &Identity) -> Answer {
        self.send(self.request(Method::GET, path, who, None)).await
    }

    pub(crate) async fn post(&self, path: &str, who: &Identity, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path, who, Some(body)))
            .await
    }

    pub(crate) fn cart(&self) -> Value {
        json!({
            "restaurantId": self.restaurant.restaurant_id,
            "items": [
                {"itemId": self.restaurant.menu[0].item_id, "quantity": 2},
                {"itemId": self.restaurant.menu[1].item_id, "quantity": 1, "notes": "no ice"},
            ],
            "deliveryAddress": address(),
            "paymentMethod": {"token": "tok_ok"},
            "tip": 1.5,
        })
    }

    /// Places an order; its id.
    pub(crate) async fn place(&self) -> Uuid {
        let placed = self.post("/api/orders", &self.customer, &self.cart()).await;
        assert_eq!(placed.status, 201, "{}", placed.body);
        placed.body["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn order(&self, id: Uuid) -> Value {
        let answer = self.get(&format!("/api/orders/{id}"), &self.customer).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

pub(crate) fn address() -> Address {
    Address {
        label: None,
        street: "1 Test Street".into(),
        city: "Testville".into(),
        postal_code: "12345".into(),
        location: Location {
            lat: 48.0,
            lng: 11.0,
        },
    }
}

fn restaurant(owner_id: Uuid) -> RestaurantSnapshot {
    let item = |name: &str, price: &str| MenuItem {
        item_id: Uuid::now_v7(),
        name: name.into(),
        price: price.parse().unwrap(),
        available: true,
    };
    RestaurantSnapshot {
        restaurant_id: Uuid::now_v7(),
        owner_id,
        name: "Trattoria".into(),
        currency: "EUR".into(),
        open: true,
        auto_accept: false,
        address: address(),
        menu: vec![item("Margherita", "12.99"), item("Lemonade", "4.50")],
        version: 3,
    }
}

pub(crate) fn opened(restaurant: &RestaurantSnapshot) -> Outgoing {
    Outgoing::event(
        restaurant.restaurant_id,
        restaurant.version,
        &Opened(restaurant.clone()),
    )
}

pub(crate) fn now() -> Timestamp {
    Clock::system().now()
}
