//! What every route needs.

use std::sync::Arc;
use std::time::Duration;

use quickbite_auth::{AccessTokens, SigningKeys};
use quickbite_http::Clock;
use quickbite_http::idempotency::{IdempotencyLayer, layer};
use quickbite_postgres::PgIdempotency;
use sqlx::PgPool;

use crate::config::TokenArgs;
use crate::passwords::Passwords;
use crate::revocations::Announcer;
use crate::store::{SealedAnswers, Store};

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Accounts, sessions, addresses.
    pub store: Store,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Signs access tokens.
    pub tokens: Arc<AccessTokens>,
    /// Tells gateways which sessions have ended.
    pub announcer: Announcer,
    /// Tells the time.
    pub clock: Clock,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How long a refresh token lives.
    pub refresh_ttl: Duration,
    /// For `seal`ed answers.
    seal: [u8; 32],
}

impl AppState {
    /// With the keys that `tokens` names.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn new(
        tokens: &TokenArgs,
        pool: PgPool,
        passwords: Passwords,
        announcer: Announcer,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Ok(Self::with_keys(
            tokens,
            tokens.signing_keys()?,
            pool,
            passwords,
            announcer,
            clock,
        ))
    }

    /// With these keys.
    #[must_use]
    pub fn with_keys(
        tokens: &TokenArgs,
        keys: SigningKeys,
        pool: PgPool,
        passwords: Passwords,
        announcer: Announcer,
        clock: Clock,
    ) -> Self {
        let seal = keys.derive_secret("answers with tokens");
        let access = AccessTokens::new(
            keys,
            &tokens.token_issuer,
            &tokens.token_audience,
            clock.clone(),
        );
        Self {
            store: Store::new(pool),
            passwords,
            tokens: Arc::new(access),
            announcer,
            clock,
            access_ttl: tokens.access_ttl(),
            refresh_ttl: tokens.refresh_ttl(),
            seal,
        }
    }

    /// Idempotency for answers without secrets.
    #[must_use]
    pub fn plain_answers(&self) -> IdempotencyLayer {
        layer(Arc::new(PgIdempotency::new(self.store.pool().clone())))
    }

    /// Idempotency for requests with passwords and answers with tokens.
    #[must_use]
    pub fn sealed_answers(&self) -> IdempotencyLayer {
        let kept = PgIdempotency::new(self.store.pool().clone());
        layer(Arc::new(SealedAnswers::new(kept, &self.seal)))
    }
}
