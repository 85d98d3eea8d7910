//! Ids, refusals, limits, identity.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing;
use http::Request;
use quickbite_auth::{Identity, Role};
use quickbite_telemetry::metrics;
use serde::Deserialize;
use uuid::Uuid;

use super::{SERVICE, get, open_app, post, send};
use crate::health::Health;
use crate::testing::{TestGateway, identity};
use crate::{Admin, AnyUser, Courier, Customer, MaybeUser, Owner, Path, Valid, app};

#[derive(Deserialize, garde::Validate)]
struct Note {
    #[garde(length(min = 1))]
    text: String,
}

fn routes() -> Router {
    Router::new()
        .route("/ok", routing::get(|| async { "ok" }))
        .route(
            "/notes",
            routing::post(|Valid(note): Valid<Note>| async move { note.text }),
        )
        .route(
            "/notes/{id}",
            routing::get(|Path(id): Path<Uuid>| async move { id.to_string() }),
        )
        .route(
            "/raw",
            routing::post(|body: Body| async move {
                axum::body::to_bytes(body, usize::MAX)
                    .await
                    .map_or("cut off", |_| "whole")
            }),
        )
        .route(
            "/panic",
            routing::get(|| async { panic!("at the disco") as () }),
        )
        .route(
            "/panic",
            routing::post(|| async { panic!("at the disco") as () }),
        )
}

#[tokio::test]
async fn a_usable_correlation_id_is_taken_and_given_back() {
    let request = Request::get("/ok")
        .header("x-correlation-id", "abc-1")
        .body(Body::empty());
    let answer = send(&open_app(routes()), request.unwrap()).await;
    assert_eq!(answer.headers["x-correlation-id"], "abc-1");
}

#[tokio::test]
async fn an_unusable_or_missing_correlation_id_is_replaced_by_a_uuid() {
    let app = open_app(routes());
    for bad in ["", "with space", &"x".repeat(129)] {
        let request = Request::get("/ok")
            .header("x-correlation-id", bad)
            .body(Body::empty());
        let answer = send(&app, request.unwrap()).await;
        let id = answer.headers["x-correlation-id"].to_str().unwrap();
        assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7, "{bad:?}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_with_id_and_path() {
    let app = open_app(routes());
    let missing = send(&app, get("/nowhere")).await;
    assert_eq!(
        (missing.status.as_u16(), missing.code()),
        (404, "not_found")
    );
    assert_eq!(missing.body["instance"], "/nowhere");
    assert_eq!(
        missing.body["correlationId"],
        missing.headers["x-correlation-id"].to_str().unwrap()
    );
    let wrong = send(&app, post("/ok", "{}")).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (405, "method_not_allowed")
    );
    assert!(wrong.headers["allow"].to_str().unwrap().contains("GET"));
}

#[tokio::test]
async fn a_panic_is_a_500_problem_for_reads_and_writes() {
    let app = open_app(routes());
    for request in [get("/panic"), post("/panic", "")] {
        let answer = send(&app, request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (500, "internal_error")
        );
        assert!(!answer.body.to_string().contains("disco"));
    }
}

#[tokio::test]
async fn a_body_without_json_content_type_is_a_415() {
    let request = Request::post("/notes")
        .body(Body::from("{\"text\":\"x\"}"))
        .unwrap();
    let answer = send(&open_app(routes()), request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (415, "unsupported_media_type")
    );
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_a_413_declared_or_not() {
    let app = open_app(routes());
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(1024 * 1024));
    let declared = Request::post("/notes")
        .header("content-type", "application/json")
        .header("content-length", large.len())
        .body(Body::from(large.clone()))
        .unwrap();
    let chunks = large
        .into_bytes()
        .chunks(65_536)
        .map(<[u8]>::to_vec)
        .collect::<Vec<_>>();
    let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
    let streamed = post("/notes", Body::from_stream(futures::stream::iter(chunks)));
    for request in [declared, streamed] {
        let answer = send(&app, request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (413, "body_too_large")
        );
    }
}

#[tokio::test]
async fn the_limit_reaches_bodies_that_are_read_raw() {
    let chunks = (0..32).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 65_536]));
    let endless = Body::from_stream(futures::stream::iter(chunks));
    assert_eq!(
        send(&open_app(routes()), post("/raw", endless)).await.body,
        "cut off"
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_a_404() {
    let app = open_app(routes());
    for id in ["x", "%00", "..%2f", "%ff"] {
        assert_eq!(
            send(&app, get(&format!("/notes/{id}"))).await.status,
            404,
            "{id}"
        );
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let app = open_app(routes());
    for _ in 0..3 {
        send(&app, get(&format!("/notes/{}", Uuid::now_v7()))).await;
    }
    let line = "http_requests_total{method=\"GET\",route=\"/notes/{id}\",status=\"200\"}";
    assert!(metrics::encode().contains(line));
}

fn guarded(gateway: &TestGateway) -> Router {
    let routes = routes()
        .route("/any", routing::get(|_: AnyUser| async {}))
        .route(
            "/maybe",
            routing::get(|MaybeUser(who): MaybeUser| async move {
                who.map_or_else(|| "nobody".to_owned(), |who| who.role.to_string())
            }),
        )
        .route("/customer", routing::get(|_: Customer| async {}))
        .route(
            "/owner",
            routing::get(|who: Owner| async move { who.is_admin.to_string() }),
        )
        .route("/courier", routing::get(|_: Courier| async {}))
        .route("/admin", routing::get(|_: Admin| async {}));
    app(SERVICE, &Health::new(), Some(gateway.verifier()), routes)
}

#[tokio::test]
async fn each_extractor_lets_in_its_roles_and_no_other() {
    let gateway = TestGateway::before(SERVICE.name);
    let app = guarded(&gateway);
    let table: [(&str, &[Role]); 5] = [
        ("/any", &Role::ALL),
        ("/customer", &[Role::Customer]),
        ("/owner", &[Role::RestaurantOwner, Role::Admin]),
        ("/courier", &[Role::Driver]),
        ("/admin", &[Role::Admin]),
    ];
    for (path, allowed) in table {
        for role in [None].into_iter().chain(Role::ALL.map(Some)) {
            let caller = role.map(identity);
            let request = Request::get(path)
                .header("authorization", gateway.authorization(caller.as_ref()))
                .body(Body::empty());
            let expected = match role {
                None => 401,
                Some(role) if allowed.contains(&role) => 200,
                Some(_) => 403,
            };
            let status = send(&app, request.unwrap()).await.status;
            assert_eq!(status.as_u16(), expected, "{path} {role:?}");
        }
    }
}

#[tokio::test]
async fn an_anonymous_caller_is_let_in_where_one_may_be() {
    let gateway = TestGateway::before(SERVICE.name);
    let app = guarded(&gateway);
    let as_seen = async |caller: Option<&Identity>| {
        let request = Request::get("/maybe")
            .header("authorization", gateway.authorization(caller))
            .body(Body::empty());
        send(&app, request.unwrap()).await.body
    };
    assert_eq!(as_seen(None).await, "nobody");
    assert_eq!(as_seen(Some(&identity(Role::Driver))).await, "driver");
}

#[tokio::test]
async fn without_a_token_of_this_gateway_only_probes_are_answered() {
    let app = guarded(&TestGateway::before(SERVICE.name));
    let stranger = TestGateway::before(SERVICE.name).authorization(None);
    let other_service = TestGateway::before("user").authorization(None);
    for authorization in [
        "",
        "Bearer",
        "Bearer x.y.z",
        "Basic eDp5",
        &stranger,
        &other_service,
    ] {
        for path in ["/ok", "/nowhere", "/maybe"] {
            let request = Request::get(path).header("authorization", authorization);
            let answer = send(&app, request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                answer.code(),
                "access_token_required",
                "{authorization} {path}"
            );
        }
    }
    for path in ["/livez", "/readyz", "/health"] {
        assert_eq!(send(&app, get(path)).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_missing_dependency_makes_a_process_unready_but_not_dead() {
    let health = Health::new()
        .check("postgres", || async { anyhow::bail!("connection refused") })
        .optional("redis", || async { anyhow::Ok(()) });
    let app = app(SERVICE, &health, None, Router::new());
    assert_eq!(send(&app, get("/livez")).await.status, 200);
    let ready = send(&app, get("/readyz")).await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.body["checks"]["postgres"]["error"],
        "connection refused"
    );
}

#[tokio::test]
async fn an_optional_dependency_only_degrades() {
    let health = Health::new().optional("redis", || async { anyhow::bail!("away") });
    let app = app(SERVICE, &health, None, Router::new());
    let ready = send(&app, get("/readyz")).await;
    assert_eq!(
        (ready.status.as_u16(), &ready.body["status"]),
        (200, &"degraded".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_has_failed() {
    let health = Health::new().check("postgres", std::future::pending::<anyhow::Result<()>>);
    let app = app(SERVICE, &health, None, Router::new());
    assert_eq!(send(&app, get("/readyz")).await.status, 503);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_is_one_access_log_line_with_its_id_and_a_probe_is_none() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .with_max_level(tracing::Level::INFO)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = open_app(routes());
    let request = Request::get("/ok")
        .header("x-correlation-id", "abc-2")
        .body(Body::empty());
    send(&app, request.unwrap()).await;
    send(&app, get("/livez")).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let access: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"] == "access")
        .collect();
    assert_eq!(access.len(), 1, "{text}");
    assert_eq!(access[0]["fields"]["status"], 200);
    assert_eq!(access[0]["span"]["correlationId"], "abc-2");
    assert_eq!(access[0]["span"]["route"], "/ok");
}
