//! Webhooks: signed, repeated, given up, taken up again; and never into the platform.

use hmac::{Hmac, KeyInit, Mac};
use quickbite_auth::{Identity, Role};
use quickbite_http::testing::identity;
use quickbite_notification::channels::Reach;
use serde_json::{Value, json};
use sha2::Sha256;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::stage::{Cast, Stage};

const SECRET: &str = "a secret of sixteen or more";
const PREFERENCES: &str = "/api/notifications/preferences";

async fn receiver(status: u16) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(status))
        .mount(&server)
        .await;
    server
}

async fn hook(stage: &Stage, who: &Identity, url: &str) {
    let body = json!({"inApp": true, "webhook": {"url": url, "secret": SECRET}});
    let (code, answer) = stage.put(PREFERENCES, who, body).await;
    assert_eq!(code, 200, "{answer}");
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

async fn dead_letters(stage: &Stage) -> Vec<Value> {
    let (code, list) = stage
        .get("/api/notifications/dead-letters", &identity(Role::Admin))
        .await;
    assert_eq!(code, 200);
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_webhook_gets_the_notification_signed_over_time_and_body() {
    let (stage, cast, server) = (Stage::new().await, Cast::new(), receiver(204).await);
    hook(&stage, &cast.customer, &server.uri()).await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    let calls = server.received_requests().await.unwrap();
    assert_eq!(calls.len(), 1);
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(
        (&body["kind"], &body["orderId"]),
        (&json!("order.created"), &json!(cast.order_id))
    );
    let (time, signature) = header(&calls[0], "x-quickbite-signature")
        .split_once(",v1=")
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(time.strip_prefix("t=").unwrap().as_bytes());
    mac.update(b".");
    mac.update(&calls[0].body);
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(signature, expected);
}

#[tokio::test]
async fn a_failing_webhook_is_tried_three_times_dead_lettered_and_redelivered() {
    let (stage, cast, server) = (Stage::new().await, Cast::new(), receiver(500).await);
    hook(&stage, &cast.customer, &server.uri()).await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        1,
        "not again before its pause"
    );
    for _ in 0..2 {
        stage.pass(600);
        stage.deliver().await;
    }
    let calls = server.received_requests().await.unwrap();
    assert_eq!(calls.len(), 3);
    let ids: Vec<&str> = calls
        .iter()
        .map(|call| header(call, "x-quickbite-delivery"))
        .collect();
    assert!(
        ids.iter().all(|id| *id == ids[0]),
        "receivers can tell a repetition"
    );
    let dead = dead_letters(&stage).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (&dead[0]["channel"], &dead[0]["attempts"]),
        (&json!("webhook"), &json!(3))
    );
    assert_eq!(dead[0]["lastError"], json!("the receiver answered 500"));
    assert!(
        stage
            .sent()
            .await
            .contains(&"notification.failed".to_owned())
    );
    assert_eq!(
        stage.kinds(&cast.customer).await,
        ["order.created"],
        "in-app does not suffer"
    );

    server.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let path = format!(
        "/api/notifications/dead-letters/{}/redeliver",
        dead[0]["id"].as_str().unwrap()
    );
    assert_eq!(stage.post(&path, &cast.customer).await.0, 403);
    let admin = identity(Role::Admin);
    assert_eq!(stage.post(&path, &admin).await.0, 202);
    stage.deliver().await;
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert!(dead_letters(&stage).await.is_empty());
    assert_eq!(stage.post(&path, &admin).await.0, 409);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_called_again() {
    let (stage, cast, server) = (Stage::new().await, Cast::new(), receiver(410).await);
    hook(&stage, &cast.customer, &server.uri()).await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    stage.pass(600);
    stage.deliver().await;
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert_eq!(dead_letters(&stage).await.len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (stage, cast, target) = (Stage::new().await, Cast::new(), receiver(200).await);
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(302).insert_header("location", target.uri());
    Mock::given(method("POST"))
        .respond_with(redirect)
        .mount(&server)
        .await;
    hook(&stage, &cast.customer, &server.uri()).await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    assert!(target.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_webhook_leads_into_the_platform() {
    let (stage, cast, server) = (
        Stage::reaching(Reach::Public).await,
        Cast::new(),
        receiver(200).await,
    );
    for url in [
        "http://127.0.0.1:9000/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
    ] {
        let body = json!({"webhook": {"url": url}});
        let (code, problem) = stage.put(PREFERENCES, &cast.customer, body).await;
        assert_eq!(
            (code, &problem["errors"][0]["field"]),
            (422, &json!("webhook.url")),
            "{url} {problem}"
        );
    }
    // A name is only known to lead here when it is resolved.
    hook(
        &stage,
        &cast.customer,
        &format!("http://localhost:{}/", server.address().port()),
    )
    .await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    assert!(server.received_requests().await.unwrap().is_empty());
    assert_eq!(
        dead_letters(&stage).await[0]["lastError"],
        json!("the host has no public address")
    );
}

#[tokio::test]
async fn two_workers_deliver_each_webhook_once() {
    let (stage, server) = (Stage::new().await, receiver(200).await);
    let other = stage.replica().await;
    let casts: Vec<Cast> = (0..30).map(|_| Cast::new()).collect();
    for cast in &casts {
        hook(&stage, &cast.customer, &server.uri()).await;
        stage.tell(&cast.created()).await;
    }
    tokio::join!(stage.deliver(), other.deliver());
    assert_eq!(server.received_requests().await.unwrap().len(), 30);
}

#[tokio::test]
async fn what_a_dead_worker_had_claimed_is_delivered_after_a_minute() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    stage.tell(&cast.created()).await;
    let claimed = stage
        .app
        .store
        .claim(50, stage.app.clock.now())
        .await
        .unwrap();
    assert_eq!(claimed.len(), 2);
    stage.deliver().await;
    assert!(stage.kinds(&cast.customer).await.is_empty());
    stage.pass(61);
    stage.deliver().await;
    assert_eq!(stage.kinds(&cast.customer).await, ["order.created"]);
}
