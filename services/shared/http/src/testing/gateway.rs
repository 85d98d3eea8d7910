//! A gateway's side of internal tokens.

use axum::body::Body;
use http::{Request, header};
use jiff::Timestamp;
use quickbite_auth::{
    Clock, Identity, InternalIssuer, InternalVerifier, Role, SigningKey, SigningKeys,
};
use serde_json::Value;
use uuid::Uuid;

/// Vouches for callers as the gateway does, with keys of its own.
#[derive(Debug, Clone)]
pub struct TestGateway {
    issuer: InternalIssuer,
    audience: String,
}

impl TestGateway {
    /// In front of the service `name`.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn before(name: &str) -> Self {
        let key = SigningKey::generate(Timestamp::UNIX_EPOCH).expect("randomness");
        let keys = SigningKeys::new(&[key]).expect("a generated key is usable");
        Self {
            issuer: InternalIssuer::new(keys, Clock::system()),
            audience: format!("quickbite-{name}"),
        }
    }

    /// What the service verifies with.
    #[must_use]
    pub fn verifier(&self) -> InternalVerifier {
        InternalVerifier::new(self.issuer.public_jwks(), &self.audience, Clock::system())
    }

    /// `Bearer …` for `caller`; `None` is an anonymous one.
    ///
    /// # Panics
    /// Never with a generated key.
    #[must_use]
    pub fn authorization(&self, caller: Option<&Identity>) -> String {
        let token = self
            .issuer
            .mint(caller, &self.audience)
            .expect("a generated key signs");
        format!("Bearer {token}")
    }

    /// The request as this gateway passes it on for `caller`, with a JSON body or none.
    ///
    /// # Panics
    /// When the request cannot be built.
    #[must_use]
    pub fn pass_on(
        &self,
        request: http::request::Builder,
        caller: Option<&Identity>,
        body: Option<&Value>,
    ) -> Request<Body> {
        let request = request.header(header::AUTHORIZATION, self.authorization(caller));
        let request = match body {
            Some(json) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(json.to_string().into()),
            None => request.body(Body::empty()),
        };
        request.expect("a request")
    }
}

/// A caller with this role, a new id and a new session.
#[must_use]
pub fn identity(role: Role) -> Identity {
    Identity {
        user_id: Uuid::now_v7(),
        role,
        session: Some(Uuid::now_v7()),
    }
}
