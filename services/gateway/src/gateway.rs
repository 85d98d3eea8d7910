//! What all requests share, put together once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use quickbite_auth::{Clock, Jwks, SigningKeys};
use quickbite_resilience::rate_limit::RateLimiter;
use quickbite_resilience::{Redis, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::config::GatewayArgs;
use crate::fallback::Fallbacks;
use crate::identity::{Identities, Mint, Revocations, Verifier};
use crate::limits::Limits;
use crate::policy::follow::{follow, read};
use crate::policy::{Policy, PolicyInForce};
use crate::proxy::{Client, client};
use crate::routes::documents::Documents;
use crate::routes::health::Reports;
use crate::upstreams::Upstreams;

const WARM: Duration = Duration::from_secs(2);
const POLICY: &str = "GATEWAY_POLICY_FILE";
const JWKS: &str = "TOKEN_JWKS_FILE";
const SIGNING: &str = "INTERNAL_SIGNING_KEYS_FILE";

/// The gateway's state.
pub struct Gateway {
    pub(crate) policy: PolicyInForce,
    pub(crate) identities: Identities,
    pub(crate) limits: Limits,
    pub(crate) upstreams: Upstreams,
    pub(crate) client: Client,
    pub(crate) fallbacks: Fallbacks,
    pub(crate) redis: Redis,
    pub(crate) reports: Reports,
    pub(crate) documents: Documents,
    pub(crate) clock: Clock,
    /// Cancelled when the process drains.
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    /// Reads the files, starts connecting to Redis, follows changes. Needs a tokio runtime.
    ///
    /// # Errors
    /// When a file or a URL cannot be used; the message names it.
    pub fn start(
        args: GatewayArgs,
        clock: Clock,
        stop: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let GatewayArgs {
            redis_url,
            internal_signing_keys_file,
            token_jwks_file,
            token_issuer,
            token_audience,
            gateway_policy_file,
            redis_prefix,
            upstreams,
        } = args;
        let policy_text = gateway_policy_file
            .as_deref()
            .map(|file| read(POLICY, file))
            .transpose()?;
        let policy = match &policy_text {
            Some(text) => Policy::parse(text).context(POLICY)?,
            None => Policy::default(),
        };
        let jwks_text = read(JWKS, &token_jwks_file)?;
        let signing_text = read(SIGNING, &internal_signing_keys_file)?;
        let verifier = Verifier::new(
            Jwks::from_json(&jwks_text).context(JWKS)?,
            &token_issuer,
            &token_audience,
            clock.clone(),
        );
        let signing = SigningKeys::from_json(&signing_text).context(SIGNING)?;
        let mint = Mint::new(signing, clock.clone());

        let redis = Redis::connect(&redis_url).context("REDIS_URL")?;
        let monotonic: Arc<dyn quickbite_resilience::Clock> = Arc::new(SystemClock::new());
        let limiter = RateLimiter::new(
            redis.clone(),
            &format!("{redis_prefix}:limit"),
            Arc::clone(&monotonic),
        );
        let revocations = Revocations::follow(redis.clone(), clock.clone(), stop.clone());
        let fallbacks = Fallbacks::new(
            redis.clone(),
            clock.clone(),
            &format!("{redis_prefix}:fallback"),
        );
        let gateway = Arc::new(Self {
            identities: Identities::new(verifier, revocations, mint),
            limits: Limits::new(limiter),
            upstreams: Upstreams::new(&upstreams, policy.breaker(), &monotonic)?,
            client: client(),
            fallbacks,
            reports: Reports::new(),
            documents: Documents::new(),
            policy: PolicyInForce::new(policy),
            redis,
            clock,
            stop,
        });

        if let (Some(file), Some(text)) = (gateway_policy_file, policy_text) {
            let gateway = Arc::clone(&gateway);
            follow(POLICY, file, text, move |json| {
                let policy = Policy::parse(json)?;
                gateway.upstreams.apply(policy.breaker());
                gateway.policy.replace(policy);
                Ok(())
            });
        }
        let of = Arc::clone(&gateway);
        follow(JWKS, token_jwks_file, jwks_text, move |json| {
            of.identities.replace_token_keys(Jwks::from_json(json)?);
            Ok(())
        });
        let of = Arc::clone(&gateway);
        follow(
            SIGNING,
            internal_signing_keys_file,
            signing_text,
            move |json| {
                of.identities
                    .replace_signing_keys(SigningKeys::from_json(json)?);
                Ok(())
            },
        );
        Ok(gateway)
    }

    /// Waits a little for Redis, so that a fresh process knows the limits and revocations that are
    /// already counted there. Without Redis it serves all the same.
    pub async fn warm(&self) {
        if tokio::time::timeout(WARM, self.redis.ready())
            .await
            .is_err()
        {
            tracing::warn!("Redis does not answer yet; serving without it");
        }
    }
}
