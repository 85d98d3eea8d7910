//! A user-service of its own for each test: own database, real Redis, a gateway in front.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use jiff::Timestamp;
use quickbite_auth::{AccessTokens, Identity, SigningKey, SigningKeys};
use quickbite_events::testing::outbox;
use quickbite_http::Health;
pub(crate) use quickbite_http::testing::Answer;
use quickbite_http::testing::{MovableClock, TestGateway, ask};
use quickbite_resilience::Redis;
use quickbite_user::config::TokenArgs;
use quickbite_user::passwords::Passwords;
use quickbite_user::revocations::Announcer;
use quickbite_user::state::AppState;
use quickbite_user::{MIGRATIONS, SERVICE, router};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery";
const ACCESS_TTL: u32 = 3600;
const REFRESH_TTL: u32 = 86_400;

/// The service under test and what stands around it.
pub(crate) struct World {
    app: Router,
    gateway: TestGateway,
    pub(crate) state: AppState,
    pub(crate) pool: PgPool,
    pub(crate) redis: Redis,
    tokens: AccessTokens,
    time: MovableClock,
}

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) identity: Identity,
    pub(crate) refresh_token: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let pool = quickbite_postgres::testing::fresh_database(&MIGRATIONS).await;
        let url = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL must name a Redis server for this test");
        let redis = Redis::connect(&url.into()).expect("TEST_REDIS_URL is a Redis URL");
        tokio::time::timeout(Duration::from_secs(5), redis.ready())
            .await
            .expect("the test Redis answers");
        let time = MovableClock::default();
        let clock = time.clock();
        let key = SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap();
        let keys = SigningKeys::new(&[key]).unwrap();
        let public = keys.public_jwks();
        let args = TokenArgs {
            token_signing_keys_file: "unused".into(),
            token_issuer: "quickbite".into(),
            token_audience: "quickbite".into(),
            access_token_ttl_seconds: ACCESS_TTL,
            refresh_token_ttl_seconds: REFRESH_TTL,
        };
        let announcer = Announcer::new(
            pool.clone(),
            redis.clone(),
            args.access_ttl(),
            clock.clone(),
        );
        let passwords = Passwords::weak_for_tests().unwrap();
        let state = AppState::with_keys(
            &args,
            keys,
            pool.clone(),
            passwords,
            announcer,
            clock.clone(),
        );
        let gateway = TestGateway::before(SERVICE.name);
        let routes = router(state.clone());
        Self {
            app: quickbite_http::app(SERVICE, &Health::new(), Some(gateway.verifier()), routes),
            gateway,
            state,
            pool,
            redis,
            tokens: AccessTokens::verifier(public, "quickbite", "quickbite", clock),
            time,
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, seconds: i64) {
        self.time.pass(seconds);
    }

    pub(crate) async fn call(
        &self,
        caller: Option<&Identity>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.send(caller, Request::builder().method(method).uri(path), body)
            .await
    }

    pub(crate) async fn send(
        &self,
        caller: Option<&Identity>,
        request: http::request::Builder,
        body: Option<Value>,
    ) -> Answer {
        self.raw(self.gateway.pass_on(request, caller, body.as_ref()))
            .await
    }

    pub(crate) fn authorization(&self, caller: &Identity) -> String {
        self.gateway.authorization(Some(caller))
    }

    pub(crate) async fn raw(&self, request: Request<Body>) -> Answer {
        ask(&self.app, request).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(None, Method::POST, path, Some(body)).await
    }

    /// The identity that an access token speaks for.
    pub(crate) fn identity(&self, answer: &Answer) -> Identity {
        let token = answer.body["accessToken"]
            .as_str()
            .expect("an access token");
        self.tokens.verify(token).expect("a valid token").identity()
    }

    pub(crate) async fn register(&self, role: &str) -> Person {
        let email = format!("{}@example.org", Uuid::now_v7().simple());
        let body = json!({"email": email, "password": PASSWORD, "name": "Ann", "role": role});
        let answer = self.post("/api/users/register", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.person(&answer)
    }

    pub(crate) fn person(&self, answer: &Answer) -> Person {
        let identity = self.identity(answer);
        Person {
            id: identity.user_id,
            email: answer.body["user"]["email"].as_str().unwrap().to_owned(),
            identity,
            refresh_token: answer.body["refreshToken"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/api/users/login",
            json!({"email": email, "password": password}),
        )
        .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/users/refresh", json!({"refreshToken": token}))
            .await
    }

    /// An admin, as the bootstrap makes one.
    pub(crate) async fn admin(&self) -> Person {
        let person = self.register("customer").await;
        sqlx::query("UPDATE users SET role = 'admin' WHERE id = $1")
            .bind(person.id)
            .execute(&self.pool)
            .await
            .unwrap();
        let identity = Identity {
            role: quickbite_auth::Role::Admin,
            ..person.identity
        };
        Person { identity, ..person }
    }

    /// The facts that wait in the outbox, oldest first: type, subject, sequence, data.
    pub(crate) async fn facts(&self) -> Vec<(String, Uuid, i64, Value)> {
        let facts = outbox(&self.pool).await.into_iter();
        facts
            .map(|fact| fact.envelope)
            .map(|fact| (fact.kind, fact.subject, fact.sequence.unwrap(), fact.data))
            .collect()
    }

    pub(crate) async fn types_of_facts(&self) -> Vec<String> {
        self.facts()
            .await
            .into_iter()
            .map(|(kind, ..)| kind)
            .collect()
    }

    /// Whether gateways are told that the session has ended.
    pub(crate) async fn is_revoked(&self, session: Uuid) -> bool {
        let mut score = redis::cmd("ZSCORE");
        score.arg("auth:revoked").arg(session.to_string());
        let score: Option<f64> = self
            .redis
            .command(Duration::from_secs(2), &score)
            .await
            .unwrap();
        // Asked for second, because it is written first.
        let mut exists = redis::cmd("EXISTS");
        exists.arg(format!("auth:revoked:{session}"));
        let key: bool = self
            .redis
            .command(Duration::from_secs(2), &exists)
            .await
            .unwrap();
        assert!(key || score.is_none(), "who is in the set has a key");
        score.is_some()
    }
}
