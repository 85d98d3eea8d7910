//! Internal tokens, minted once per caller and service and used until ten seconds before their end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use moka::future::Cache;
use quickbite_auth::{Clock, Identity, InternalIssuer, SigningKeys};
use quickbite_http::Problem;

use crate::routing::Upstream;

const CAPACITY: u64 = 50_000;
/// A token lives 30 s; a request may wait for its service for some of it.
const REUSE: Duration = Duration::from_secs(20);

type Key = (Option<Identity>, Upstream);

pub(crate) struct Mint {
    clock: Clock,
    issuing: RwLock<Arc<Issuing>>,
}

struct Issuing {
    issuer: InternalIssuer,
    minted: Cache<Key, HeaderValue>,
}

impl Mint {
    pub(crate) fn new(keys: SigningKeys, clock: Clock) -> Self {
        let issuing = RwLock::new(Arc::new(Issuing::new(keys, clock.clone())));
        Self { clock, issuing }
    }

    pub(crate) fn replace(&self, keys: SigningKeys) {
        *self.issuing.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Issuing::new(keys, self.clock.clone()));
    }

    pub(crate) async fn bearer(
        &self,
        user: Option<&Identity>,
        upstream: Upstream,
    ) -> Result<HeaderValue, Problem> {
        let issuing = Arc::clone(&self.issuing.read().unwrap_or_else(PoisonError::into_inner));
        let key = (user.copied(), upstream);
        if let Some(minted) = issuing.minted.get(&key).await {
            return Ok(minted);
        }
        let token = issuing
            .issuer
            .mint(user, upstream.audience())
            .map_err(Problem::internal)?;
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(Problem::internal)?;
        value.set_sensitive(true);
        issuing.minted.insert(key, value.clone()).await;
        Ok(value)
    }
}

impl Issuing {
    fn new(keys: SigningKeys, clock: Clock) -> Self {
        Self {
            issuer: InternalIssuer::new(keys, clock),
            minted: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(REUSE)
                .build(),
        }
    }
}
