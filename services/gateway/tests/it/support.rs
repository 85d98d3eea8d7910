//! A gateway with keys, a policy and a service behind it; each with limits of its own in Redis.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use jiff::Timestamp;
use quickbite_auth::{AccessTokens, Clock, InternalVerifier, Role, SigningKey, SigningKeys};
use quickbite_gateway::{Gateway, GatewayArgs, SERVICE, UpstreamArgs, health, router};
use quickbite_http::testing;
pub(crate) use quickbite_http::testing::eventually;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) fn redis_url() -> String {
    std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL must name a Redis server, e.g. redis://127.0.0.1:6379")
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Behaviour = Arc<dyn Fn(Request) -> Answer + Send + Sync>;

/// A service that records what reaches it and behaves as told.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<(Uri, HeaderMap)>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Self {
            address,
            seen: Arc::default(),
            behaviour: Arc::new(Mutex::new(Arc::new(|_| {
                Box::pin(async { axum::Json(json!({ "ok": true })).into_response() })
            }))),
        };
        let of = backend.clone();
        let app = Router::new().fallback(move |request: Request| {
            let seen = (request.uri().clone(), request.headers().clone());
            of.seen.lock().unwrap().push(seen);
            let behaviour = of.behaviour.lock().unwrap().clone();
            behaviour(request)
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        backend
    }

    pub(crate) fn behaves<F, A>(&self, behaviour: F)
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        *self.behaviour.lock().unwrap() = Arc::new(move |request| Box::pin(behaviour(request)));
    }

    pub(crate) fn answers(&self, status: u16, body: Value) {
        self.behaves(move |_| {
            let status = http::StatusCode::from_u16(status).unwrap();
            let response = (status, axum::Json(body.clone())).into_response();
            async move { response }
        });
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> (Uri, HeaderMap) {
        let seen = self.seen.lock().unwrap();
        seen.last().expect("a request reached the service").clone()
    }

    pub(crate) fn uri(&self) -> Uri {
        uri(self.address)
    }
}

pub(crate) fn uri(address: SocketAddr) -> Uri {
    format!("http://{address}").parse().unwrap()
}

/// Limits that are in nobody's way.
pub(crate) fn roomy() -> Value {
    let limit = json!({ "limit": 100_000, "windowSeconds": 60 });
    json!({ "rateLimits": { "general": limit, "auth": limit, "write": limit } })
}

pub(crate) struct Setup {
    policy: Value,
    upstreams: UpstreamArgs,
    redis: String,
}

/// A gateway whose services all are `backend`, unless said otherwise.
pub(crate) fn before(backend: &Backend) -> Setup {
    let uri = || Some(backend.uri());
    Setup {
        policy: roomy(),
        redis: redis_url(),
        upstreams: UpstreamArgs {
            upstream_user: uri(),
            upstream_restaurant: uri(),
            upstream_order: uri(),
            upstream_driver: uri(),
            upstream_notification: uri(),
            upstream_payment: uri(),
        },
    }
}

impl Setup {
    /// Puts members over those of the policy.
    pub(crate) fn policy(mut self, over: Value) -> Self {
        merge(&mut self.policy, over);
        self
    }

    pub(crate) fn breaker(self, numbers: Value) -> Self {
        self.policy(json!({ "circuitBreaker": numbers }))
    }

    pub(crate) fn limit(self, tier: &str, limit: u32) -> Self {
        let limit = json!({ "limit": limit, "windowSeconds": 900 });
        self.policy(json!({ "rateLimits": { tier: limit } }))
    }

    pub(crate) fn upstreams(mut self, change: impl FnOnce(&mut UpstreamArgs)) -> Self {
        change(&mut self.upstreams);
        self
    }

    pub(crate) fn redis(mut self, url: &str) -> Self {
        self.redis = url.to_owned();
        self
    }

    pub(crate) async fn start(self) -> World {
        let key = || SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap();
        let (access, internal) = ([key()], [key()]);
        let access = SigningKeys::new(&access).unwrap();
        let folder = std::env::temp_dir().join(format!("gateway-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let args = GatewayArgs {
            redis_url: SecretString::from(self.redis),
            internal_signing_keys_file: file("internal.json", &SigningKeys::document(&internal)),
            token_jwks_file: file("jwks.json", &access.public_jwks().to_json()),
            token_issuer: "quickbite".into(),
            token_audience: "quickbite".into(),
            gateway_policy_file: Some(file("policy.json", &self.policy.to_string())),
            redis_prefix: format!("test:gw:{}", Uuid::now_v7()),
            upstreams: self.upstreams,
        };
        let stop = CancellationToken::new();
        let gateway = Gateway::start(args, Clock::system(), stop.clone()).unwrap();
        gateway.warm().await;
        let (routes, probes) = (router(&gateway), health(&gateway));
        let address = testing::serve(SERVICE, probes, None, routes, stop.clone()).await;
        World {
            address,
            stop,
            folder,
            policy: self.policy,
            internal: SigningKeys::new(&internal).unwrap(),
            tokens: AccessTokens::new(access, "quickbite", "quickbite", Clock::system()),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }
}

fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}

/// A running gateway.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) http: reqwest::Client,
    folder: PathBuf,
    policy: Value,
    internal: SigningKeys,
    tokens: AccessTokens,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.http.get(self.url(path))).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Reply {
        Reply::of(self.http.get(self.url(path)).bearer_auth(token)).await
    }

    pub(crate) async fn post(&self, path: &str) -> Reply {
        Reply::of(self.http.post(self.url(path)).json(&json!({}))).await
    }

    pub(crate) fn token(&self, role: Role) -> Token {
        self.token_in(Uuid::now_v7(), role)
    }

    pub(crate) fn token_in(&self, session: Uuid, role: Role) -> Token {
        self.token_for(Duration::from_secs(600), session, role)
    }

    pub(crate) fn token_for(&self, ttl: Duration, session: Uuid, role: Role) -> Token {
        let user = Uuid::now_v7();
        let text = self.tokens.issue(user, role, session, ttl).unwrap();
        Token {
            text,
            user,
            session,
        }
    }

    /// What a service of this name verifies with.
    pub(crate) fn verifier(&self, service: &str) -> InternalVerifier {
        let keys = self.internal.public_jwks();
        InternalVerifier::new(keys, format!("quickbite-{service}"), Clock::system())
    }

    pub(crate) fn change_policy(&self, over: Value) {
        let mut policy = self.policy.clone();
        merge(&mut policy, over);
        std::fs::write(self.folder.join("policy.json"), policy.to_string()).unwrap();
    }

    /// Other access token keys than those that sign [`World::token`].
    pub(crate) fn rotate_keys_away(&self) {
        let key = SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap();
        let jwks = SigningKeys::new(&[key]).unwrap().public_jwks().to_json();
        std::fs::write(self.folder.join("jwks.json"), jwks).unwrap();
    }
}

pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) user: Uuid,
    pub(crate) session: Uuid,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the gateway answers");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.expect("a whole body"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON, not {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// A whole problem with this status and code.
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["success"], false);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["message"], problem["detail"]);
        assert_eq!(problem["correlationId"], self.header("x-correlation-id"));
    }
}

pub(crate) fn empty(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}
