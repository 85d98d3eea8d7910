//! `GET /health`: every service's own word and circuit, and Redis.
//!
//! Anybody may ask and each answer costs a call per service, so that an answer is good for a second
//! and is made once for everybody who waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use moka::future::Cache;
use quickbite_resilience::breaker::Phase;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::upstreams::Target;

const GOOD_FOR: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);
const LARGEST: usize = 64 * 1024;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It works.
    Healthy,
    /// It works in part.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// The platform's health.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Report {
    status: Status,
    services: BTreeMap<&'static str, ServiceReport>,
    dependencies: BTreeMap<&'static str, DependencyReport>,
}

/// One service.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceReport {
    status: Status,
    /// How long it took to answer, in milliseconds.
    latency_ms: f64,
    /// `closed`, `half-open` or `open`.
    circuit: &'static str,
}

/// Something that the gateway itself needs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DependencyReport {
    status: Status,
}

/// The last report.
pub(crate) struct Reports(Cache<(), Arc<Report>>);

impl Reports {
    pub(crate) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(1)
                .time_to_live(GOOD_FOR)
                .build(),
        )
    }
}

/// Health of the platform: 200 while anything works
#[utoipa::path(
    get,
    path = "/health",
    tag = "gateway",
    security(()),
    responses((status = 200, body = Report), (status = 503, body = Report))
)]
pub(crate) async fn health(State(gateway): State<Arc<Gateway>>) -> Response {
    let report = gateway.reports.0.get_with((), report(&gateway)).await;
    let status = match report.status {
        Status::Healthy | Status::Degraded => StatusCode::OK,
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report)).into_response()
}

async fn report(gateway: &Gateway) -> Arc<Report> {
    let asked = gateway.upstreams.enabled().map(|t| ask(gateway, t));
    let services: BTreeMap<_, _> = join_all(asked).await.into_iter().collect();
    let redis = match gateway.redis.is_up() {
        true => Status::Healthy,
        false => Status::Unhealthy,
    };
    let status = overall(services.values().map(|s| s.status), redis);
    let dependencies = BTreeMap::from([("redis", DependencyReport { status: redis })]);
    Arc::new(Report {
        status,
        services,
        dependencies,
    })
}

fn overall(services: impl Iterator<Item = Status>, redis: Status) -> Status {
    let services: Vec<Status> = services.collect();
    let all_healthy = services.iter().all(|s| *s == Status::Healthy);
    let some_work = services.iter().any(|s| *s != Status::Unhealthy);
    match (some_work, all_healthy && redis == Status::Healthy) {
        (false, _) if !services.is_empty() => Status::Unhealthy,
        (_, true) => Status::Healthy,
        _ => Status::Degraded,
    }
}

async fn ask(gateway: &Gateway, target: &Target) -> (&'static str, ServiceReport) {
    let begun = Instant::now();
    let word = tokio::time::timeout(TIMEOUT, own_word(gateway, target)).await;
    let phase = target.breaker.snapshot().phase;
    let status = match (word.ok().flatten(), phase) {
        (None, _) => Status::Unhealthy,
        (Some(Status::Healthy), Phase::Open | Phase::HalfOpen) => Status::Degraded,
        (Some(status), _) => status,
    };
    let report = ServiceReport {
        status,
        latency_ms: (begun.elapsed().as_secs_f64() * 1e5).round() / 1e2,
        circuit: phase.as_str(),
    };
    (target.upstream.name(), report)
}

/// `None` when it does not answer as it should.
async fn own_word(gateway: &Gateway, target: &Target) -> Option<Status> {
    #[derive(Deserialize)]
    struct Word {
        status: Status,
    }
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = target.own("/health").ok()?;
    let response = gateway.client.request(request).await.ok()?;
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let word: Word = serde_json::from_slice(&body.ok()?.to_bytes()).ok()?;
    Some(word.status)
}

#[cfg(test)]
mod tests {
    use Status::{Degraded, Healthy, Unhealthy};

    use super::*;

    #[test]
    fn one_service_that_is_gone_degrades_and_only_all_of_them_make_it_unhealthy() {
        let of = |services: &[Status], redis| overall(services.iter().copied(), redis);
        assert_eq!(of(&[Healthy, Healthy], Healthy), Healthy);
        assert_eq!(of(&[Healthy, Unhealthy], Healthy), Degraded);
        assert_eq!(of(&[Healthy, Healthy], Unhealthy), Degraded);
        assert_eq!(of(&[Unhealthy, Unhealthy], Healthy), Unhealthy);
    }
}
