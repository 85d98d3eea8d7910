//! `Idempotency-Key`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing;
use http::{Request, StatusCode};
use quickbite_auth::{Identity, Role};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Answer, SERVICE, send};
use crate::health::Health;
use crate::idempotency::{MemoryStore, layer};
use crate::testing::{TestGateway, identity};
use crate::{AnyUser, Created, Problem, app};

/// A service whose POST counts how often it ran.
struct Counting {
    app: Router,
    gateway: TestGateway,
    runs: Arc<AtomicU32>,
    /// A permit for each run that may finish.
    may_finish: Arc<Semaphore>,
}

impl Counting {
    fn new() -> Self {
        let gateway = TestGateway::before(SERVICE.name);
        let runs = Arc::new(AtomicU32::new(0));
        let may_finish = Arc::new(Semaphore::new(1000));
        let create = {
            let (runs, may_finish) = (Arc::clone(&runs), Arc::clone(&may_finish));
            move |_: AnyUser, body: String| async move {
                let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
                may_finish.acquire().await.unwrap().forget();
                match body.as_str() {
                    "refuse" => Err(Problem::conflict("refused", "No")),
                    "fail" => Err(Problem::internal("broken")),
                    _ => Ok(Created(format!("/things/{run}"), json!({"run": run}))),
                }
            }
        };
        let routes = Router::new()
            .route("/things", routing::post(create))
            .route_layer(layer(Arc::new(MemoryStore::default())));
        let app = app(SERVICE, &Health::new(), Some(gateway.verifier()), routes);
        Self {
            app,
            gateway,
            runs,
            may_finish,
        }
    }

    async fn post(&self, who: &Identity, key: Option<&str>, body: &'static str) -> Answer {
        let mut request =
            Request::post("/things").header("authorization", self.gateway.authorization(Some(who)));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        send(&self.app, request.body(Body::from(body)).unwrap()).await
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn the_same_key_and_body_replay_the_first_answer() {
    let (service, me) = (Counting::new(), identity(Role::Customer));
    let first = service.post(&me, Some("k"), "a").await;
    let second = service.post(&me, Some("k"), "a").await;
    assert_eq!((first.status, service.runs()), (StatusCode::CREATED, 1));
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(second.headers["location"], "/things/1");
    assert_eq!(second.headers["content-type"], "application/json");
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_ne!(
        first.headers["x-correlation-id"],
        second.headers["x-correlation-id"]
    );
}

#[tokio::test]
async fn without_a_key_every_request_runs() {
    let (service, me) = (Counting::new(), identity(Role::Customer));
    service.post(&me, None, "a").await;
    service.post(&me, None, "a").await;
    assert_eq!(service.runs(), 2);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_422() {
    let (service, me) = (Counting::new(), identity(Role::Customer));
    service.post(&me, Some("k"), "a").await;
    let other = service.post(&me, Some("k"), "b").await;
    assert_eq!(
        (other.status.as_u16(), other.code()),
        (422, "idempotency_key_reused")
    );
    assert_eq!(service.runs(), 1);
}

#[tokio::test]
async fn a_key_of_somebody_else_is_another_key() {
    let service = Counting::new();
    service
        .post(&identity(Role::Customer), Some("k"), "a")
        .await;
    service
        .post(&identity(Role::Customer), Some("k"), "a")
        .await;
    assert_eq!(service.runs(), 2);
}

#[tokio::test]
async fn while_the_first_request_runs_the_second_is_a_409() {
    let (service, me) = (Counting::new(), identity(Role::Customer));
    service.may_finish.forget_permits(1000);
    let first = service.post(&me, Some("k"), "a");
    let second = async {
        while service.runs() == 0 {
            tokio::task::yield_now().await;
        }
        let answer = service.post(&me, Some("k"), "a").await;
        service.may_finish.add_permits(1);
        answer
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.status, 201);
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (409, "idempotency_in_progress")
    );
    assert_eq!(second.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_the_request_and_gets_its_answer_later() {
    let (service, me) = (Counting::new(), identity(Role::Customer));
    service.may_finish.forget_permits(1000);
    {
        let abandoned = service.post(&me, Some("k"), "a");
        tokio::pin!(abandoned);
        while service.runs() == 0 {
            tokio::select! {
                _ = &mut abandoned => unreachable!("it may not finish yet"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    service.may_finish.add_permits(1);
    let retried = async {
        loop {
            let answer = service.post(&me, Some("k"), "a").await;
            if answer.status == 201 {
                return answer;
            }
            assert_eq!(answer.status, 409);
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), retried)
        .await
        .unwrap();
    assert_eq!((answer.body, service.runs()), (json!({"run": 1}), 1));
}

#[tokio::test]
async fn what_was_refused_or_failed_runs_again() {
    for body in ["refuse", "fail"] {
        let (service, me) = (Counting::new(), identity(Role::Customer));
        service.post(&me, Some("k"), body).await;
        let again = service.post(&me, Some("k"), body).await;
        assert!(!again.headers.contains_key("idempotency-replayed"));
        assert_eq!(service.runs(), 2, "{body}");
    }
}

#[tokio::test]
async fn a_key_that_breaks_the_rule_is_a_400() {
    let (service, me) = (Counting::new(), identity(Role::Customer));
    let long = "k".repeat(256);
    let answer = service.post(&me, Some(&long), "a").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "invalid_idempotency_key")
    );
    assert_eq!(service.runs(), 0);
}
