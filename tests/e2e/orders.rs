//! The life of an order, and the ways it can end.

use anyhow::{Result, ensure};
use quickbite_tests::{
    client::{Api, Reply},
    people::{Kitchen, Person, STEP_LIMIT, text},
    stream::Events,
    wait::until,
};
use serde_json::{Value, json};

/// A customer and an open restaurant.
async fn table(auto_accept: bool) -> Result<(Person, Kitchen)> {
    let api = Api::from_env();
    let owner = Person::register(&api, "restaurant_owner").await?;
    let kitchen = Kitchen::open(&owner, auto_accept).await?;
    Ok((Person::register(&api, "customer").await?, kitchen))
}

async fn payments(customer: &Person, order: &str) -> Result<Value> {
    customer
        .get(&format!("/api/payments?orderId={order}"))
        .await?
        .expect(200)
}

async fn await_payment(customer: &Person, order: &str, status: &str) -> Result<()> {
    until(
        &format!("the payment of {order} to be {status}"),
        STEP_LIMIT,
        || payments(customer, order),
        |seen: &Value| seen["items"][0]["status"] == status,
    )
    .await
    .map(drop)
}

async fn accept(kitchen: &Kitchen, order: &str) -> Result<()> {
    until(
        "the order to be acceptable",
        STEP_LIMIT,
        || {
            kitchen
                .owner
                .post_owned(format!("/api/orders/{order}/accept"), json!({}))
        },
        |reply| reply.status.is_success(),
    )
    .await
    .map(drop)
}

async fn owner_rejects(kitchen: &Kitchen, order: &str) -> Result<Reply> {
    let reason = json!({"reason": "out of dough"});
    kitchen
        .owner
        .post(&format!("/api/orders/{order}/reject"), &reason)
        .await
}

fn statuses(order: &Value) -> Vec<&str> {
    order["history"]
        .as_array()
        .map(|entries| {
            entries
                .iter()
                .filter_map(|entry| entry["status"].as_str())
                .collect()
        })
        .unwrap_or_default()
}

#[tokio::test]
async fn an_order_walks_from_the_cart_to_the_doorstep() -> Result<()> {
    let (customer, kitchen) = table(false).await?;
    let driver = Person::register(&customer.api, "driver").await?;
    driver.go_online(kitchen.place).await?;

    let placed = kitchen.order_by(&customer, "tok_ok").await?;
    ensure!(placed["status"] == "pending", "{placed}");
    ensure!(placed["subtotal"] == "30.48", "2 × 12.99 + 4.50: {placed}");
    let order = text(&placed["id"])?;
    let mut live = Events::open(
        &customer.api,
        &format!("/api/orders/{order}/stream"),
        &customer.token,
        None,
    )
    .await?;

    accept(&kitchen, &order).await?;
    customer.await_status(&order, "confirmed").await?;
    for step in ["preparing", "ready"] {
        let reply = kitchen
            .owner
            .post(&format!("/api/orders/{order}/{step}"), &json!({}))
            .await?;
        ensure!(reply.status.is_success(), "{step}: {reply:?}");
    }
    let delivery = driver.await_offer(&order).await?;
    for step in ["accept", "picked-up", "delivered"] {
        driver.delivery_step(&delivery, step, &json!({})).await?;
    }
    let done = customer.await_status(&order, "delivered").await?;

    ensure!(
        statuses(&done)
            == [
                "pending",
                "confirmed",
                "preparing",
                "ready",
                "picked_up",
                "delivered"
            ],
        "{done}"
    );
    await_payment(&customer, &order, "captured").await?;
    live.read_until("\"delivered\"", STEP_LIMIT).await?;
    until(
        "a notification of the delivery",
        STEP_LIMIT,
        || async {
            customer
                .get("/api/notifications?limit=100")
                .await?
                .expect(200)
        },
        |list: &Value| list["items"].to_string().contains(&order),
    )
    .await?;
    driver.go_offline().await
}

#[tokio::test]
async fn a_restaurant_that_accepts_by_itself_confirms_without_a_human() -> Result<()> {
    let (customer, kitchen) = table(true).await?;
    let order = text(&kitchen.order_by(&customer, "tok_ok").await?["id"])?;
    customer.await_status(&order, "confirmed").await?;
    await_payment(&customer, &order, "captured").await
}

#[tokio::test]
async fn a_declined_card_rejects_the_order_and_says_why() -> Result<()> {
    let (customer, kitchen) = table(true).await?;
    for token in ["tok_declined", "tok_insufficient_funds"] {
        let order = text(&kitchen.order_by(&customer, token).await?["id"])?;
        let rejected = customer.await_status(&order, "rejected").await?;
        let history = rejected["history"].as_array().cloned().unwrap_or_default();
        ensure!(
            history
                .last()
                .is_some_and(|entry| entry["reason"].is_string()),
            "{rejected}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_restaurant_that_rejects_releases_the_money() -> Result<()> {
    let (customer, kitchen) = table(false).await?;
    let order = text(&kitchen.order_by(&customer, "tok_ok").await?["id"])?;
    await_payment(&customer, &order, "authorized").await?;
    until(
        "the order to be rejectable",
        STEP_LIMIT,
        || owner_rejects(&kitchen, &order),
        |reply| reply.status.is_success(),
    )
    .await?;
    customer.await_status(&order, "rejected").await?;
    await_payment(&customer, &order, "voided").await
}

#[tokio::test]
async fn cancelling_after_capture_refunds() -> Result<()> {
    let (customer, kitchen) = table(true).await?;
    let order = text(&kitchen.order_by(&customer, "tok_ok").await?["id"])?;
    customer.await_status(&order, "confirmed").await?;
    customer
        .post(
            &format!("/api/orders/{order}/cancel"),
            &json!({"reason": "changed my mind"}),
        )
        .await?
        .expect(202)?;
    customer.await_status(&order, "cancelled").await?;
    await_payment(&customer, &order, "refunded").await
}

#[tokio::test]
async fn the_same_idempotency_key_orders_once() -> Result<()> {
    let (customer, kitchen) = table(false).await?;
    let key = uuid::Uuid::new_v4().to_string();
    let place = |body: Value| {
        let request = customer
            .api
            .request(reqwest::Method::POST, "/api/orders")
            .bearer_auth(&customer.token)
            .header("idempotency-key", &key)
            .json(&body);
        async { customer.api.send(request).await }
    };
    let first = place(kitchen.order("tok_ok")).await?;
    let again = place(kitchen.order("tok_ok")).await?;
    ensure!(again.header("idempotency-replayed") == "true", "{again:?}");
    ensure!(
        first.expect(201)?["id"] == again.expect(201)?["id"],
        "two orders for one key"
    );
    let other = place(kitchen.order("tok_declined")).await?;
    ensure!(
        other.status == 422,
        "another body under the same key: {other:?}"
    );
    let list = customer.get("/api/orders").await?.expect(200)?;
    ensure!(list["items"].as_array().map(Vec::len) == Some(1), "{list}");
    Ok(())
}

#[tokio::test]
async fn an_order_that_cannot_be_is_refused_with_its_reason() -> Result<()> {
    let (customer, kitchen) = table(false).await?;
    let mut unknown = kitchen.order("tok_ok");
    unknown["restaurantId"] = json!(uuid::Uuid::now_v7().to_string());
    customer.post("/api/orders", &unknown).await?.expect(404)?;

    let mut nothing = kitchen.order("tok_ok");
    nothing["items"] = json!([]);
    let reply = customer.post("/api/orders", &nothing).await?;
    ensure!(reply.body["errors"][0]["field"] == "items", "{reply:?}");
    reply.expect(422)?;

    let mut many = kitchen.order("tok_ok");
    many["items"][0]["quantity"] = json!(51);
    customer.post("/api/orders", &many).await?.expect(422)?;

    let close = format!("/api/restaurants/{}/close", kitchen.id);
    ensure!(
        kitchen
            .owner
            .post(&close, &json!({}))
            .await?
            .status
            .is_success()
    );
    until(
        "the order to be refused because the restaurant is closed",
        STEP_LIMIT,
        || customer.post_owned("/api/orders".to_owned(), kitchen.order("tok_ok")),
        |reply| reply.code() == "restaurant_closed",
    )
    .await?
    .expect(422)?;
    Ok(())
}

#[tokio::test]
async fn an_order_is_seen_by_its_parties_and_by_no_one_else() -> Result<()> {
    let (customer, kitchen) = table(false).await?;
    let order = text(&kitchen.order_by(&customer, "tok_ok").await?["id"])?;
    let path = format!("/api/orders/{order}");
    customer.get(&path).await?.expect(200)?;
    kitchen.owner.get(&path).await?.expect(200)?;
    for role in ["customer", "restaurant_owner", "driver"] {
        let stranger = Person::register(&customer.api, role).await?;
        let reply = stranger.get(&path).await?;
        ensure!(reply.status == 404, "a strange {role} got {reply:?}");
    }
    customer.api.get(&path, None).await?.expect(401)?;
    Ok(())
}
