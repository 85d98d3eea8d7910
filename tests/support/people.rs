//! The people in an order's life: a customer, a restaurant's owner, a driver.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Api, Reply},
    wait::until,
};

/// How long an asynchronous step of an order may take before a test calls it lost.
pub const STEP_LIMIT: Duration = Duration::from_secs(30);

/// Someone with an account, logged in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The platform this person uses.
    pub api: Api,
    /// Account id.
    pub id: String,
    /// Mail address: unique to this person.
    pub email: String,
    /// Password as registered.
    pub password: String,
    /// Access token.
    pub token: String,
    /// Refresh token.
    pub refresh_token: String,
}

impl Person {
    /// Registers a new account with `role`.
    pub async fn register(api: &Api, role: &str) -> Result<Self> {
        let email = format!("{role}-{}@example.com", Uuid::now_v7().simple());
        let password = format!("pw-{}", Uuid::new_v4().simple());
        let body = json!({
            "email": email, "password": password, "name": format!("A {role}"), "role": role,
        });
        let answer = api
            .post("/api/users/register", None, &body)
            .await?
            .expect(201)?;
        Ok(Self {
            api: api.clone(),
            id: text(&answer["user"]["id"])?,
            email,
            password,
            token: text(&answer["accessToken"])?,
            refresh_token: text(&answer["refreshToken"])?,
        })
    }

    /// Logs an existing account in.
    pub async fn login(api: &Api, email: &str, password: &str) -> Result<Self> {
        let body = json!({"email": email, "password": password});
        let answer = api
            .post("/api/users/login", None, &body)
            .await?
            .expect(200)?;
        Ok(Self {
            api: api.clone(),
            id: text(&answer["user"]["id"])?,
            email: email.to_owned(),
            password: password.to_owned(),
            token: text(&answer["accessToken"])?,
            refresh_token: text(&answer["refreshToken"])?,
        })
    }

    /// GET as this person.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.api.get(path, Some(&self.token)).await
    }

    /// POST as this person.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.api.post(path, Some(&self.token), body).await
    }

    /// POST as this person, for callers that hand the path over.
    pub async fn post_owned(&self, path: String, body: Value) -> Result<Reply> {
        self.post(&path, &body).await
    }

    /// Waits until the order `id` has `status`, as this person sees it.
    pub async fn await_status(&self, order: &str, status: &str) -> Result<Value> {
        until(
            &format!("order {order} to be {status}"),
            STEP_LIMIT,
            || async { self.get(&format!("/api/orders/{order}")).await?.expect(200) },
            |seen: &Value| seen["status"] == status,
        )
        .await
    }
}

/// A place on earth, far from every other test's: each restaurant gets its own neighbourhood, so
/// that the nearest free driver is always the test's own.
pub fn neighbourhood() -> (f64, f64) {
    let bits = Uuid::new_v4().as_u128();
    let lat = -60.0 + (bits % 120_000) as f64 / 1000.0;
    let lng = -170.0 + ((bits >> 32) % 340_000) as f64 / 1000.0;
    (lat, lng)
}

/// An open restaurant with two dishes.
#[derive(Clone, Debug)]
pub struct Kitchen {
    /// Who runs it.
    pub owner: Person,
    /// Restaurant id.
    pub id: String,
    /// Its name: unique, and so searchable.
    pub name: String,
    /// Where it is: latitude, longitude.
    pub place: (f64, f64),
    /// Menu item ids, priced 12.99 and 4.50.
    pub items: Vec<String>,
}

impl Kitchen {
    /// Creates a restaurant with a menu and opens it.
    pub async fn open(owner: &Person, auto_accept: bool) -> Result<Self> {
        let place = neighbourhood();
        let name = format!("Trattoria {}", Uuid::new_v4().simple());
        let body = json!({
            "name": name,
            "description": "Wood-fired pizza and cold lemonade",
            "cuisine": ["italian"],
            "address": address(place),
            "currency": "EUR",
            "autoAccept": auto_accept,
        });
        let created = owner.post("/api/restaurants", &body).await?.expect(201)?;
        let id = text(&created["id"])?;
        let mut items = Vec::new();
        for (dish, price) in [("Margherita", "12.99"), ("Lemonade", "4.50")] {
            let item = owner
                .post(
                    &format!("/api/restaurants/{id}/menu"),
                    &json!({"name": dish, "price": price}),
                )
                .await?
                .expect(201)?;
            items.push(item_id(&item, dish)?);
        }
        let opened = owner
            .post(&format!("/api/restaurants/{id}/open"), &json!({}))
            .await?;
        anyhow::ensure!(opened.status.is_success(), "opening answered {opened:?}");
        Ok(Self {
            owner: owner.clone(),
            id,
            name,
            place,
            items,
        })
    }

    /// An order's body: two pizzas and a lemonade, paid with `token`.
    pub fn order(&self, token: &str) -> Value {
        json!({
            "restaurantId": self.id,
            "items": [
                {"itemId": self.items[0], "quantity": 2},
                {"itemId": self.items[1], "quantity": 1, "notes": "no ice"},
            ],
            "deliveryAddress": address((self.place.0 + 0.01, self.place.1 + 0.01)),
            "paymentMethod": {"token": token},
        })
    }

    /// Places that order as `customer`; returns the order.
    pub async fn order_by(&self, customer: &Person, token: &str) -> Result<Value> {
        customer
            .post("/api/orders", &self.order(token))
            .await?
            .expect(201)
    }
}

/// A driver's working day.
impl Person {
    /// Goes online at `place`.
    pub async fn go_online(&self, place: (f64, f64)) -> Result<()> {
        let body = json!({"location": {"lat": place.0, "lng": place.1}, "vehicle": "bicycle"});
        let reply = self.post("/api/drivers/me/online", &body).await?;
        anyhow::ensure!(reply.status.is_success(), "going online answered {reply:?}");
        Ok(())
    }

    /// Goes offline.
    pub async fn go_offline(&self) -> Result<()> {
        let reply = self.post("/api/drivers/me/offline", &json!({})).await?;
        anyhow::ensure!(
            reply.status.is_success(),
            "going offline answered {reply:?}"
        );
        Ok(())
    }

    /// Waits for the offer of `order`; returns its delivery id.
    pub async fn await_offer(&self, order: &str) -> Result<String> {
        let offers = until(
            &format!("an offer for order {order}"),
            STEP_LIMIT,
            || async { self.get("/api/drivers/me/offers").await?.expect(200) },
            |seen: &Value| offer_of(seen, order).is_some(),
        )
        .await?;
        text(&offer_of(&offers, order).context("the offer vanished")?["deliveryId"])
    }

    /// One step of a delivery: `accept`, `picked-up`, `delivered`, …
    pub async fn delivery_step(&self, delivery: &str, step: &str, body: &Value) -> Result<()> {
        let reply = self
            .post(&format!("/api/deliveries/{delivery}/{step}"), body)
            .await?;
        anyhow::ensure!(reply.status.is_success(), "{step} answered {reply:?}");
        Ok(())
    }
}

/// An address at `place`.
pub fn address(place: (f64, f64)) -> Value {
    json!({
        "street": "1 Test Street", "city": "Testville", "postalCode": "12345",
        "location": {"lat": place.0, "lng": place.1},
    })
}

/// A JSON string's text, or an error that shows what was there.
pub fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("expected a string, got {value}"))
}

fn offer_of<'a>(offers: &'a Value, order: &str) -> Option<&'a Value> {
    offers["items"]
        .as_array()?
        .iter()
        .find(|offer| offer["orderId"] == order)
}

/// The new item's id, whether the service answers with the item or with the whole restaurant.
fn item_id(answer: &Value, dish: &str) -> Result<String> {
    let item = match answer["menu"].as_array() {
        Some(menu) => menu
            .iter()
            .find(|item| item["name"] == dish)
            .unwrap_or(&Value::Null),
        None => answer,
    };
    text(&item["id"])
}
