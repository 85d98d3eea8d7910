//! `GET /openapi.json`: the union of what the services say they offer.
//!
//! A service that does not answer stays in with what it said last: documentation must not come and
//! go with the weather.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Limited};
use moka::future::Cache;
use serde_json::Value;

use super::merge::merge;
use crate::gateway::Gateway;
use crate::routing::Upstream;
use crate::upstreams::Target;

const GOOD_FOR: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(2);
const LARGEST: usize = 4 * 1024 * 1024;

pub(crate) struct Documents {
    union: Cache<(), Arc<Value>>,
    last: Mutex<BTreeMap<Upstream, Value>>,
}

impl Documents {
    pub(crate) fn new() -> Self {
        let union = Cache::builder()
            .max_capacity(1)
            .time_to_live(GOOD_FOR)
            .build();
        Self {
            union,
            last: Mutex::default(),
        }
    }

    fn remember(&self, upstream: Upstream, document: Value) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(upstream, document);
    }

    fn known(&self) -> BTreeMap<Upstream, Value> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

pub(crate) async fn union(State(gateway): State<Arc<Gateway>>) -> Json<Arc<Value>> {
    Json(gateway.documents.union.get_with((), unite(&gateway)).await)
}

async fn unite(gateway: &Gateway) -> Arc<Value> {
    join_all(gateway.upstreams.enabled().map(async |target| {
        let fetched = tokio::time::timeout(TIMEOUT, fetch(gateway, target)).await;
        if let Ok(Some(document)) = fetched {
            gateway.documents.remember(target.upstream, document);
        }
    }))
    .await;
    let own = serde_json::to_value(super::document()).unwrap_or_default();
    let known = gateway.documents.known();
    let services = known.iter().map(|(upstream, doc)| (upstream.name(), doc));
    Arc::new(merge(own, services))
}

async fn fetch(gateway: &Gateway, target: &Target) -> Option<Value> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = target.own("/openapi.json").ok()?;
    let response = gateway.client.request(request).await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let document: Value = serde_json::from_slice(&body.ok()?.to_bytes()).ok()?;
    document.get("paths")?.as_object()?;
    Some(document)
}
