//! Who sees which payments.

use axum::http::{Request, StatusCode};
use quickbite_auth::{Identity, Role};
use quickbite_events::Outgoing;
use quickbite_events::command::payment::Authorize;
use quickbite_http::Health;
use quickbite_http::testing::{TestGateway, ask, identity};
use quickbite_payment::state::AppState;
use quickbite_payment::{SERVICE, router};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Stage, capture, total};

async fn get(stage: &Stage, who: Option<&Identity>, path: &str) -> (StatusCode, Value) {
    let gateway = TestGateway::before(SERVICE.name);
    let routes = router(AppState {
        pool: stage.pool.clone(),
    });
    let app = quickbite_http::app(SERVICE, &Health::new(), Some(gateway.verifier()), routes);
    let answer = ask(&app, gateway.pass_on(Request::get(path), who, None)).await;
    (answer.status, answer.body)
}

async fn pay(stage: &Stage, customer: &Identity) -> Uuid {
    let order_id = Uuid::now_v7();
    let authorize = Authorize {
        order_id,
        customer_id: customer.user_id,
        amount: total(),
        currency: "EUR".to_owned(),
        token: "tok_ok".to_owned(),
    };
    stage
        .answer(&Outgoing::command(order_id, &authorize).envelope)
        .await;
    order_id
}

#[tokio::test]
async fn a_customer_sees_the_payment_of_an_order_with_its_history() {
    let stage = Stage::new().await;
    let customer = identity(Role::Customer);
    let order = pay(&stage, &customer).await;
    stage.answer(&capture(order)).await;
    let (status, body) = get(
        &stage,
        Some(&customer),
        &format!("/api/payments?orderId={order}"),
    )
    .await;
    assert_eq!(status, 200);
    let payment = &body["items"][0];
    assert_eq!(payment["status"], "captured");
    assert_eq!(
        (&payment["amount"], &payment["currency"]),
        (&json!("28.90"), &json!("EUR"))
    );
    assert_eq!(payment["orderId"], json!(order));
    let statuses = payment["history"].as_array().expect("a history").iter();
    let statuses: Vec<_> = statuses.map(|step| step["status"].clone()).collect();
    assert_eq!(statuses, ["authorized", "captured"]);
    assert!(
        payment.get("token").is_none(),
        "the means of payment stays inside"
    );
}

#[tokio::test]
async fn nobody_but_its_customer_and_admins_sees_a_payment() {
    let stage = Stage::new().await;
    let order = pay(&stage, &identity(Role::Customer)).await;
    let path = format!("/api/payments?orderId={order}");
    for (role, expected, found) in [
        (Role::Customer, 200, 0),
        (Role::Admin, 200, 1),
        (Role::Driver, 403, 0),
        (Role::RestaurantOwner, 403, 0),
    ] {
        let (status, body) = get(&stage, Some(&identity(role)), &path).await;
        assert_eq!(status, expected, "{role}");
        let items = body["items"].as_array().map_or(0, Vec::len);
        assert_eq!(items, found, "{role}");
    }
    assert_eq!(get(&stage, None, &path).await.0, 401);
}

#[tokio::test]
async fn pages_show_every_payment_once_newest_first() {
    let stage = Stage::new().await;
    let customer = identity(Role::Customer);
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(json!(pay(&stage, &customer).await));
    }
    orders.reverse();
    let (mut seen, mut path) = (Vec::new(), "/api/payments?limit=2".to_owned());
    loop {
        let (_, body) = get(&stage, Some(&customer), &path).await;
        let items = body["items"].as_array().expect("items").iter();
        seen.extend(items.map(|item| item["orderId"].clone()));
        match body["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/payments?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, orders);
}

#[tokio::test]
async fn an_order_id_that_is_none_is_a_422() {
    let stage = Stage::new().await;
    let customer = identity(Role::Customer);
    let (status, body) = get(&stage, Some(&customer), "/api/payments?orderId=7").await;
    assert_eq!(
        (status.as_u16(), &body["errors"][0]["field"]),
        (422, &json!("orderId"))
    );
}
